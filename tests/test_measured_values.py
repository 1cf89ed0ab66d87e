"""Simulated measurements, residuals and their Jacobians against closed forms and AMICI's own."""

from dataclasses import replace
from functools import lru_cache

import closed_form
import numpy as np
import pytest
from numpy.testing import assert_allclose
from petab_files import write_decay
from scipy.optimize import least_squares

from amijax import AmiciObjective, ProblemError, SolverSettings, load_problem
from amijax.simulation.residuals import extended_constant

TIGHT = SolverSettings(rtol=1e-12, atol=1e-16)
# Of the conversion reaction with these settings: at rtol 1e-12 its errors stay below.
ACCURACY = 1e-9


@pytest.fixture(scope="module")
def tight(conversion):
    return conversion.with_solver(TIGHT)


def theta_of(objective):
    """Off the optimum, and the same in every run."""
    theta = objective.problem.nominal_theta
    return theta + 0.05 * np.random.default_rng(1).standard_normal(theta.size)


def test_values_and_jacobians_are_the_closed_form(tight):
    theta = theta_of(tight)
    values = tight.measured_values(theta)
    table = tight.problem.measurements
    y, by_linear = closed_form.simulate(theta, table)
    slope = closed_form.derivative_of_unscale(theta)
    assert_allclose(values.y, y, rtol=ACCURACY)
    assert_allclose(values.y_jacobian, by_linear * slope, rtol=ACCURACY, atol=1e-10)
    is_b = table["observableId"].eq("B_measured").to_numpy()
    assert_allclose(values.sigma, closed_form.unscale(theta)[4:][is_b.astype(int)], rtol=1e-14)
    expected = np.zeros_like(by_linear)
    expected[np.arange(y.size), 4 + is_b] = 1.0
    assert_allclose(values.sigma_jacobian, expected * slope, rtol=1e-13)


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Conversion_Reaction"])
def test_one_simulation_gives_the_likelihood_bit_for_bit(objective_of, problem_id):
    objective = objective_of(problem_id)
    theta = theta_of(objective)
    for jacobian in (False, True):
        plain, values = (
            objective.evaluate(theta, jacobian),
            objective.measured_values(theta, jacobian),
        )
        assert values.llh == plain.llh
        assert (values.y_jacobian is None) == (not jacobian)
        if jacobian:
            assert np.array_equal(values.evaluation.gradient, plain.gradient)


def test_extended_residuals_are_the_log_likelihood(boehm):
    objective = boehm.with_solver(TIGHT)
    theta = theta_of(objective)
    llh, gradient = objective.llh_and_gradient(theta)
    found = objective.residuals(theta, extended=True)
    n = objective.problem.n_measurements
    assert found.values.shape == (2 * n,)
    assert found.jacobian.shape == (2 * n, objective.problem.n_parameters)
    assert_allclose(-0.5 * found.values @ found.values + found.constant, llh, rtol=1e-13)
    # Sums of the same products in another order.
    assert_allclose(-found.jacobian.T @ found.values, gradient, rtol=1e-9, atol=1e-9)
    elsewhere = objective.residuals(theta + 0.1, extended=True)
    assert (
        elsewhere.constant
        == found.constant
        == extended_constant(objective.simulator.prepared.noise)
    )


def test_residuals_are_amicis_with_the_other_sign(boehm):
    theta = theta_of(boehm)
    found = boehm.residuals(theta)
    (rdata,) = boehm.simulator.everything(theta, gradient=True)
    (condition,) = boehm.simulator.conditions
    res = np.array(rdata.res).reshape(rdata.nt, -1)[condition.times, condition.observables]
    sres = np.array(rdata.sres).reshape(rdata.nt, -1, rdata.nplist)
    sres = sres[condition.times, condition.observables]
    assert_allclose(found.values[condition.rows], -res, rtol=1e-13)
    mine = found.jacobian[np.ix_(condition.rows, condition.sensitivity_positions)]
    assert_allclose(mine, -sres, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("extended", [False, True])
def test_the_jacobian_is_that_of_the_residuals(tight, extended):
    theta = theta_of(tight)
    jacobian = tight.residuals(theta, extended=extended).jacobian
    step = 1e-5
    for i, column in enumerate(jacobian.T):
        move = step * np.eye(theta.size)[i]
        ahead, behind = (
            tight.residuals(theta + m, jacobian=False, extended=extended) for m in (move, -move)
        )
        difference = (ahead.values - behind.values) / (2 * step)
        # Truncation is 1e-10, the solver's error 1e-11 divided by the step.
        assert_allclose(column, difference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("transformation", ["log", "log10"])
def test_observables_on_logarithmic_scales(tmp_path, transformation):
    path = write_decay(tmp_path, transformation=transformation)
    objective = AmiciObjective(load_problem(path), TIGHT)
    theta = objective.problem.nominal_theta + 0.1
    values, found = objective.measured_values(theta), objective.residuals(theta)
    log = getattr(np, transformation)
    measured = objective.problem.measurements["measurement"].to_numpy(dtype=float)
    assert_allclose(found.values, (log(values.y) - log(measured)) / values.sigma, rtol=1e-12)
    _, gradient = objective.llh_and_gradient(theta)
    assert_allclose(-found.jacobian.T @ found.values, gradient, rtol=1e-9)
    extended = objective.residuals(theta, extended=True)
    assert_allclose(
        -0.5 * extended.values @ extended.values + extended.constant, values.llh, rtol=1e-12
    )


def test_many_points_are_each_point(conversion):
    problem = conversion.problem
    thetas = np.stack([problem.nominal_theta, theta_of(conversion), problem.nominal_theta * np.nan])
    batch = conversion.residuals_batch(thetas, extended=True)
    for theta, each in zip(thetas, batch, strict=True):
        alone = conversion.residuals(theta, extended=True)
        assert np.array_equal(each.values, alone.values, equal_nan=True)
        assert np.array_equal(each.jacobian, alone.jacobian, equal_nan=True)
    assert [each.failure is None for each in batch] == [True, True, False]


@pytest.mark.collection
@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("problem_id", ["Bruno_JExpBot2016"])
def test_several_conditions_of_the_collection(objective_of, problem_id):
    objective = objective_of(problem_id)
    theta = theta_of(objective)
    llh, gradient = objective.llh_and_gradient(theta)
    found = objective.residuals(theta, extended=True)
    assert_allclose(-0.5 * found.values @ found.values + found.constant, llh, rtol=1e-13)
    assert_allclose(-found.jacobian.T @ found.values, gradient, rtol=1e-9, atol=1e-9)


def test_a_failure_is_data(boehm):
    failing = boehm.with_solver(SolverSettings(max_steps=10))
    values = failing.measured_values(boehm.problem.nominal_theta)
    assert values.failure.kind == "integration"
    assert np.isnan(values.y).all()
    assert values.y_jacobian.shape == (48, 9)
    assert np.isnan(values.y_jacobian).all()
    found = failing.residuals(boehm.problem.nominal_theta, extended=True)
    assert found.failure is values.failure or found.failure == values.failure
    assert np.isnan(found.values).all()


def test_a_noise_scale_too_small_for_a_noise_term_is_a_failure(conversion):
    found = conversion.residuals(conversion.problem.nominal_theta, extended=True, noise_offset=0.0)
    assert "too small for a noise term" in found.failure.message
    assert np.isnan(found.values).all()


def test_adjoint_sensitivities_have_no_jacobian(boehm):
    adjoint = boehm.with_solver(replace(boehm.solver, sensitivities="adjoint"))
    theta = boehm.problem.nominal_theta
    with pytest.raises(ValueError, match="need forward sensitivities"):
        adjoint.residuals(theta)
    assert adjoint.measured_values(theta, jacobian=False).failure is None


def test_laplace_noise_has_no_residuals(tmp_path):
    objective = AmiciObjective(load_problem(write_decay(tmp_path, distribution="laplace")))
    theta = objective.problem.nominal_theta
    with pytest.raises(ProblemError, match="laplace noise"):
        objective.residuals(theta)
    assert objective.measured_values(theta).failure is None


def test_scipys_least_squares_finds_the_maximum(tight):
    problem = tight.problem

    @lru_cache(maxsize=1)  # values and Jacobian of one simulation: alone, values differ a little
    def residuals(point):
        return tight.residuals(np.frombuffer(point), extended=True)

    found = least_squares(
        lambda theta: residuals(theta.tobytes()).values,
        problem.nominal_theta + 0.2,
        lambda theta: residuals(theta.tobytes()).jacobian,
        bounds=(problem.lower_theta, problem.upper_theta), xtol=1e-12, ftol=1e-15, gtol=1e-8,
    )  # fmt: skip
    llh, gradient = closed_form.llh_and_gradient(found.x, problem.measurements)
    assert_allclose(-found.cost + residuals(found.x.tobytes()).constant, llh, rtol=1e-9)
    # Steps end where the sum, whose constant is 50 for each measurement, no longer changes.
    assert np.abs(gradient).max() < 1e-3
