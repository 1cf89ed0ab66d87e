"""Simulations and residuals in JAX against NumPy's, and least squares of others on them."""

import pickle
from dataclasses import replace

import closed_form
import fides
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
from numpy.testing import assert_allclose
from petab_files import write_decay
from scipy.optimize import least_squares

from amijax import AmiciObjective, JaxSimulator, ProblemError, SolverSettings, load_problem
from amijax.jax_derivatives import SecondDerivativeError

FLOAT32 = 2e-6  # relative, of values: a few roundings


class Counted:
    """An objective that counts what is asked of it."""

    def __init__(self, objective):
        self.objective = objective
        self.calls = []

    def __getattr__(self, name):
        found = getattr(self.objective, name)
        if name not in ("measured_values", "measured_values_batch", "residuals", "residuals_batch"):
            return found

        def counted(points, jacobian=True, **options):
            self.calls.append((name, np.ndim(points) and len(points), jacobian))
            return found(points, jacobian, **options)

        return counted


@pytest.fixture
def counted(conversion):
    return Counted(conversion)


@pytest.fixture(scope="module")
def simulator(conversion):
    return JaxSimulator(conversion)


@pytest.fixture(scope="module")
def theta(conversion):
    return conversion.problem.nominal_theta + 0.02


def test_values_and_jacobians_are_those_of_the_objective(simulator, theta):
    values = simulator.objective.measured_values(theta)
    plain = simulator.objective.measured_values(theta, jacobian=False)
    y, sigma = simulator(theta)
    assert_allclose(y, plain.y, rtol=1e-13)  # theta went through 10**theta and back
    assert_allclose(sigma, plain.sigma, rtol=1e-13)
    for jacobian in (jax.jacfwd, jax.jacrev):
        y_jacobian, sigma_jacobian = jax.jit(jacobian(simulator))(theta)
        assert_allclose(y_jacobian, values.y_jacobian, rtol=1e-9, atol=1e-12)
        assert_allclose(sigma_jacobian, values.sigma_jacobian, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["residuals", "residuals_extended"])
def test_residuals_are_those_of_the_objective(simulator, theta, name):
    expected = simulator.objective.residuals(theta, extended=name != "residuals")
    function = getattr(simulator, name)
    jacobian = jax.jit(jax.jacfwd(function))(theta)
    assert_allclose(jacobian, expected.jacobian, rtol=1e-9, atol=1e-9)
    values, _ = jax.jvp(function, (theta,), (jnp.ones_like(theta),))
    assert_allclose(values, expected.values, rtol=1e-9, atol=1e-12)


def test_extended_residuals_are_the_log_likelihood(simulator, theta):
    r = simulator.residuals_extended(theta)
    llh = simulator.objective.llh(theta)
    assert_allclose(-0.5 * jnp.sum(r**2) + simulator.constant, llh, rtol=1e-12)


def test_a_likelihood_of_ones_own(simulator, theta):
    """Normal noise in JAX is AMICI's log-likelihood; Student's t is another one."""
    measured = simulator.objective.problem.measurements["measurement"].to_numpy(dtype=float)

    def normal(theta):
        y, sigma = simulator(theta)
        return jax.scipy.stats.norm.logpdf(measured, y, sigma).sum()

    def student(theta):
        y, sigma = simulator(theta)
        return jax.scipy.stats.t.logpdf(measured, 4.0, y, sigma).sum()

    llh, gradient = simulator.objective.llh_and_gradient(theta)
    value, slope = jax.jit(jax.value_and_grad(normal))(theta)
    assert_allclose(value, llh, rtol=1e-10)
    assert_allclose(slope, gradient, rtol=1e-8, atol=1e-8)
    assert np.isfinite(jax.grad(student)(theta)).all()


def test_float32_in_float32_out(simulator, theta):
    y, sigma = simulator(theta.astype(np.float32))
    assert y.dtype == sigma.dtype == np.float32
    expected = simulator(theta)
    assert_allclose(y, expected[0], rtol=FLOAT32)
    assert_allclose(sigma, expected[1], rtol=FLOAT32)
    assert jax.jacfwd(simulator.residuals)(theta.astype(np.float32)).dtype == np.float32


def test_one_simulation_for_value_and_jacobian(counted, theta):
    simulator = JaxSimulator(counted)

    @jax.jit
    def both(theta):
        value, linear = jax.linearize(simulator.residuals, theta)
        return value, jax.vmap(linear)(jnp.eye(theta.size))

    jax.block_until_ready(both(theta))
    assert counted.calls == [("residuals", 6, True)]
    counted.calls.clear()
    jax.block_until_ready(simulator(theta))
    assert counted.calls == [("measured_values", 6, False)]


def test_vmap_is_one_batch(counted, theta):
    simulator = JaxSimulator(counted)
    thetas = jnp.stack([theta, theta + 0.01, theta - 0.01, theta * 1.01]).reshape(2, 2, -1)
    y, _ = jax.jit(jax.vmap(jax.vmap(simulator)))(thetas)
    assert counted.calls == [("measured_values_batch", 4, False)]
    assert_allclose(y[1, 0], simulator(thetas[1, 0])[0], rtol=1e-13)
    counted.calls.clear()
    jacobian = jax.vmap(jax.jacrev(simulator.residuals))(thetas[0])
    assert counted.calls == [("residuals_batch", 2, True)]
    assert_allclose(jacobian[1], jax.jacfwd(simulator.residuals)(thetas[0, 1]), rtol=1e-12)


def test_no_second_derivative(simulator, theta):
    with pytest.raises(SecondDerivativeError, match="differentiated once"):
        jax.hessian(lambda t: jnp.sum(simulator.residuals(t) ** 2))(theta)


def test_a_failure_is_nan_and_kept(boehm):
    simulator = JaxSimulator(boehm.with_solver(SolverSettings(max_steps=10)))
    theta = boehm.problem.nominal_theta
    assert np.isnan(simulator(theta)[0]).all()
    assert np.isnan(jax.jacfwd(simulator.residuals)(theta)).all()
    assert {each.failure.kind for each in simulator.failures} == {"integration"}


def test_theta_by_id(simulator, theta):
    named = dict(zip(simulator.objective.parameter_ids, theta.tolist(), strict=True))
    assert_allclose(simulator(named)[0], simulator(theta)[0], rtol=1e-13)
    jacobian = jax.jacfwd(simulator.residuals)(named)
    assert_allclose(jacobian["k2"], jax.jacfwd(simulator.residuals)(theta)[:, 1], rtol=1e-12)


def test_it_pickles_and_is_static(simulator, theta):
    again = pickle.loads(pickle.dumps(JaxSimulator(simulator.objective, noise_offset=20.0)))
    expected = JaxSimulator(simulator.objective, noise_offset=20.0)
    assert_allclose(again.residuals_extended(theta), expected.residuals_extended(theta), rtol=1e-13)
    assert again.constant == expected.constant
    assert jax.tree.leaves(simulator) == []
    assert_allclose(
        jax.jit(lambda f, t: f(t)[0])(simulator, theta), simulator(theta)[0], rtol=1e-13
    )


def test_what_has_no_residuals_or_jacobian_gets_a_sentence(tmp_path, conversion, theta):
    laplace = JaxSimulator(
        AmiciObjective(load_problem(write_decay(tmp_path, distribution="laplace")))
    )
    nominal = laplace.objective.problem.nominal_theta
    with pytest.raises(ProblemError, match="laplace noise"):
        laplace.residuals(nominal)
    assert np.isfinite(jax.jacfwd(laplace)(nominal)[0]).all()
    settings = replace(conversion.solver, sensitivities="adjoint")
    adjoint = JaxSimulator(conversion.with_solver(settings))
    assert np.isfinite(adjoint(theta)[0]).all()
    with pytest.raises(ValueError, match="need forward sensitivities"):
        jax.jacfwd(adjoint)(theta)


# Least squares of others, from the same start to the closed form's maximum.


@pytest.fixture(scope="module")
def fitting(conversion):
    tight = conversion.with_solver(SolverSettings(rtol=1e-12))
    problem = tight.problem
    return JaxSimulator(tight), problem.nominal_theta + 0.2, problem


def check_maximum(theta, problem):
    _, gradient = closed_form.llh_and_gradient(theta, problem.measurements)
    hessian = closed_form.hessian(theta, problem.measurements)
    # In units of the standard errors: how far from the maximum a Newton step says it is.
    step = np.linalg.solve(hessian, gradient)
    assert (np.abs(step) < 1e-3 * np.sqrt(np.diag(np.linalg.inv(-hessian)))).all()


def test_optimistix_levenberg_marquardt(fitting):
    simulator, start, problem = fitting
    found = optimistix.least_squares(
        lambda theta, _: simulator.residuals_extended(theta),
        optimistix.LevenbergMarquardt(rtol=1e-10, atol=1e-10),
        jnp.asarray(start), max_steps=200,
    )  # fmt: skip
    check_maximum(np.asarray(found.value), problem)


def test_scipys_least_squares(fitting):
    simulator, start, problem = fitting
    residuals = jax.jit(lambda theta: jax.vjp(simulator.residuals_extended, theta)[0])
    jacobian = jax.jit(jax.jacfwd(simulator.residuals_extended))
    found = least_squares(
        lambda theta: np.asarray(residuals(theta)), start,
        lambda theta: np.asarray(jacobian(theta)),
        bounds=(problem.lower_theta, problem.upper_theta), ftol=1e-12, xtol=1e-12,
    )  # fmt: skip
    check_maximum(found.x, problem)


def test_fides(fitting):
    simulator, start, problem = fitting

    @jax.jit
    def residuals(theta):
        value, linear = jax.linearize(simulator.residuals_extended, theta)
        return value, jax.vmap(linear, out_axes=1)(jnp.eye(theta.size))

    optimizer = fides.Optimizer(
        lambda theta: tuple(map(np.asarray, residuals(theta))),
        ub=problem.upper_theta, lb=problem.lower_theta, resfun=True,
        hessian_update=fides.GNSBFGS(), verbose=40, options={"maxiter": 200, "fatol": 1e-10},
    )  # fmt: skip
    _, found, _, _ = optimizer.minimize(start)
    check_maximum(found, problem)
