"""Figures of fits: every start is drawn, where it belongs."""

from dataclasses import replace

import numpy as np
import pytest

import amijax
from amijax.figures import growth_figure, points_figure, progress_figure, waterfall_figure


@pytest.fixture(scope="module")
def fitted(conversion):
    """Starts at the optimum twice, and one far below."""
    result = amijax.fit(
        conversion, 2, workers=1, audit=False, resume=False,
        bounds={"k1": (-1.5, 1.0), "k2": (-3.0, 2.0), "total": (0.5, 5.0)},
    )  # fmt: skip
    worse = replace(result.starts[0], index=2, llh=result.best.llh - 30.0)
    return replace(result, starts=(*result.starts, worse), reference_llh=result.best.llh - 1.0)


def test_the_waterfall_has_every_start_in_its_group(fitted):
    figure = waterfall_figure(fitted, 2)
    drawn = [trace for trace in figure.data if trace.name != "chosen"]
    assert [trace.name for trace in drawn] == [f"{fitted.best.llh:.6g}, found 2 times", "others"]
    assert list(drawn[0].x) == [1, 2]
    assert list(drawn[1].x) == [3]
    assert drawn[1].y[0] == pytest.approx(30.0)
    assert "start 2" in drawn[1].customdata[0]
    [chosen] = [trace for trace in figure.data if trace.name == "chosen"]
    assert list(chosen.x) == [3]
    [note] = [a for a in figure.layout.annotations if "reference" in a.text]
    assert note.y == pytest.approx(0.0)  # 1 below the best, on a logarithmic axis


def test_points_lie_between_their_bounds(fitted):
    figure = points_figure(fitted, fitted.ordered)
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(lines) == 3
    for line in lines:
        assert ((np.array(line.x) >= 0) & (np.array(line.x) <= 1)).all()
        assert list(line.y) == list(fitted.parameter_ids)
    settings = fitted.settings
    best = next(line for line in lines if line.line.width == 2)
    width = settings.upper - settings.lower
    np.testing.assert_allclose(settings.lower + best.x * width, fitted.best.theta, rtol=1e-12)


def test_growth_ends_at_the_starts_ends(fitted):
    time, evaluations = (
        [t for t in growth_figure(fitted).data if t.name == "at the best optimum"][k]
        for k in (0, 1)
    )
    ends = [y for y, after in zip(time.y, [*time.y[1:], None], strict=True) if after is None and y]
    assert sorted(ends) == sorted(s.trace.values[-1] for s in fitted.ordered[:2])
    assert max(x for x in evaluations.x if x is not None) == max(
        s.n_evaluations for s in fitted.ordered[:2]
    )


def test_progress_is_that_of_the_best(fitted):
    for trace in progress_figure(fitted).data:
        assert trace.y[-1] == fitted.best.llh
        assert (np.diff(trace.y) >= 0).all()
        assert (np.diff(trace.x) >= 0).all()
