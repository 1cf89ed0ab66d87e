"""Work-precision diagrams: errors as by the closed form, drawn as they were measured."""

import numpy as np
import pytest
from closed_form import llh_and_gradient as closed_form

from amijax import SolverSettings
from amijax.figures import work_precision_figure
from amijax.precision.reference import find_reference
from amijax.precision.work_precision import WorkPoint, WorkPrecision, work_precision
from amijax.tuning.errors import gradient_error

RTOLS = (1e-4, 1e-7, 1e-10)


@pytest.fixture(scope="module")
def reference(conversion):
    theta = conversion.problem.nominal_theta
    return find_reference(conversion, theta, np.arange(theta.size))


@pytest.fixture(scope="module")
def work(conversion, reference):
    marked = {"loose": SolverSettings(rtol=1e-2, atol=1e-2), "fails": SolverSettings(max_steps=2)}
    return work_precision(
        conversion, conversion.problem.nominal_theta, reference, marked=marked, rtols=RTOLS
    )


def test_errors_are_those_of_the_closed_form(conversion, work):
    theta = conversion.problem.nominal_theta
    _, truth = closed_form(theta, conversion.problem.measurements)
    assert list(work.lines) == [
        "forward, simultaneous", "forward, staggered", "forward, staggered1", "adjoint",
    ]  # fmt: skip
    for points in work.lines.values():
        assert [point.settings.rtol for point in points] == list(RTOLS)
        for point in points:
            gradient = conversion.with_solver(point.settings).llh_and_gradient(theta)[1]
            # The reference's own error is below 1e-10 here.
            assert point.error == pytest.approx(gradient_error(gradient, truth), abs=1e-9)
            assert point.seconds > 0
        assert points[-1].error < 1e-3 * points[0].error
    assert work.marked["loose"].error > 1e-4
    assert work.marked["fails"].error == np.inf
    assert np.isnan(work.marked["fails"].seconds)


def test_float32_has_a_floor(work):
    # 24 bits are 6e-8; conditioning of this problem costs less than three digits of that.
    assert 6e-9 < work.float32_floor < 6e-5
    assert work.uncertainty < 1e-9


def test_a_reference_of_some_entries_is_refused(conversion):
    theta = conversion.problem.nominal_theta
    part = find_reference(conversion, theta, np.array([0, 1]))
    with pytest.raises(ValueError, match="all entries"):
        work_precision(conversion, theta, part, rtols=RTOLS)


def test_what_is_drawn_is_what_was_measured(work):
    figure = work_precision_figure(work)
    drawn = {trace.name: trace for trace in figure.data}
    assert set(drawn) == {*work.lines, *work.marked}
    for name, points in work.lines.items():
        np.testing.assert_array_equal(drawn[name].y, [point.error for point in points])
        np.testing.assert_array_equal(drawn[name].x, [1e3 * point.seconds for point in points])
        assert list(drawn[name].customdata) == [str(point.settings) for point in points]
    assert len(drawn["fails"].x) == 0
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    floors = [shape.y0 for shape in figure.layout.shapes]
    assert floors == [work.float32_floor, work.uncertainty]
    assert [10**note.y for note in figure.layout.annotations] == pytest.approx(floors)


def test_a_floor_that_is_not_known_is_not_drawn():
    point = WorkPoint(SolverSettings(), 1e-3, 1e-3)
    figure = work_precision_figure(WorkPrecision({"forward": (point,)}, {}, 0.0, np.nan))
    assert len(figure.layout.shapes) == 0
