"""libRoadRunner's llh of small problems against closed forms: it shares no line with AMICI."""

import numpy as np
import pytest
from closed_form import llh_and_gradient
from test_petab_kinds import KINDS
from test_repairs import CASES

from amijax import load_problem
from amijax.audit import roadrunner_process
from amijax.audit.roadrunner import RoadRunnerProblem
from amijax.audit.roadrunner_process import roadrunner_differences, roadrunner_testimony
from amijax.audit.testimony import OutOfReachError

pytest.importorskip("roadrunner", reason="libRoadRunner is not installed")

# libRoadRunner at rtol 1e-11 leaves 1e-9 of a state, its steady states (a tenfold time changes
# them by less than 1e-11) as much.
LLH = 1e-7


@pytest.mark.parametrize("name", KINDS)
def test_the_kinds_of_petab_s_test_suite(name, tmp_path):
    kind = KINDS[name]
    problem = load_problem(kind.write(tmp_path))
    llh = RoadRunnerProblem(problem).llh(problem.nominal_theta, 1e-11, 1e-16)
    assert llh == pytest.approx(kind.llh(problem.nominal_theta), rel=LLH)


def _simulates(name):
    """Whether libRoadRunner knows what a repaired model has."""
    return not CASES[name][1].model.algebraic


@pytest.mark.parametrize("name", [name for name in CASES if _simulates(name)])
def test_the_kinds_that_amici_computes_wrongly(name, tmp_path):
    case = CASES[name][1]
    problem = load_problem(case.write(tmp_path))
    llh = RoadRunnerProblem(problem).llh(problem.nominal_theta, 1e-11, 1e-16)
    assert llh == pytest.approx(case.llh(case.nominal), rel=LLH)


def test_an_algebraic_rule_is_out_of_reach(tmp_path):
    name = next(name for name in CASES if not _simulates(name))
    with pytest.raises(OutOfReachError, match="algebraic rule"):
        RoadRunnerProblem(load_problem(CASES[name][1].write(tmp_path)))


def test_it_testifies_with_an_uncertainty_that_holds(conversion):
    problem = conversion.problem
    points = np.stack([problem.nominal_theta, problem.nominal_theta + 0.05])
    testimony = roadrunner_testimony(problem, points)
    assert testimony.reason == ""
    for i, theta in enumerate(points):
        llh, _ = llh_and_gradient(theta, problem.measurements)
        assert abs(testimony.values[i] - llh) <= testimony.uncertainty[i] < 1e-5


def test_its_differences_are_the_gradient(conversion):
    problem = conversion.problem
    llh, found = roadrunner_differences(
        problem, problem.nominal_theta, np.eye(problem.n_parameters), quick=np.inf
    )
    _, gradient = llh_and_gradient(problem.nominal_theta, problem.measurements)
    assert llh.values.shape == (1,)
    assert (np.abs(found.values - gradient) <= found.uncertainty).all()
    assert (found.uncertainty < 1e-3).all()


def test_its_time_is_limited(conversion):
    problem = conversion.problem
    testimony = roadrunner_testimony(problem, [problem.nominal_theta], time_limit=0.01)
    assert testimony.reason == "libRoadRunner took more than 0.01 s."
    assert np.isnan(testimony.values).all()


def test_without_libroadrunner_it_says_how_to_get_it(conversion, monkeypatch):
    monkeypatch.setattr(roadrunner_process, "find_spec", lambda _: None)
    testimony = roadrunner_testimony(conversion.problem, [conversion.problem.nominal_theta])
    assert testimony.reason == 'libRoadRunner is not installed: pip install "amijax[audit]".'


def test_a_point_that_can_not_be_simulated_has_no_value(conversion):
    problem = conversion.problem
    testimony = roadrunner_testimony(
        problem, [problem.nominal_theta, np.full(problem.n_parameters, 400.0)]
    )
    assert np.isfinite(testimony.values[0])
    assert np.isnan(testimony.values[1])
    assert np.isinf(testimony.uncertainty[1])
