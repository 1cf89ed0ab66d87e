"""The embedded PEtab v2 problems against their closed forms, at nominal and elsewhere."""

import numpy as np
import pytest
from numpy.random import default_rng

from amijax import AmiciObjective, load_problem
from amijax.audit.closed_forms import closed_form
from amijax.problems.catalogue import is_embedded
from amijax.simulation.settings import SolverSettings

PROBLEMS = ("Inhibited_Conversion", "Infused_Tracer")
# With rtol 1e-12 AMICI's steady states are good to 1e-10; at its defaults the rest is to 1e-6.
TIGHT = SolverSettings(rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("problem_id", PROBLEMS)
def test_it_is_a_v2_problem_that_needs_no_warning(problem_id, objective_of):
    objective = objective_of(problem_id)
    assert objective.problem.petab_version == "2"
    assert is_embedded(objective.problem)
    assert not objective.problem.warnings
    assert not objective.warnings
    assert not objective.repairs


@pytest.mark.parametrize("problem_id", PROBLEMS)
@pytest.mark.parametrize("scales", [None, "lin", "log"])
@pytest.mark.parametrize("moved", [0.0, 0.03])
def test_llh_and_gradient_are_those_of_the_closed_form(problem_id, scales, moved, objective_of):
    problem = load_problem(problem_id, scales=scales)
    objective = AmiciObjective(problem, TIGHT, model=objective_of(problem_id).model)
    p = problem.nominal_p * (1.0 + moved * default_rng(1).normal(size=problem.n_parameters))
    theta = problem.theta_from(dict(zip(problem.parameter_ids, p, strict=True)), linear=True)
    llh, gradient = objective.llh_and_gradient(theta)
    of_llh, of_gradient = closed_form(problem, theta)
    assert llh == pytest.approx(of_llh.values[0], abs=1e-7)
    error = np.linalg.norm(gradient - of_gradient.values)
    assert error < 1e-7 * np.linalg.norm(of_gradient.values)
    assert objective.llh(theta) == pytest.approx(llh, abs=1e-7)


@pytest.mark.parametrize("problem_id", PROBLEMS)
def test_the_closed_form_differentiates_itself(problem_id):
    problem = load_problem(problem_id)
    theta, step = problem.nominal_theta, 1e-5

    def llh(point):
        return closed_form(problem, point)[0].values[0]

    differences = [
        (llh(theta + move) - llh(theta - move)) / (2 * step)
        for move in step * np.eye(problem.n_parameters)
    ]
    gradient = closed_form(problem, theta)[1].values
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-4)
