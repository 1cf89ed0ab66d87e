"""Which parameters move llh most: simulated, so that curvature counts."""

import numpy as np
from closed_form import llh_and_gradient as closed_form

from amijax.whatif.influence import (
    foretold_changes,
    most_influential,
    standard_changes,
    standard_steps,
)


def test_changes_in_closed_form(conversion):
    problem = conversion.problem
    theta = problem.nominal_theta + 0.1
    steps = standard_steps(problem, theta)
    here = closed_form(theta, problem.measurements)[0]
    expected = []
    for i, step in enumerate(steps):
        moved = [theta.copy(), theta.copy()]
        moved[0][i] = max(theta[i] - step, problem.lower_theta[i])
        moved[1][i] = min(theta[i] + step, problem.upper_theta[i])
        expected.append(max(abs(closed_form(m, problem.measurements)[0] - here) for m in moved))
    np.testing.assert_allclose(standard_changes(conversion, theta), expected, rtol=1e-4)


def test_at_an_optimum_curvature_counts_where_the_gradient_is_blind(boehm):
    problem = boehm.problem
    theta = problem.nominal_theta
    k_phos = problem.parameter_ids.index("k_phos")
    by_gradient = most_influential(
        foretold_changes(problem, theta, boehm.llh_and_gradient(theta)[1]), 9
    )
    assert by_gradient.index(k_phos) >= 5  # nearly the last
    changes = standard_changes(boehm, theta)
    assert changes[k_phos] > 4.0  # 0.1 decades cost 4.6
    assert most_influential(changes, 9).index(k_phos) < 3
    done = []
    standard_changes(boehm, theta, on_chunk=done.append)
    assert done[-1] == 2 * 9 + 1


def test_no_step_leaves_the_bounds(boehm, monkeypatch):
    problem = boehm.problem
    theta = problem.upper_theta.copy()
    seen = []
    original = type(boehm).evaluate_batch

    def watched(self, thetas, *arguments, **options):
        seen.append(np.array(thetas))
        return original(self, thetas, *arguments, **options)

    monkeypatch.setattr(type(boehm), "evaluate_batch", watched)
    standard_changes(boehm, theta)
    (points,) = seen
    assert (points <= problem.upper_theta).all()
    assert (points >= problem.lower_theta).all()
    assert len(np.unique(points, axis=0)) == 9 + 1  # down only


def test_what_is_missing_comes_last_and_ties_keep_the_tables_order():
    assert most_influential(np.array([np.nan, 0.0, 0.0, 5.0, 0.0, np.nan])) == (3, 1, 2, 4, 0, 5)
    assert most_influential(np.array([1.0, 3.0, 2.0]), 2) == (1, 2)


def test_the_gradient_foretells_small_changes(conversion):
    """To first order the same: the gradient times the standard steps, far from the optimum."""
    problem = conversion.problem
    theta = problem.nominal_theta + 0.2
    _, gradient = conversion.llh_and_gradient(theta)
    small = 1e-3
    change = []
    for i, step in enumerate(standard_steps(problem, theta)):
        moved = theta.copy()
        moved[i] += small * step
        change.append(abs(conversion.llh(moved) - conversion.llh(theta)))
    np.testing.assert_allclose(
        np.array(change) / small, foretold_changes(problem, theta, gradient), rtol=0.02
    )
