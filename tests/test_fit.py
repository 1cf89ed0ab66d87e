"""Fits against closed forms and known optima; what is lost, cancelled and kept on the way."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from closed_form import llh_and_gradient
from scipy.optimize import minimize

import amijax
from amijax import FitResult, SolverSettings
from amijax.audit.audit import audit_gradient
from amijax.fit.checkpoints import Checkpoints, stored_fits
from amijax.fit.findings import fit_findings
from amijax.fit.function import FitFunction
from amijax.fit.optima import optima
from amijax.fit.optimizers import OPTIMIZERS, End
from amijax.fit.processes import MOST_LOST
from amijax.fit.run_start import Plan, Task, run_start, sharpened
from amijax.fit.stages import stages_for
from amijax.fit.start_points import random_points

TIGHT = SolverSettings(rtol=1e-10, atol=1e-14)
# Near the box's middle all starts find the same optimum; elsewhere k1 and k2 may run to bounds.
NEAR = {"k1": (-1.5, 1.0), "k2": (-3.0, 2.0), "total": (0.5, 5.0)}
# llh is flat at its maximum: at these tolerances an optimiser stops within 1e-5 of it.
LLH = 1e-5


class Stopped(Exception):
    """Raised by a `check`."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Fits of other tests are not gone on from."""
    monkeypatch.setattr("amijax.fit.checkpoints.cache_dir", lambda: tmp_path)


@pytest.fixture(scope="module")
def best(conversion):
    """The closed form's own optimum: llh and theta, by scipy from nominal."""
    measurements = conversion.problem.measurements

    def minus(theta):
        llh, gradient = llh_and_gradient(theta, measurements)
        return -llh, -gradient

    found = minimize(
        minus, conversion.problem.nominal_theta, jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    return -found.fun, found.x


def quick(conversion, n_starts=3, **options):
    chosen = {"workers": 1, "audit": False, "bounds": NEAR, **options}
    return amijax.fit(conversion.with_solver(TIGHT), n_starts, **chosen)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_optimum_is_that_of_the_closed_form(conversion, best, optimizer):
    result = quick(conversion, optimizer=optimizer)
    llh, theta = best
    assert result.best.llh == pytest.approx(llh, abs=LLH)
    # The curvature of llh, some 1e2 to 1e4, makes this of it.
    np.testing.assert_allclose(result.best.theta, theta, atol=2e-3)
    assert result.best.exit in ("converged", "stalled")
    assert result.best.trace.values[-1] == result.best.llh
    assert (np.diff(result.best.trace.values) > 0).all()
    measurements = conversion.problem.measurements
    expected = llh_and_gradient(result.best.theta, measurements)
    assert result.best.llh == pytest.approx(expected[0], abs=1e-6)


def test_boehm_reaches_the_best_known_llh_within_its_bounds(boehm):
    result = amijax.fit(boehm, 1, seed=0, workers=1, audit=False)
    start = result.best
    # AMICI's noise in llh decides about the last digits, 0.1 is the threshold of one optimum.
    assert start.llh == pytest.approx(-138.222, abs=0.01)
    problem = boehm.problem
    assert (start.theta >= problem.lower_theta).all()
    assert (start.theta <= problem.upper_theta).all()
    assert start.n_evaluations > 20
    [finding] = [f for f in fit_findings(result) if f.code == "on-bound"]
    assert finding.parameters  # k_imp_homo, and k_exp_hetero, along which llh is nearly flat


def test_value_and_gradient_come_from_one_simulation(conversion):
    function = FitFunction(
        conversion, conversion.problem.lower_theta, conversion.problem.upper_theta
    )
    theta = conversion.problem.nominal_theta
    llh, gradient = conversion.llh_and_gradient(theta)
    assert function(theta) == llh
    minus, minus_gradient = function.minus_value_and_gradient(theta)
    assert minus == -llh
    np.testing.assert_array_equal(minus_gradient, -gradient)
    assert function.n_evaluations == 1


def test_points_beyond_the_bounds_are_never_the_best(conversion):
    problem = conversion.problem
    function = FitFunction(conversion, problem.nominal_theta + 0.1, problem.upper_theta)
    function(problem.nominal_theta)
    assert function.best is None


def test_a_callable_optimises_and_may_leave_the_bounds(conversion):
    def one_step(function, theta):
        gradient = function.at(theta).gradient
        function(theta + 1e-4 * gradient / np.linalg.norm(gradient))
        function(function.upper + 1.0)

    result = quick(conversion, 2, optimizer=one_step)
    for start in result.starts:
        assert start.exit == "finished"
        assert start.n_evaluations == 3
        assert (start.theta <= result.settings.upper).all()
        assert start.trace.values.size == 2
    assert result.settings.optimizer.endswith("one_step")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_points_that_fail_on_the_way_are_stepped_over_and_told(conversion, monkeypatch, optimizer):
    # What is simulated beyond a wall through the space fails, as where a solver gives up.
    wall = conversion.problem.nominal_theta[2] + 0.3
    likelihoods, measured = type(conversion).evaluate, type(conversion).measured_values

    def walled(real):
        def evaluate(self, theta, *more, **options):
            steps = 1 if theta[2] > wall else 10_000
            return real(
                self.with_solver(replace(self.solver, max_steps=steps)), theta, *more, **options
            )

        return evaluate

    monkeypatch.setattr(type(conversion), "evaluate", walled(likelihoods))
    monkeypatch.setattr(type(conversion), "measured_values", walled(measured))
    theta = conversion.problem.theta_from({"total": 1.2, "k1": -0.5, "sigma_A": -1.0})
    result = quick(conversion, 1, optimizer=optimizer, start_points=[theta], bounds=None)
    start = result.best
    assert start.theta[2] <= wall
    assert start.llh > start.trace.values[0] + 10
    for each in start.failures:
        assert "more steps than allowed" in each.reason


def test_a_start_whose_first_point_fails_is_a_failed_one(conversion):
    hopeless = conversion.with_solver(replace(TIGHT, max_steps=1))
    for optimizer in OPTIMIZERS:
        result = amijax.fit(hopeless, 2, workers=1, optimizer=optimizer)
        assert result.best is None
        assert result.audit is None
        for start in result.starts:
            assert start.exit == "failed"
            assert "more steps than allowed" in start.message
            assert np.isnan(start.llh)
        assert fit_findings(result)[0].code == "no-point"


def test_start_points_come_first_and_the_seed_gives_the_others(conversion):
    problem = conversion.problem
    own = problem.nominal_theta + 100.0
    result = quick(conversion, 3, seed=5, start_points=[own])
    np.testing.assert_array_equal(result.starts[0].theta_start, result.settings.upper)
    more = random_points(problem, 4, 5, result.settings.lower, result.settings.upper)
    for start, expected in zip(result.starts[1:], more, strict=False):
        np.testing.assert_array_equal(start.theta_start, expected)
    assert ((more >= result.settings.lower) & (more <= result.settings.upper)).all()


def test_priors_are_part_of_what_is_maximised(tmp_path):
    from test_priors import with_prior

    problem = with_prior(tmp_path, "parameterScaleNormal", "0.2;0.01")
    objective = amijax.AmiciObjective(problem)
    free = amijax.fit(objective, 1, workers=1, audit=False, priors=False)
    drawn = amijax.fit(objective, 1, workers=1, audit=False)
    squares = amijax.fit(objective, 1, workers=1, audit=False, optimizer="least-squares")
    assert free.best.log_prior is None
    assert abs(drawn.best.theta[0] - 0.2) < abs(free.best.theta[0] - 0.2)
    assert drawn.best.value == drawn.best.llh + drawn.best.log_prior
    assert drawn.best.log_prior == amijax.log_prior(problem, drawn.best.theta)
    assert drawn.best.llh == pytest.approx(objective.llh(drawn.best.theta), rel=1e-6)
    assert squares.best.theta == pytest.approx(drawn.best.theta, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_starts": 0}, "n_starts must be a whole number from 1 on"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"optimizer": "fidse"}, "optimizer must be one of fides"),
        ({"time_limit": 0.0}, "time_limit must be above 0"),
        ({"bounds": {"k9": (0, 1)}}, "'k9', which is no free parameter"),
        ({"bounds": {"k1": (1, 0)}}, "Lower bounds must be below upper ones"),
        ({"bounds": ([0.0], [1.0])}, r"lower bounds must have shape \(6,\)"),
        ({"start_points": [[1.0]]}, r"start_points must have shape \(k, 6\)"),
        ({"executor": "tcp://here"}, "executor must have a method run_tasks"),
        ({"digits": 11}, "digits"),
    ],
)
def test_bad_input_is_a_sentence(conversion, options, words):
    with pytest.raises(ValueError, match=words):
        amijax.fit(conversion, **options)


def test_processes_give_what_one_thread_gives(conversion):
    here = quick(conversion, 3, resume=False)
    there = quick(conversion, 3, workers=2, resume=False)
    assert there.workers == "2 at a time"
    for one, other in zip(here.starts, there.starts, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        assert one.llh == other.llh
        assert one.n_evaluations == other.n_evaluations


def worker_pids():
    """Processes of this one's that run starts."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"amijax.fit.worker" in words and parent == os.getpid():
            found.append(int(name))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
def test_a_process_that_is_killed_costs_a_repetition(conversion):
    killed = []

    def kill_once(progress):
        running = progress.result is not None and progress.result.starts
        if running and not killed and (pids := worker_pids()):
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

    undisturbed = quick(conversion, 3, resume=False)
    result = quick(conversion, 3, workers=2, resume=False, on_progress=kill_once)
    assert killed
    assert result.is_complete
    for one, other in zip(undisturbed.starts, result.starts, strict=True):
        assert one.llh == other.llh


def test_a_start_whose_processes_all_end_is_given_up(conversion, monkeypatch, tmp_path):
    # A module that takes the worker's place and dies with each task.
    (tmp_path / "dies.py").write_text(
        "import os, sys\nprint('no memory', file=sys.stderr, flush=True)\nos._exit(3)\n"
    )
    from amijax.fit import processes, worker_processes

    real = worker_processes.start_module

    def dying(_module, **options):
        return real("dies", **options)

    monkeypatch.setattr(worker_processes, "start_module", dying)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(processes.WorkerError, match=f"ended {MOST_LOST + 1} times.*no memory"):
        quick(conversion, 2, workers=2)


def test_a_fit_that_was_ended_goes_on_from_there(conversion):
    seen = []

    def stop(progress):
        if progress.result is not None:
            seen.append(progress.result)
            if any(start.is_over for start in progress.result.starts):
                raise Stopped

    with pytest.raises(Stopped):
        quick(conversion, 3, on_progress=stop)
    [kept] = stored_fits(conversion)
    assert not kept.is_complete
    over = [start for start in kept.starts if start.is_over]
    assert over
    result = quick(conversion, 3)
    assert result.is_complete
    assert result.n_resumed == len(over)
    for start in over:
        assert result.starts[start.index].llh == start.llh
        assert result.starts[start.index].seconds == start.seconds
    again = quick(conversion, 2)  # fewer of the same starts: nothing is left to do
    assert again.n_resumed == 2
    fresh = quick(conversion, 2, resume=False)
    assert fresh.n_resumed == 0
    assert fresh.starts[0].llh == again.starts[0].llh


def test_an_interrupted_start_goes_on_from_its_best_point(conversion):
    whole = quick(conversion, 1, resume=False)
    start = whole.starts[0]
    settings = whole.settings
    objective = conversion.with_solver(TIGHT)
    half = replace(start, exit="cancelled", n_evaluations=7)
    Checkpoints.of(objective, settings).save(half)
    result = quick(conversion, 1)
    assert result.n_resumed == 0
    assert result.starts[0].n_evaluations > 7
    assert result.starts[0].llh >= start.llh
    assert result.starts[0].seconds > start.seconds


def test_a_start_that_gets_nowhere_is_ended(conversion, monkeypatch):
    """A plateau in small steps: each grows a little, as a trust region does far from an optimum."""
    problem = conversion.problem
    nominal = problem.nominal_theta
    seen = []

    def creeping(function, theta, stage):
        seen.append(stage)
        function.at(theta)
        for k in range(1000):
            function.at(nominal + 1e-13 * k)
        return End("iteration limit", "")

    monkeypatch.setitem(OPTIMIZERS, "fides", creeping)
    coarse = SolverSettings()
    # Alone, after a coarse stage that has climbed to an optimum, and after one that has not.
    for stages, theta, patience, n in (
        ((TIGHT,), nominal - 0.1, 100, 102),
        ((coarse, TIGHT), nominal - 0.1, 10, 10 + 11),
        ((coarse, TIGHT), nominal, 100, 10 + 101),
    ):
        plan = Plan("fides", problem.lower_theta, problem.upper_theta, True, stages)
        start = run_start(conversion, plan, Task(0, theta), lambda _: None)
        assert start.exit == "stalled"
        assert start.message == f"llh no longer grew in {patience} evaluations"
        assert start.n_evaluations == pytest.approx(n, abs=2)  # a creep may be noise that grows
    assert [stage.is_last for stage in seen] == [True, False, True, False, True]


@pytest.fixture
def reports(conversion, monkeypatch):
    """A start of two stages as it was reported after each evaluation; its plan."""
    monkeypatch.setattr("amijax.fit.run_start._REPORT_SECONDS", 0.0)
    problem = conversion.problem
    stages = (SolverSettings(rtol=1e-4, atol=1e-8), TIGHT)
    plan = Plan("fides", problem.lower_theta, problem.upper_theta, True, stages)
    seen = []
    task = Task(0, problem.nominal_theta - 0.1)
    seen.append(run_start(conversion, plan, task, seen.append))
    return seen, plan


def test_a_start_says_whether_its_llh_is_still_coarse(conversion, reports):
    seen, plan = reports
    flags = [start.is_coarse for start in seen]
    assert flags[0]
    assert not flags[-1]
    assert flags == sorted(flags, reverse=True)
    for start in (seen[1], seen[flags.index(False)], seen[-1]):
        solver = plan.stages[0 if start.is_coarse else 1]
        assert start.llh == conversion.with_solver(solver).llh_and_gradient(start.theta)[0]


def test_an_interrupted_start_gets_its_sharp_llh_and_goes_on_in_its_stage(conversion, reports):
    seen, plan = reports
    flags = [start.is_coarse for start in seen]
    coarse, sharp = (replace(seen[flags.index(flag) + 1], exit="cancelled") for flag in (1, 0))
    mended = sharpened(conversion, plan, coarse)
    assert not mended.is_coarse
    np.testing.assert_array_equal(mended.theta, coarse.theta)
    llh, gradient = conversion.with_solver(TIGHT).llh_and_gradient(coarse.theta)
    assert mended.llh == llh != coarse.llh
    np.testing.assert_array_equal(mended.gradient, gradient)
    assert mended.trace.values[-1] == llh
    assert (np.diff(mended.trace.values) > 0).all()
    assert sharpened(conversion, plan, sharp) is sharp
    for begun, is_coarse in ((coarse, True), (sharp, False)):
        again = []
        end = run_start(conversion, plan, Task(0, begun.theta_start, begun), again.append)
        assert again[0].is_coarse == is_coarse
        assert end.llh == pytest.approx(seen[-1].llh, abs=LLH)
        assert end.n_evaluations > begun.n_evaluations


def test_a_fit_that_was_cancelled_in_its_coarse_stage_says_so(conversion, monkeypatch):
    monkeypatch.setattr("amijax.fit.run_start._REPORT_SECONDS", 0.0)
    found = []

    def stop(progress):
        if progress.result is not None and progress.result.starts:
            found.append(progress.result)
            raise Stopped

    with pytest.raises(Stopped):
        quick(conversion, 1, on_progress=stop)
    [kept] = stored_fits(conversion)
    assert kept.best.exit == "cancelled"
    assert kept.best.is_coarse
    assert "coarse" in {finding.code for finding in fit_findings(kept)}
    whole = quick(conversion, 1)
    assert not whole.best.is_coarse
    assert "coarse" not in {finding.code for finding in fit_findings(whole)}


def test_a_time_limit_keeps_the_best_points(boehm):
    result = amijax.fit(boehm, 20, workers=1, audit=False, time_limit=1.5)
    assert 0 < len(result.starts) < 20
    assert result.best is not None
    assert result.starts[-1].exit == "time limit"
    assert not any(start.is_coarse for start in result.starts)
    assert not result.is_complete
    assert "interrupted" in {finding.code for finding in fit_findings(result)}


def test_a_fit_is_saved_and_read_again_to_the_last_bit(conversion, tmp_path):
    result = quick(conversion, 2)
    audit = audit_gradient(
        conversion.with_solver(TIGHT), result.best.theta, entries="none", roadrunner=False
    )
    result = replace(result, audit=audit)
    path = tmp_path / "fit.json"
    amijax.save_fit(result, path)
    read = amijax.load_fit(path)
    assert isinstance(read, FitResult)
    assert read.parameter_ids == result.parameter_ids
    assert read.settings.stages == result.settings.stages
    np.testing.assert_array_equal(read.settings.own_starts, result.settings.own_starts)
    for one, other in zip(result.starts, read.starts, strict=True):
        assert one.llh == other.llh
        np.testing.assert_array_equal(one.theta, other.theta)
        np.testing.assert_array_equal(one.trace.values, other.trace.values)
    assert read.audit.summary == result.audit.summary
    again = tmp_path / "again.json"
    amijax.save_fit(read, again)
    assert again.read_text() == path.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no", "it is not JSON"),
        ("[1]", "no “format”"),
        ('{"format": "amijax fit", "version": 99}', "version 99"),
        ('{"format": "amijax fit", "version": 1, "fit": {"starts": 3}}', "damaged"),
    ],
)
def test_a_file_that_is_no_fit_is_a_sentence(tmp_path, text, words):
    path = tmp_path / "fit.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        amijax.load_fit(path)


def test_stages_are_coarse_then_fine(conversion):
    stages = stages_for(conversion, 6)
    assert 1 <= len(stages) <= 2
    own = conversion.solver
    assert stages_for(conversion, None) == (replace(own, rtol=1e-6, atol=1e-10), own)
    assert stages_for(conversion, None, coarse=False) == (own,)
    for settings in (SolverSettings(rtol=1e-6), replace(own, rtol_fsa=1e-5)):
        # Coarse already, or searched: nothing is gained.
        assert stages_for(conversion.with_solver(settings), None) == (settings,)
    found = amijax.tuned(conversion, None)
    assert stages_for(conversion, None, search=True)[-1] == found.settings
    coarse = SolverSettings(rtol=1e-4, atol=1e-8)
    problem = conversion.problem
    lower, upper = quick(conversion, 1).settings.lower, quick(conversion, 1).settings.upper
    theta = random_points(problem, 1, 0, lower, upper)[0]
    for name in OPTIMIZERS:
        one, two = (
            run_start(
                conversion, Plan(name, lower, upper, True, each), Task(0, theta), lambda _: None
            )
            for each in ((TIGHT,), (coarse, TIGHT))
        )
        # The llh at the end is of the last stage's settings on both sides.
        assert two.llh == pytest.approx(one.llh, abs=1e-4)
        assert two.llh == conversion.with_solver(TIGHT).llh_and_gradient(two.theta)[0]
        assert two.trace.values[-1] == two.llh
        assert (np.diff(two.trace.values) > 0).all()


def test_optima_are_groups_of_equal_values():
    lower, upper = np.zeros(2), np.array([1.0, np.inf])
    points = [np.array([0.5, 3.0]), np.array([0.51, 3.0]), np.array([0.9, 3.0]), np.zeros(2)]
    found = optima([-10.0, -10.05, -12.0, -10.09], points, lower, upper)
    assert [each.members for each in found] == [(0, 1, 3), (2,)]
    assert [each.value for each in found] == [-10.0, -12.0]
    assert not found[0].is_one_point
    assert found[0].spread == 3.0
    assert found[1].is_one_point


def test_the_package_can_be_called_whatever_was_imported_before(conversion):
    import amijax.fit.record

    assert amijax.fit.record.FitResult is FitResult
    result = amijax.fit(conversion, 1, workers=1, audit=False, bounds=NEAR)
    assert isinstance(result, FitResult)


def test_the_fisher_information_is_that_of_normal_residuals(conversion):
    evaluation = conversion.evaluate(conversion.problem.nominal_theta, fim=True)
    # Of the parameters that only the observables depend on: the Gauss-Newton matrix.
    jacobian = conversion.residuals(conversion.problem.nominal_theta).jacobian[:, :4]
    np.testing.assert_allclose(evaluation.fim[:4, :4], jacobian.T @ jacobian, rtol=1e-10)
    assert conversion.evaluate(conversion.problem.nominal_theta).fim is None
    adjoint = conversion.with_solver(SolverSettings(sensitivities="adjoint"))
    assert adjoint.evaluate(conversion.problem.nominal_theta, fim=True).fim is None


def test_laplace_noise_is_fitted_without_fisher_information(objective_of):
    """AMICI has none there: fides goes by BFGS, and llh of half of the data has kinks."""
    objective = objective_of("Infused_Tracer")
    nominal = objective.evaluate(objective.problem.nominal_theta, fim=True)
    assert nominal.failure is None
    assert nominal.fim is None
    result = amijax.fit(
        objective, 1, start_points=[nominal.theta], workers=1, time_limit=60.0, audit=False
    )
    assert result.best.llh > nominal.llh + 0.2  # 0.37 more, at a kink; 2.4 more from elsewhere
