"""Prediction against fact: closed forms, and functions whose answer is known beforehand."""

from dataclasses import replace

import closed_form
import numpy as np
import pytest

from amijax import SolverSettings
from amijax.problems import load_problem
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure
from amijax.whatif.prediction import predict_step


class Known:
    """An objective with a function of our own in the place of AMICI."""

    def __init__(self, function, gradient, noise=0.0):
        self.problem = load_problem("Conversion_Reaction")
        self.scales, self.solver = self.problem.scales, SolverSettings()
        self.function, self.derivative, self.noise = function, gradient, noise
        self.random = np.random.default_rng(0)

    def evaluation(self, theta):
        return Evaluation(
            theta, self.function(theta), self.derivative(theta), None, 0.0, 0.0, self.solver
        )

    def evaluate_batch(self, thetas, gradient=True, *, on_chunk=None):  # noqa: ARG002
        assert not gradient
        found = []
        for theta in thetas:
            llh = self.function(theta) + self.noise * self.random.standard_normal()
            failure = None if np.isfinite(llh) else Failure("output", "no", "none")
            found.append(Evaluation(theta, llh, None, failure, 0.0, 0.0, self.solver))
        return tuple(found)


WEIGHTS = np.array([1.0, -2.0, 0.5, 0.0, 3.0, -1.0])


def linear(noise=0.0):
    return Known(lambda t: 7 + float(WEIGHTS @ t), lambda _: WEIGHTS, noise)


def quadratic(noise=0.0, error=0.0):
    """-100 + w·t - 2 |t|², with a gradient that is wrong by a factor, if wanted."""
    return Known(
        lambda t: -100 + float(WEIGHTS @ t - 2 * t @ t),
        lambda t: (WEIGHTS - 4 * t) * (1 + error),
        noise,
    )


def test_a_linear_function_is_predicted():
    objective = linear()
    base, step = np.full(6, 0.1), np.array([0.1, 0, 0.3, 0.2, 0, -0.1])
    found = predict_step(objective, objective.evaluation(base), base + step)
    assert found.verdict == "linear"
    assert "linear range holds" in found.text
    np.testing.assert_allclose(found.shares, WEIGHTS * (found.theta - base))
    assert found.predicted == pytest.approx(found.shares.sum())
    assert found.actual == pytest.approx(found.predicted)
    assert found.ratio == pytest.approx(1)
    np.testing.assert_allclose(found.tangent(found.fractions), found.llh)


def test_a_large_step_leaves_the_linear_range_by_what_the_curvature_says():
    objective = quadratic()
    base, step = np.zeros(6), np.array([0.5, 0, 0, 0, 0, 0])
    found = predict_step(objective, objective.evaluation(base), base + step)
    assert found.verdict == "nonlinear"
    assert found.predicted == pytest.approx(0.5)
    assert found.actual == pytest.approx(0.0, abs=1e-12)
    assert found.second_order == pytest.approx(-0.5, rel=1e-6)
    assert found.slope == pytest.approx(0.5, rel=1e-6)
    assert found.linear_fraction == pytest.approx(0.1, rel=1e-6)
    assert "left the linear range" in found.text
    small = predict_step(objective, objective.evaluation(base), base + 0.02 * step)
    assert small.verdict == "linear"


def test_a_change_below_the_noise_floor_judges_nothing():
    objective = linear(noise=1e-4)
    base = np.zeros(6)
    step = np.array([1e-5, 0, 0, 0, 0, 0])
    found = predict_step(objective, objective.evaluation(base), base + step)
    assert found.verdict == "noise"
    assert found.noise == pytest.approx(1.4e-4, rel=0.7)
    assert "noise floor" in found.text
    large = predict_step(objective, objective.evaluation(base), base + 1e4 * step)
    assert large.verdict == "linear"


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_a_wrong_gradient_is_told_from_a_step_too_long(noise):
    objective = quadratic(noise, error=1.0)
    base, step = np.zeros(6), np.array([0.1, 0, 0, 0, 0, 0])
    found = predict_step(objective, objective.evaluation(base), base + step)
    assert found.verdict == "gradient"
    assert "can't be trusted" in found.text
    assert found.slope == pytest.approx(0.1, rel=0.05)
    assert quadratic(noise).evaluation(base).gradient[0] * 0.1 == pytest.approx(found.slope, 0.05)


def test_the_line_stays_within_bounds_and_holds_both_ends():
    objective = linear()
    problem = objective.problem
    base, theta = problem.nominal_theta.copy(), problem.nominal_theta.copy()
    base[0], theta[0] = problem.lower_theta[0], problem.upper_theta[0]
    found = predict_step(objective, objective.evaluation(base), theta, points=9)
    np.testing.assert_allclose(found.fractions, np.linspace(0, 1, 9))
    theta[0] = base[0] + (theta[0] - base[0]) / 2
    found = predict_step(objective, objective.evaluation(base), theta, points=9)
    assert found.fractions[0] == 0
    assert found.fractions[-1] == 1.5
    assert {0.0, 1.0} < set(found.fractions)


def test_nothing_and_failures():
    objective = linear()
    base = objective.evaluation(np.zeros(6))
    assert predict_step(objective, base, np.zeros(6)).verdict == "nothing"
    broken = Known(lambda t: np.nan if t[0] > 0.5 else 0.0, lambda _: WEIGHTS)
    found = predict_step(broken, broken.evaluation(np.zeros(6)), np.ones(6))
    assert found.verdict == "failed"
    assert found.failures[-1] is not None
    with pytest.raises(ValueError, match="gradient"):
        predict_step(objective, replace(base, gradient=None), np.ones(6))
    with pytest.raises(ValueError, match="shape"):
        predict_step(objective, base, np.ones(5))


def test_the_conversion_reaction_in_closed_form(conversion):
    problem = conversion.problem
    base = conversion.evaluate(problem.nominal_theta + 0.05)
    theta = base.theta + np.array([0.01, 0.0, 0.02, 0.0, 0.0, 0.0])
    found = predict_step(conversion, base, theta)
    llh, gradient = closed_form.llh_and_gradient(base.theta, problem.measurements)
    moved, _ = closed_form.llh_and_gradient(theta, problem.measurements)
    # The solver's rtol of 1e-8 in residuals of some noise scales.
    assert found.actual == pytest.approx(moved - llh, rel=1e-5)
    assert found.predicted == pytest.approx(gradient @ (theta - base.theta), rel=1e-5)
    step = 1e-3 * (theta - base.theta)
    ends = [closed_form.llh_and_gradient(base.theta + s * step, problem.measurements)[0]
            for s in (-1, 1)]  # fmt: skip
    assert found.second_order == pytest.approx((sum(ends) - 2 * llh) / 2e-6, rel=2e-2)
    assert found.slope == pytest.approx(found.predicted, abs=found.slope_error)


def test_boehm_small_and_large_steps(boehm):
    base = boehm.evaluate(boehm.problem.nominal_theta + 0.02)
    theta = base.theta.copy()
    theta[5] += 1e-3
    near = predict_step(boehm, base, theta)
    assert near.verdict == "linear"
    theta[5] += 0.5
    far = predict_step(boehm, base, theta)
    assert far.verdict == "nonlinear"
    theta[5] = base.theta[5] + 1e-12
    assert predict_step(boehm, base, theta).verdict == "noise"
    # Like with like: the line's start is llh without sensitivities.
    assert far.llh[np.searchsorted(far.fractions, 0.0)] == boehm.llh(base.theta)
