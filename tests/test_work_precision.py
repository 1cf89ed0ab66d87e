"""Work-precision diagrams: errors as by the closed form, drawn as they were measured."""

import numpy as np
import pytest
from closed_form import llh_and_gradient as closed_form

from amijax import SolverSettings
from amijax.audit.witness_process import Heard
from amijax.figures import work_precision_figure
from amijax.precision.export_line import ExportLine, ExportPoint, export_line
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


def test_the_jax_export_is_measured_along_its_tolerances(conversion, reference):
    theta = conversion.problem.nominal_theta
    line = export_line(conversion, theta, reference, rtols=(1e-4, 1e-9))
    assert line.missing == ""
    assert [(p.rtol, p.atol) for p in line.points] == [(1e-4, 1e-4), (1e-9, 1e-9)]
    loose, tight = line.points
    # Measured against the closed form: 1e-4 and 3e-7.
    assert 1e-6 < loose.error < 1e-2
    assert tight.error < 1e-5
    # Compiling is what takes long, and is no part of a gradient's time.
    assert loose.seconds < line.compile_seconds
    assert line.export_seconds > 0


@pytest.mark.parametrize(
    ("lines", "status", "missing"),
    [
        (
            [{"reason": "It can't be simulated: it has events."}],
            0,
            "it has events",
        ),
        ([], None, "took more than 5 s"),
        ([], -9, "ended with status -9"),
        ([{"export_seconds": 1.0, "compile_seconds": 2.0}], None, "took more than 5 s"),
    ],
)
def test_an_export_without_numbers_says_why(
    conversion, reference, monkeypatch, lines, status, missing
):
    monkeypatch.setattr("amijax.precision.export_line.hear", lambda *_: Heard(lines, status))
    line = export_line(conversion, conversion.problem.nominal_theta, reference, time_limit=5.0)
    assert line.points == ()
    assert missing in line.missing


def test_an_export_that_gives_up_has_no_time(conversion, reference, monkeypatch):
    lines = [
        {"export_seconds": 1.0, "compile_seconds": 2.0},
        {"rtol": 1e-4, "atol": 1e-4, "gradient": [float("nan")] * 4, "seconds": 0.1},
    ]
    monkeypatch.setattr("amijax.precision.export_line.hear", lambda *_: Heard(lines, 0))
    theta = conversion.problem.nominal_theta
    (point,) = export_line(conversion, theta, reference, rtols=(1e-4,)).points
    assert point.error == np.inf
    assert np.isnan(point.seconds)


def test_without_diffrax_it_says_what_to_install(conversion, reference, monkeypatch):
    monkeypatch.setattr("amijax.precision.export_line.is_installed", lambda: False)
    line = export_line(conversion, conversion.problem.nominal_theta, reference)
    assert "pip install" in line.missing


def test_an_export_of_some_entries_is_refused(conversion):
    theta = conversion.problem.nominal_theta
    part = find_reference(conversion, theta, np.array([0, 1]))
    with pytest.raises(ValueError, match="all entries"):
        export_line(conversion, theta, part)


def test_the_export_is_drawn_with_its_compile_time(work):
    points = (ExportPoint(1e-4, 1e-4, 1e-2, 0.02), ExportPoint(1e-5, 1e-5, np.inf, np.nan))
    figure = work_precision_figure(work, ExportLine(points, 1.0, 12.3, ""))
    [trace] = [each for each in figure.data if "JAX export" in each.name]
    assert "compiled in 12.3 s" in trace.name
    assert list(trace.x) == [20.0]
    assert list(trace.customdata) == ["diffrax, Kvaerno5, rtol 0.0001, atol 0.0001"]
    without = work_precision_figure(work, ExportLine((), np.nan, np.nan, "it has events"))
    assert not [each for each in without.data if "JAX export" in each.name]
