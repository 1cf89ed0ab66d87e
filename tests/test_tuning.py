"""Tuned settings: the digits asked for, held against closed forms; promises; what is kept."""

import hashlib
import json
import pickle
import threading
import time
from dataclasses import replace

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from closed_form import llh_and_gradient as closed_form
from small_problems import Case, Model

from amijax import AmiciObjective, JaxObjective, SolverSettings, load_problem
from amijax.cli.main import main
from amijax.simulation.settings import INTERNAL_SENSITIVITY_METHODS, SolverChoice
from amijax.tuning import found as kept
from amijax.tuning import jobs
from amijax.tuning.candidates import TIGHTEST, starts, tightened, variations
from amijax.tuning.errors import digits_of, gradient_error
from amijax.tuning.points import Witnessed, around
from amijax.tuning.record import MARGIN, SPARE_DIGITS, MeasuredPoint, Tuning
from amijax.tuning.search import tune
from amijax.tuning.timing import evaluated, within


@pytest.fixture(scope="module")
def four(conversion):
    """The search for four digits of the conversion reaction's gradient, kept on disk."""
    return kept.tuned(conversion, 4)


def test_an_error_is_relative_to_the_norm():
    truth = np.array([3.0, 4.0, 0.0])
    assert gradient_error(truth + np.array([0.0, 0.0, 0.05]), truth) == pytest.approx(
        1e-2, rel=1e-14
    )
    assert gradient_error(truth, truth) == 0.0
    assert gradient_error(truth, np.zeros(3)) == np.inf
    assert gradient_error(np.zeros(3), np.zeros(3)) == 0.0
    assert gradient_error(np.array([np.nan, 4.0, 0.0]), truth) == np.inf
    assert gradient_error(-truth, truth) == 2.0
    assert [digits_of(error) for error in (1e-3, 2.0, np.inf)] == [3.0, 0.0, 0.0]
    assert digits_of(0.0) == 15.95


def test_the_digits_are_there_by_the_closed_form(conversion, four):
    """At the points of the search, and at twenty others: here every one of them."""
    problem = conversion.problem
    assert four.outcome == "reached"
    assert four.digits == 4.0
    tuned = conversion.with_solver(four.settings)
    others = around(problem, 20, seed=1)
    for theta in (*(point.theta for point in four.points), *others):
        _, truth = closed_form(theta, problem.measurements)
        assert gradient_error(tuned.llh_and_gradient(theta)[1], truth) < 1e-4


def test_what_the_record_says_of_a_point_is_so(conversion, four):
    tuned = conversion.with_solver(four.settings)
    assert [point.name for point in four.points] == [
        "nominal",
        *(f"drawn {i}" for i in range(1, 10)),
    ]
    for point in four.points:
        np.testing.assert_array_equal(tuned.llh_and_gradient(point.theta)[1], point.gradient)
        _, truth = closed_form(point.theta, conversion.problem.measurements)
        # A reference is to be four times as sharp as the error that is allowed; it is far better.
        assert gradient_error(point.reference, truth) < 1e-4 / MARGIN / 4.0
        off = gradient_error(point.reference, truth)
        assert abs(point.error - gradient_error(point.gradient, truth)) < off + 1e-6
        within = (point.theta >= conversion.problem.lower_theta) & (
            point.theta <= conversion.problem.upper_theta
        )
        assert within.all()
    row = next(row for row in four.table if row.settings == four.settings)
    assert row.errors == tuple(point.error for point in four.points)
    assert max(row.errors) <= 10 ** -(4 + SPARE_DIGITS)
    assert len({row.settings for row in four.table}) == len(four.table)
    assert "4 digits" in four.summary


def test_as_accurate_as_the_defaults_at_each_point(conversion):
    found = tune(conversion, None, n_drawn=2)
    assert found.baseline == SolverSettings()
    assert found.outcome == "reached"
    default = conversion.with_solver(SolverSettings())
    for point in found.points:
        _, truth = closed_form(point.theta, conversion.problem.measurements)
        ours, theirs = (
            gradient_error(each, truth)
            for each in (point.gradient, default.llh_and_gradient(point.theta)[1])
        )
        assert ours <= theirs + 1e-8  # of the reference


def test_more_digits_than_there_are_is_said_so(boehm):
    """Boehm's gradient at nominal is small: AMICI at rtol 1e-13 leaves six digits of it."""
    found = tune(boehm, 9, n_drawn=0)
    assert found.outcome == "missed"
    assert found.digits < 7
    assert found.digits <= found.digits_confirmed
    assert "No settings give 9 digits" in found.summary
    # The best that was tried all the same, which is far better than the defaults.
    [point] = found.points
    assert point.error <= min(max(row.errors) for row in found.table)
    assert point.error < 1e-2 * point.error_baseline


# A boundary species whose initial value is a parameter: AMICI's entry for it is 0.
WRONG = Case(
    Model(
        species={"A": 0.1, "U": 1.0},
        parameters={"d": 0.5},
        reactions=[("U", "A", "U"), ("A", "", "d*A")],
        boundary=["U"],
    ),
    {"d": ("log10", 0.5), "u": ("log10", 1.7)},
    lambda p, t: {"o": p["u"] / p["d"] + (0.1 - p["u"] / p["d"]) * np.exp(-p["d"] * t)},
    {"o": "A"},
    "conditionId\tU\nc\tu\n",
)


def test_nothing_is_promised_where_amici_is_wrong_at_every_tolerance(tmp_path):
    path = WRONG.write(tmp_path)
    objective = AmiciObjective(load_problem(path).without_repairs())
    found = tune(objective, 3, n_drawn=1)
    assert found.outcome == "unconfirmed"
    assert found.digits_measured > 3  # AMICI agrees with itself
    assert found.digits < 1
    assert "no more is promised" in found.summary
    mended = tune(AmiciObjective(load_problem(path)), 3, n_drawn=1)
    assert mended.outcome == "reached"
    assert gradient_error(mended.points[0].gradient, WRONG.gradient()) < 1e-3


def record(errors, confirmed, asked=4.0):
    nothing = np.zeros(2)
    points = tuple(
        MeasuredPoint("nominal", nothing, nothing, nothing, error, 1.0, digits)
        for error, digits in zip(errors, confirmed, strict=True)
    )
    return Tuning(
        "p", asked, SolverSettings(), "reached", points, 1.0, SolverSettings(), 2.0, (), (), 1.0
    )


def test_a_promise_is_the_least_of_what_is_asked_measured_and_confirmed():
    assert record([1e-6, 1e-7], [5.0, 6.0]).digits == 4.0
    assert record([1e-6, 1e-7], [5.0, 3.5]).digits == 3.5
    assert record([1e-6, 1e-2], [5.0, 6.0]).digits == pytest.approx(2.0 - SPARE_DIGITS)
    assert record([1.0], [5.0]).digits == 0.0
    assert record([1e-6, 1e-7], [5.0, None]).digits == 4.0
    assert record([], []).digits == 0.0
    assert record([1e-6], [5.0]).ratio == 0.5


def test_what_is_missed_by_little_is_not_called_impossible():
    near = replace(record([5e-5], [5.0]), outcome="missed")
    assert near.summary.startswith("4 digits are not to be had for sure. The best give 4.3 digits")
    far = replace(record([5e-3], [5.0]), outcome="missed")
    assert far.summary.startswith("No settings give 4 digits. The best give 2.3 digits")


def test_witnesses_count_as_those_of_an_audit():
    directions = np.array([[1.0, 1.0], [1.0, -1.0]])
    truth, sizes = np.array([3.0, 4.0]), np.ones(2)
    sure = Witnessed(directions, directions @ truth, np.full(2, 5e-4), sizes)
    assert sure.digits(truth) == pytest.approx(4.0)
    off = sure.digits(truth + np.array([0.5, 0.0]))
    assert off == pytest.approx(-np.log10(0.5005 / np.hypot(3.5, 4)))
    unknown = Witnessed(directions, np.full(2, np.nan), np.full(2, np.inf), sizes)
    assert unknown.digits(truth) == 0.0


def test_what_missed_is_tightened_and_no_further_than_there_is_sense_in():
    for settings in starts(SolverSettings(), 4.0, adjoint=True):
        assert settings.rtol == 1e-4
        for error, excess, before in ((0.5, 1e3, np.inf), (1e-4, 2.0, 1e-4), (1e-2, 1e3, 1e-2)):
            for each in tightened(settings, error, excess, before):
                followed = each.rtol_fsa or each.rtol, each.atol_fsa or each.atol
                assert each.rtol <= settings.rtol
                assert each != settings
                assert followed[0] <= (settings.rtol_fsa or settings.rtol)
    last = SolverSettings(rtol=TIGHTEST)
    assert list(tightened(last, 1e-2, 1e3, np.inf)) == []
    stuck = SolverSettings(rtol=1e-9, rtol_fsa=1e-4, atol_fsa=1e-6)
    assert len(list(tightened(stuck, 1e-4, 2.0, 1e-2))) == 1  # it goes on well
    assert len(list(tightened(stuck, 0.5, 2.0, 0.5))) == 1  # nothing can be said yet
    assert {each.rtol_fsa for each in tightened(stuck, 1e-4, 2.0, 1e-4)} == {1e-4, 1e-5}
    tried = {each.internal_sensitivity_method for each in starts(stuck, 4.0, adjoint=False)}
    assert tried == set(INTERNAL_SENSITIVITY_METHODS)
    assert "adjoint" not in {each.sensitivities for each in starts(stuck, 4.0, adjoint=False)}
    near = list(variations(SolverSettings(), 2))
    assert any(each.linear_solver == "dense" for each in near)
    assert not any(each.linear_solver == "dense" for each in variations(SolverSettings(), 400))


def test_time_is_that_of_the_thread(boehm):
    """AMICI's own CPU time doubles where another thread computes as well."""
    theta = boehm.problem.nominal_theta
    ended = threading.Event()
    data = b"x" * 10_000_000

    def compute():
        while not ended.is_set():
            hashlib.sha256(data)  # without the interpreter's lock

    other = threading.Thread(target=compute)
    other.start()
    try:
        start, process = time.thread_time(), time.process_time()
        found = [evaluated(boehm, theta) for _ in range(20)]
        thread, process = time.thread_time() - start, time.process_time() - process
    finally:
        ended.set()
        other.join()
    assert sum(evaluation.cpu_seconds for evaluation in found) <= thread <= process
    assert within(boehm, theta, 1e-9) is None
    np.testing.assert_array_equal(within(boehm, theta, 60.0).gradient, found[0].gradient)


@pytest.mark.parametrize("digits", [0.5, 11, -1, np.nan])
def test_digits_that_make_no_sense(conversion, digits):
    with pytest.raises(ValueError, match="from 1 to 10"):
        tune(conversion, digits)


def test_a_search_is_kept_and_not_made_again(conversion, four):
    calls = []
    again = kept.tuned(conversion, 4, on_progress=lambda *at: calls.append(at))
    assert calls == []
    assert again.settings == four.settings
    assert repr(again.table) == repr(four.table)
    np.testing.assert_array_equal(again.points[2].gradient, four.points[2].gradient)
    # Tolerances of the objective don't matter, since they are what is searched; limits do.
    loose = conversion.with_solver(SolverSettings(rtol=1e-3, linear_solver="dense"))
    assert kept.stored_tuning(loose, 4).settings == four.settings
    few = conversion.with_solver(SolverSettings(max_steps=7))
    assert kept.stored_tuning(few, 4) is None
    own = conversion.problem.nominal_theta + 0.01
    assert kept.stored_tuning(conversion, 4, [own]) is None
    assert kept.stored_tuning(conversion, 4.5) is None


def test_settings_know_the_search_that_found_them(conversion, four):
    assert kept.tuning_behind(conversion.with_solver(four.settings)).asked == 4
    assert kept.tuning_behind(conversion.with_solver(SolverSettings(rtol=3e-5))) is None


def test_another_processor_searches_for_itself(conversion, four, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr(kept, "processor", lambda: "abacus")
    assert kept.stored_tuning(conversion, 4) is None


def test_an_objective_with_digits(conversion, four):
    problem = conversion.problem
    objective = AmiciObjective(problem, digits=4)
    assert objective.solver == four.settings
    theta = problem.nominal_theta
    expected = conversion.with_solver(four.settings).llh_and_gradient(theta)
    # Batches, other processes and JAX use the settings, not the search.
    llhs, gradients = objective.llh_and_gradient_batch([theta, theta])
    assert (llhs == expected[0]).all()
    np.testing.assert_array_equal(gradients[1], expected[1])
    assert pickle.loads(pickle.dumps(objective)).solver == four.settings
    np.testing.assert_array_equal(
        jax.grad(JaxObjective(objective))(theta),
        jax.grad(JaxObjective(conversion.with_solver(four.settings)))(theta),
    )
    with pytest.raises(ValueError, match="from 1 to 10"):
        AmiciObjective(problem, digits=12)


def test_an_objective_that_cannot_have_the_digits_warns(conversion, four, monkeypatch):
    fewer = replace(four, outcome="missed", asked=6.0)
    monkeypatch.setattr(kept, "tuned", lambda *_: fewer)
    with pytest.warns(kept.TuningWarning, match="No settings give 6 digits"):
        objective = AmiciObjective(conversion.problem, digits=6)
    assert objective.solver == four.settings


def test_the_settings_are_a_choice(four):
    choice = SolverChoice.of(four.settings)
    assert choice.ladder() == (four.settings,)


def test_a_job_is_shared_and_done(conversion, four):
    job = jobs.start_tuning(conversion, 4)
    assert jobs.start_tuning(conversion, 4) is job
    assert jobs.latest_tuning(conversion, 4) is job
    progress = job.wait()
    assert progress.state == "done"
    assert progress.tuning.settings == four.settings
    assert jobs.latest_tuning(conversion, 5) is None


def test_a_job_can_be_cancelled_while_it_searches(conversion):
    own = conversion.problem.nominal_theta + 0.02
    started = []

    class Watched(jobs.TuningJob):
        """Cancels itself once a few settings were tried."""

        def _report(self, done, most):
            started.append(done)
            if done == 3:
                self.cancel()
            super()._report(done, most)

    progress = Watched(conversion, 3.0, (own,), None, "a person").wait()
    assert progress.state == "cancelled"
    assert progress.tuning is None
    assert max(started) == 3
    assert kept.stored_tuning(conversion, 3.0, [own]) is None


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_tune_on_the_command_line(four):
    result = run("tune", "Conversion_Reaction", "--digits", "4", "--json")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert content["solver"] == four.settings.as_dict()
    assert content["digits"] == 4.0
    assert [point["name"] for point in content["points"]] == [p.name for p in four.points]
    assert len(content["tried"]) == len(four.table)
    text = run("tune", "Conversion_Reaction", "--digits", 4).stdout
    assert four.summary in text
    # The options that it names are those of `evaluate`, and give the same settings.
    options = text.partition("To use them: ")[2].splitlines()[0].split()
    evaluated = json.loads(run("evaluate", "Conversion_Reaction", "--json", *options).stdout)
    assert evaluated["solver"] == four.settings.as_dict()


def test_evaluate_with_digits(conversion, four):
    result = run("evaluate", "Conversion_Reaction", "--digits", 4, "--json")
    content = json.loads(result.stdout)
    assert content["solver"] == four.settings.as_dict()
    assert four.summary in result.stderr
    expected = conversion.with_solver(four.settings).llh_and_gradient(
        conversion.problem.nominal_theta
    )
    assert [row["amici"] for row in content["gradient"]] == expected[1].tolist()
    assert run("evaluate", "Conversion_Reaction", "--digits", 11).exit_code == 2
