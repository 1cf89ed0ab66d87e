"""Profiles against closed forms, and verdicts on problems made to deserve each of them."""

import json

import closed_form
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from petab_files import DATA, TIMES, write_decay
from scipy.optimize import minimize
from uncertain_problem import CASE, GAIN, uncertain_objective

from amijax import AmiciObjective, load_problem, profile
from amijax.cli.main import main
from amijax.identifiability import checkpoints
from amijax.identifiability.checkpoints import stored_profiles
from amijax.identifiability.findings import profile_findings
from amijax.identifiability.follow import ProfilePlan, SideTask
from amijax.identifiability.profile import NoOptimumError
from amijax.identifiability.profile_record import Side
from amijax.identifiability.steps import crossing, step_to, summit, tangent
from amijax.identifiability.verdicts import KnownPoint, interval_in_words, profile_of
from amijax.simulation.settings import SolverSettings

THRESHOLD = 1.920729  # half of the 95 % quantile of chi-square with one degree of freedom
# Each point is optimised until llh grows by less than 1e-3, and ends lie within 0.5 % of the
# threshold, interpolated.
CLOSE = 0.02


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """Profiles of this module only."""
    folder = tmp_path_factory.mktemp("profiles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "cache_dir", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory, own_cache):  # noqa: ARG001
    return uncertain_objective(tmp_path_factory.mktemp("uncertain"))


@pytest.fixture(scope="module")
def of_conversion(conversion, own_cache):  # noqa: ARG001
    return profile(conversion, ["k2", "total", "sigma_A"], workers=1)


@pytest.fixture(scope="module")
def of_uncertain(uncertain):
    return profile(uncertain, ["kd", "a0", "km", "p"], workers=2)


def exact_profile(measurements, position, x, start):
    """The largest llh of the closed form with one parameter held."""
    free = np.arange(6) != position

    def negative(others):
        theta = np.insert(others, position, x)
        llh, gradient = closed_form.llh_and_gradient(theta, measurements)
        return -llh, -gradient[free]

    return -minimize(negative, start[free], jac=True, method="BFGS").fun


def test_profiles_are_those_of_the_closed_form(conversion, of_conversion):
    measurements = conversion.problem.measurements
    best = -minimize(
        lambda theta: tuple(-part for part in closed_form.llh_and_gradient(theta, measurements)),
        of_conversion.optimum.theta, jac=True, method="BFGS",
    ).fun  # fmt: skip
    assert of_conversion.optimum.value == pytest.approx(best, abs=1e-5)
    for each in of_conversion.profiles:
        assert each.verdict == "identifiable"
        assert each.open_ends == ()
        i = conversion.problem.parameter_ids.index(each.parameter)
        for x, theta, value in zip(each.points, each.thetas, each.values, strict=True):
            assert value == pytest.approx(exact_profile(measurements, i, x, theta), abs=5e-3)
        for end in each.interval:
            near = each.thetas[np.argmin(np.abs(each.points - end))]
            fallen = best - exact_profile(measurements, i, end, near)
            assert fallen == pytest.approx(THRESHOLD, abs=CLOSE)
        assert_allclose(
            each.interval_linear,
            [closed_form.unscale(np.full(6, end))[i] for end in each.interval],
        )


def test_the_start_is_said_to_be_no_optimum(of_conversion):
    assert of_conversion.gain == pytest.approx(6.844, abs=0.01)
    assert [each.code for each in profile_findings(of_conversion)] == ["started-elsewhere"]


def test_steps_are_adaptive(of_conversion):
    for each in of_conversion.profiles:
        drops = of_conversion.optimum.value - each.values
        inside = drops[drops < THRESHOLD]
        assert np.abs(np.diff(inside)).max() < 0.6 * THRESHOLD
        assert len(each.points) < 20


def test_interrupted_profiles_go_on(conversion, of_conversion, own_cache):  # noqa: ARG001
    class Stop(Exception):
        pass

    progress = []

    def stop_after_one_side():
        if progress and progress[-1].sides_over == 1:
            raise Stop

    options = {"theta": of_conversion.optimum.theta, "workers": 1}
    with pytest.raises(Stop):
        profile(
            conversion, ["k2"], on_progress=progress.append, check=stop_after_one_side, **options
        )
    (stored, *_) = stored_profiles(conversion)
    assert not stored.is_complete
    assert "interrupted" in [each.code for each in profile_findings(stored)]
    done = [len(each.points) for each in stored.profiles]
    seen = []
    whole = profile(conversion, ["k2"], on_progress=seen.append, **options)
    assert whole.is_complete
    assert max(each.sides_over for each in seen) == 2
    assert len(whole.profiles[0].points) > done[0]
    assert_allclose(whole.profiles[0].interval, of_conversion.profiles[0].interval, atol=1e-4)
    again = profile(conversion, ["k2"], **options)
    assert np.array_equal(again.profiles[0].values, whole.profiles[0].values)


def test_each_verdict_comes_to_whom_it_is_due(of_uncertain):
    verdicts = {each.parameter: each for each in of_uncertain.profiles}
    # One factor of a product: whatever its value, the other one makes up for it.
    assert verdicts["a0"].verdict == "flat"
    assert verdicts["a0"].open_ends == ("lower", "upper")
    assert_allclose(verdicts["a0"].interval, [-3, 3])
    assert "lower bound, 0.001" in verdicts["a0"].sentence
    # Far from saturation only vmax / km counts.
    assert verdicts["km"].verdict == "one-sided"
    assert verdicts["km"].open_ends == ("upper",)
    assert verdicts["km"].interval[1] == pytest.approx(3)
    assert "open upwards" in verdicts["km"].sentence
    assert verdicts["kd"].verdict == "identifiable"
    # From nominal, which is near the better mode.
    assert verdicts["p"].verdict == "multimodal"
    assert "valley" in verdicts["p"].sentence
    assert of_uncertain.better is None


def test_the_saturation_constants_end_is_the_closed_forms(of_uncertain):
    (km,) = [each for each in of_uncertain.profiles if each.parameter == "km"]
    i = list(CASE.estimated).index("km")
    theta = km.thetas[np.argmin(np.abs(km.points - km.interval[0]))].copy()
    j = list(CASE.estimated).index("vmax")

    def llh(vmax):
        theta[i], theta[j] = km.interval[0], vmax[0]
        return -CASE.llh(theta)

    fallen = of_uncertain.optimum.value + minimize(llh, [theta[j]], method="Nelder-Mead").fun
    assert fallen == pytest.approx(THRESHOLD, abs=CLOSE)


def test_a_better_optimum_is_told_and_begun_from(uncertain, of_uncertain):
    theta = of_uncertain.optimum.theta.copy()
    i = list(CASE.estimated).index("p")
    theta[i] = -1.0
    # A line search stays where the gradient is 0; a trust region leaps over the valley.
    options = {"theta": theta, "workers": 1, "optimizer": "scipy-lbfgsb"}
    found = profile(uncertain, ["p"], **options)
    assert found.better is not None
    assert found.better.gain == pytest.approx(GAIN, rel=0.05)
    assert found.better.value == pytest.approx(of_uncertain.optimum.value, abs=1e-2)
    assert found.profiles[0].verdict == "failed"
    assert "start the profiles anew" in found.profiles[0].sentence
    assert "better-optimum" in [each.code for each in profile_findings(found)]
    anew = profile(uncertain, ["p"], restart=True, **options)
    assert anew.n_restarts == 1
    assert anew.better is None
    assert anew.profiles[0].verdict == "multimodal"


def test_a_point_that_can_t_be_evaluated_has_no_profiles(conversion, own_cache):  # noqa: ARG001
    failing = conversion.with_solver(SolverSettings(max_steps=1))
    with pytest.raises(NoOptimumError, match="can't begin"):
        profile(failing, ["k1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": ["k3"]}, "'k3' is not a free parameter"),
        ({"parameters": []}, "at least one"),
        ({"optimizer": "newton"}, "optimizer must be one of"),
        ({"level": 1.5}, "between 0 and 1"),
    ],
)
def test_what_can_t_be_used_gets_a_sentence(conversion, arguments, message):
    with pytest.raises(ValueError, match=message):
        profile(conversion, **arguments)


def side(name, x, values, end, crossing=np.nan):
    thetas = np.array(x, dtype=float)[:, None]
    return Side(
        position=0, side=name, thetas=thetas, values=np.array(values, dtype=float),
        slopes=np.zeros(len(x)), end=end, message="because", crossing=crossing,
        n_evaluations=1, seconds=0.0,
    )  # fmt: skip


def verdict(conversion, down, up, known=()):
    return profile_of(
        conversion.problem, 0, [down, up], np.zeros(6), 0.0, THRESHOLD, 0.95,
        np.full(6, -3.0), np.full(6, 3.0), known,
    )  # fmt: skip


def test_a_fits_other_end_makes_a_mode(conversion):
    down = side("down", [0, -1], [0, -2], "threshold", -0.9)
    up = side("up", [0, 1], [0, -2], "threshold", 0.9)
    assert verdict(conversion, down, up).verdict == "identifiable"
    apart = KnownPoint(np.full(6, 2.5), -1.0, "start 3 of a fit")
    found = verdict(conversion, down, up, [apart])
    assert found.verdict == "multimodal"
    assert "start 3 of a fit" in found.sentence
    refused = KnownPoint(np.full(6, 2.5), -3.0, "start 4 of a fit")
    assert verdict(conversion, down, up, [refused]).verdict == "identifiable"


def test_a_side_that_breaks_off_says_why(conversion):
    down = side("down", [0, -1], [0, -1], "failed")
    up = side("up", [0, 1], [0, -2], "threshold", 0.9)
    found = verdict(conversion, down, up)
    assert found.verdict == "failed"
    assert "because" in found.sentence
    assert np.isnan(found.interval[0])
    assert found.interval[1] == 0.9


def test_loose_tolerances_are_told(conversion, of_conversion, own_cache):  # noqa: ARG001
    assert of_conversion.solver_error < 1e-3
    loose = conversion.with_solver(SolverSettings(rtol=1e-3, atol=1e-3))
    found = profile(loose, ["total"], workers=1)
    if found.solver_error > 0.05 * THRESHOLD:
        assert "solver-error" in [each.code for each in profile_findings(found)]
    assert found.solver_error > 10 * of_conversion.solver_error


def test_an_intervals_ends_can_be_told_apart():
    assert interval_in_words(0.01, 3.0) == "0.01 to 3"
    assert interval_in_words(9.99991, 9.99994) == "9.99991 to 9.99994"
    assert interval_in_words(-np.inf, 1.0) == "-inf to 1"


def test_a_problem_of_one_parameter(tmp_path, own_cache):  # noqa: ARG001
    objective = AmiciObjective(load_problem(write_decay(tmp_path)))
    (found,) = profile(objective).profiles
    assert found.verdict == "identifiable"
    t, m = np.array(TIMES), np.array(DATA)

    def llh(theta):
        return -0.5 * np.sum(((m - 2 * np.exp(-(10.0**theta) * t)) / 0.1) ** 2)

    assert_allclose(
        [llh(found.optimum) - llh(end) for end in found.interval], THRESHOLD, atol=CLOSE
    )


def test_a_side_whose_processes_end_again_and_again_is_failed():
    plan = ProfilePlan(
        "fides", np.zeros(1), np.ones(1), True, SolverSettings(), np.full(1, 0.5), 0.0, THRESHOLD
    )
    never = plan.given_up(SideTask(0, "up"), 3, "Given up: it crashed.")
    assert never.end == "failed"
    assert never.n_lost == 3
    begun = side("up", [0, 0.2], [0, -1], "cancelled")
    broken = plan.given_up(SideTask(0, "up", begun), 3, "Given up: it crashed.")
    assert broken.end == "failed"
    assert broken.is_over
    assert "crashed" in broken.message
    assert len(broken.values) == 2


def test_a_step_falls_as_far_as_it_should():
    assert step_to(0.5, 0.0, 4.0) == pytest.approx(0.5)
    assert step_to(1.0, 1.0, 0.0) == pytest.approx(1.0)
    assert step_to(1.0, -1.0, 0.0) == np.inf


def test_tangent_and_crossing_of_a_parabola():
    matrix = np.array([[40.0, 10.0], [10.0, 50.0]])
    move, curvature = tangent(matrix, 0, np.full(2, 1e6))
    assert_allclose(move, [1.0, -0.2])
    assert curvature == pytest.approx(38.0)
    assert summit((0.5, 2.0), (-0.25, -1.0), (1.0, -2.0))[0] == pytest.approx(1.0)
    x = crossing((0.5, 2.0), (-0.25, -4.0), (-1.0, -4.0), -1.0)
    assert x == pytest.approx(1.0)
    assert crossing((-0.5, -2.0), (-0.25, -4.0), (1.0, 4.0), -1.0) == pytest.approx(-1.0)


def test_command_line_has_the_keys(own_cache):  # noqa: ARG001
    arguments = ["profile", "Conversion_Reaction", "--parameter", "total", "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    (found,) = json.loads(done.stdout)["parameters"]
    assert found["parameter"] == "total"
    assert found["verdict"] == "identifiable"
    assert found["interval"] == pytest.approx([1.902, 1.986], abs=2e-3)
    assert len(found["points"]) > 5
    assert "identifiable" in found["sentence"]
    assert "2 of 2 sides" in done.stderr


def test_command_line_refuses_contradictions():
    done = CliRunner().invoke(main, ["profile", "X", "--all", "--parameter", "k1"])
    assert done.exit_code == 2
    assert "exclude each other" in done.stderr
