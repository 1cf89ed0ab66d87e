"""Finite differences of noisy functions: errors are below what they say, and not far below."""

import numpy as np
import pytest

from amijax.differences import directional_derivatives, vector_derivatives

# What the issue asks for: the true error is below the uncertainty in 95 % of cases, and in the
# median the uncertainty is at most 100 times the error.
COVERAGE = 0.95
TOO_LARGE = 100.0


def smooth(random):
    """A random function of n parameters, its gradient, and a point: sums of exponentials."""
    n = int(random.integers(1, 6))
    a, w = random.normal(size=(8, n)), random.normal(size=8)
    offset = random.normal() * 100

    def function(points):
        return offset + np.exp(0.7 * np.sin(points @ a.T)) @ w

    def gradient(x):
        phase = a @ x
        return (w * np.exp(0.7 * np.sin(phase)) * 0.7 * np.cos(phase)) @ a

    return function, gradient, random.normal(size=n)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-9, 1e-6])
def test_the_error_is_below_the_uncertainty_and_not_far_below(noise):
    random = np.random.default_rng(5)
    errors, uncertainties = [], []
    for _ in range(60):
        function, gradient, point = smooth(random)

        def noisy(points, function=function):
            return function(points) + noise * random.normal(size=len(points))

        found = directional_derivatives(noisy, point, np.eye(len(point)))
        errors += list(np.abs(found.values - gradient(point)))
        uncertainties += list(found.uncertainty)
    errors, uncertainties = np.array(errors), np.array(uncertainties)
    assert (errors <= uncertainties).mean() >= COVERAGE
    if noise:  # without any, truncation is all there is, and that is taken for far larger
        assert np.median(uncertainties / np.maximum(errors, 1e-17)) <= TOO_LARGE


def test_the_noise_is_measured():
    random = np.random.default_rng(1)
    found = directional_derivatives(
        lambda points: np.sin(points).sum(axis=1) + 1e-7 * random.normal(size=len(points)),
        np.array([0.3, 0.4]),
        np.eye(2),
    )
    assert 1e-8 < found.noise < 1e-6


def test_a_function_that_does_not_depend_on_a_direction_has_derivative_0_exactly():
    found = directional_derivatives(lambda x: np.exp(x[:, 0]), np.array([0.1, 2.0]), np.eye(2))
    assert found.values[1] == found.uncertainty[1] == 0.0


def test_a_kink_at_the_point_is_not_certified():
    # Both sides' slopes are 2 and -1: there is no derivative, and the mean of both is no answer.
    found = directional_derivatives(
        lambda x: np.where(x[:, 0] > 0, 2 * x[:, 0], -x[:, 0]), np.zeros(1), np.eye(1)
    )
    assert found.uncertainty[0] >= 1.4


def test_a_kink_nearby_makes_steps_smaller():
    def function(x):
        return np.maximum(x[:, 0], 0.002) + np.sin(x[:, 0])

    found = directional_derivatives(function, np.array([0.001]), np.eye(1))
    error = abs(found.values[0] - np.cos(0.001))
    assert error <= found.uncertainty[0] < 1e-3


def test_points_without_a_value_are_left_out():
    def function(x):
        return np.where(x[:, 0] > 0.07, np.nan, np.exp(x[:, 0]))

    found = directional_derivatives(function, np.array([0.06]), np.eye(1))
    assert abs(found.values[0] - np.exp(0.06)) <= found.uncertainty[0] < 1e-5


def test_a_function_without_values_nearby_says_nothing():
    found = directional_derivatives(lambda x: np.full(len(x), np.nan), np.zeros(2), np.eye(2))
    assert np.isnan(found.values).all()
    assert np.isinf(found.uncertainty).all()


def test_no_direction_costs_nothing():
    found = directional_derivatives(lambda _: 1 / 0, np.zeros(2), np.empty((0, 2)))
    assert found.evaluations == 0


def test_several_functions_are_each_function():
    functions = [
        lambda x: np.sin(x[:, 0] * x[:, 1]),
        lambda x: 1e6 * np.exp(x[:, 0]),
        lambda x: x[:, 1] ** 3,
    ]
    point = np.array([0.3, 1.4])
    together = vector_derivatives(
        lambda x: np.stack([f(x) for f in functions], axis=1), point, np.eye(2)
    )
    expected = [
        [1.4 * np.cos(0.42), 1e6 * np.exp(0.3), 0.0],
        [0.3 * np.cos(0.42), 0.0, 3 * 1.4**2],
    ]
    assert (np.abs(together.values - expected) <= together.uncertainty).all()
    np.testing.assert_allclose(together.values, expected, rtol=1e-6)
    assert together.noise.shape == (3,)
    for j, function in enumerate(functions[:2]):  # no further steps were needed for these
        alone = directional_derivatives(function, point, np.eye(2))
        np.testing.assert_allclose(together.values[:, j], alone.values, rtol=1e-6)
