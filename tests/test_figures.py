"""Figures: what is drawn is what was computed."""

from dataclasses import replace

import numpy as np
import pytest

from amijax.comparison import Comparison, Timings, rel_diff
from amijax.figures import gradient_figure, signed_scale
from amijax.figures.gradient import ROW_HEIGHT
from amijax.simulation.settings import SolverSettings


def comparison(amici, jax, precision="float32"):
    amici, jax = np.array(amici, float), np.array(jax, float)
    ids = tuple(f"p{i}" for i in range(len(amici)))
    return Comparison(
        problem_id="test",
        parameter_ids=ids,
        parameter_names=ids,
        scales=("lin",) * len(ids),
        precision=precision,
        theta=amici,
        p=amici,
        theta_inside=amici,
        llh_amici=1.0,
        llh_jax=1.0,
        llh_rel_diff=0.0,
        gradient_amici=amici,
        gradient_jax=jax,
        gradient_rel_diff=rel_diff(amici, jax),
        failure_amici=None,
        failure_jax=None,
        solver=SolverSettings(),
        timings=Timings(1, 1, 1, 1, 1),
    )


def both(amici, jax):
    one = comparison(amici, jax)
    return {"float32": one, "float64": replace(comparison(amici, amici), precision="float64")}


@pytest.mark.parametrize("values", [[1.0, -3.0, 20.0], [0.0], [], [np.nan, 2.0]])
def test_a_narrow_range_stays_linear(values):
    scale = signed_scale(np.array(values))
    assert scale.floor is None
    np.testing.assert_array_equal(scale(np.array(values)), values)


def test_signed_scale_keeps_sign_order_and_zero():
    values = np.array([-1e3, -1e-5, 0.0, 1e-5, 3.0, 1e6])
    scale = signed_scale(values)
    positions = scale(values)
    assert (np.diff(positions) > 0).all()
    assert positions[2] == 0
    np.testing.assert_allclose(scale(-values), -positions)
    assert "0" in scale.labels
    for position, label in zip(scale.ticks, scale.labels, strict=True):
        if label != "0":
            size = 10.0 ** int(label.split("<sup>")[1].split("<")[0])
            sign = -1 if label.startswith("−") else 1
            np.testing.assert_allclose(scale(np.array([sign * size])), position, atol=1e-12)


def bars(figure):
    return [trace for trace in figure.data if trace.type == "bar"]


def test_bars_hover_and_colours():
    figure = gradient_figure(both([1e-5, -2.0, 300.0], [2e-5, -2.0, 301.0]), "float32")
    amici, jax, *_ = bars(figure)
    assert (amici.name, jax.name) == ("AMICI", "JAX float32")
    assert amici.marker.color != jax.marker.color
    assert [text for _, text in jax.customdata] == ["2e-05", "-2", "301"]
    assert {bar.name for bar in bars(figure) if bar.showlegend is not False} == {
        "AMICI", "JAX float32", "JAX float64",
    }  # fmt: skip


def test_both_precisions_part_on_a_log_axis():
    figure = gradient_figure(both([1.0, 2.0, 0.0], [1.0, 2.2, 1.0]), "float64")
    axis = figure.layout.xaxis2
    exact = axis.tickvals[0]
    assert axis.ticktext[0] == "exact"
    float32, float64 = (bar for bar in bars(figure) if bar.base is not None)
    assert (float32.name, float64.name) == ("JAX float32", "JAX float64")
    np.testing.assert_array_equal(float64.x, 0)  # exact
    ends = float32.base + np.array(float32.x)
    assert ends[0] == exact
    np.testing.assert_allclose(ends[1], np.log10(0.1))
    np.testing.assert_allclose(ends[2], axis.range[1])  # infinite: up to the edge
    diamonds = next(trace for trace in figure.data if trace.name == "float64, exact")
    np.testing.assert_array_equal(diamonds.x, exact)


def test_zeros_and_nan_are_marked():
    figure = gradient_figure(both([0.0, np.nan, 1.0], [0.0, np.nan, 1.0]), "float32")
    marks = {trace.name: trace for trace in figure.data if trace.type == "scatter"}
    assert list(marks["exactly 0"].customdata) == ["p0"]
    assert list(marks["not finite"].customdata) == ["p1"]


def test_the_order_is_that_of_all_bars_and_names():
    comparisons = both([1.0, 2.0, 3.0], [1.0, 2.2, 3.0])
    figure = gradient_figure(comparisons, "float32", [1, 2, 0])
    names = [note.text for note in figure.layout.annotations]
    assert names == ["<b>p1</b>", "<b>p2</b>", "<b>p0</b>"]
    np.testing.assert_array_equal(bars(figure)[0].x, [2.0, 3.0, 1.0])
    assert bars(figure)[2].x[0] > 0


def test_names_are_shown_and_not_taken_for_markup():
    comparisons = both([1.0], [1.0])
    named = {k: replace(c, parameter_names=("rate <b>k</b>",)) for k, c in comparisons.items()}
    figure = gradient_figure(named, "float32")
    assert figure.layout.annotations[0].text == "<b>p0</b>  rate &lt;b&gt;k&lt;/b&gt;"


@pytest.mark.parametrize("n", [1, 9, 113])
@pytest.mark.parametrize("axis_on_top", [False, True])
def test_rows_are_as_high_as_the_table_s(n, axis_on_top):
    figure = gradient_figure(both(np.ones(n), np.ones(n)), "float32", axis_on_top=axis_on_top)
    margin = figure.layout.margin
    assert figure.layout.height - margin.t - margin.b == ROW_HEIGHT * n


def test_jax_that_was_not_run_has_no_bars():
    comparisons = {
        name: replace(c, jax_was_run=False, gradient_jax=np.full(2, np.nan))
        for name, c in both([1.0, 2.0], [np.nan, np.nan]).items()
    }
    figure = gradient_figure(comparisons, "float32")
    assert not [bar for bar in bars(figure) if bar.base is not None]
    assert not [trace for trace in figure.data if trace.name == "not finite"]
