"""Hessians and Fisher information against the closed form, each other, and what is published."""

from dataclasses import replace

import closed_form
import numpy as np
import pytest
from numpy.testing import assert_allclose
from petab_files import write_decay

from amijax import AmiciObjective, ProblemError, SolverSettings, load_problem

# Relative to the largest entry: extrapolated differences of gradients at rtol 1e-12.
DIFFERENCES = 1e-8


@pytest.fixture(scope="module")
def boehm_hessians(boehm):
    theta = boehm.problem.nominal_theta
    return {method: boehm.hessian(theta, method) for method in ("differences", "ggn", "fisher")}


@pytest.fixture(scope="module", params=[0.0, 0.1])
def conversion_point(conversion, request):
    theta = conversion.problem.nominal_theta
    theta = theta + request.param * np.random.default_rng(2).standard_normal(theta.size)
    return theta, closed_form.hessian(theta, conversion.problem.measurements)


def test_differences_are_the_closed_form(conversion, conversion_point):
    theta, expected = conversion_point
    found = conversion.hessian(theta)
    assert found.failure is None
    missed = np.abs(found.hessian - expected)
    assert missed.max() < DIFFERENCES * np.abs(expected).max()
    # The closed form's own Hessian is differences as well, right to about 1e-10 of the largest.
    slack = 1e-10 * np.abs(expected).max()
    assert (missed <= found.error + slack).mean() >= 0.95
    assert np.array_equal(found.hessian, found.hessian.T)
    assert found.left_out == ""


@pytest.mark.parametrize("method", ["ggn", "fisher"])
def test_approximations_say_how_far_they_are_off(conversion, conversion_point, method):
    theta, expected = conversion_point
    found = conversion.hessian(theta, method)
    missed = np.abs(found.hessian - expected)
    assert (missed <= found.error).mean() >= 0.95
    # No empty promise: about the norm of a row times the safety of 2, with the luck of 5 draws.
    assert np.median(found.error) < 10 * np.linalg.norm(missed, axis=1).max()
    assert "left out" in found.left_out
    assert found.evaluations > 1
    alone = conversion.hessian(theta, method, errors=False)
    assert alone.error is None
    assert alone.evaluations == 1
    assert np.array_equal(alone.hessian, found.hessian)


def test_gauss_newton_has_the_curvature_of_noise_scales(conversion, conversion_point):
    theta, expected = conversion_point
    noise = np.s_[4:]
    ggn = conversion.hessian(theta, "ggn", errors=False).hessian
    # Noise parameters on logarithmic scales: nothing of their rows is left out.
    assert_allclose(ggn[noise], expected[noise], atol=1e-6 * np.abs(expected).max())
    fisher = conversion.hessian(theta, "fisher", errors=False).hessian
    assert_allclose(np.diag(fisher)[noise], 0.5 * np.diag(expected)[noise], rtol=1e-4)


def test_boehm_is_symmetric_and_has_the_known_standard_error(boehm, boehm_hessians):
    """Issue 16: 0.084 by the Hessian and 0.70 by AMICI's Fisher information."""
    exact = boehm_hessians["differences"]
    assert exact.asymmetry < 1e-6
    first = boehm.problem.parameter_ids.index("Epo_degradation_BaF3")
    assert exact.standard_errors[first] == pytest.approx(0.084, abs=0.0005)
    assert boehm_hessians["fisher"].standard_errors[first] == pytest.approx(0.70, abs=0.005)


def test_boehms_gauss_newton_matrix_is_right_to_two_percent(boehm, boehm_hessians):
    exact, ggn, fisher = (boehm_hessians[m].hessian for m in ("differences", "ggn", "fisher"))
    noise = [i for i, name in enumerate(boehm.problem.parameter_ids) if name.startswith("sd_")]
    size = np.linalg.norm(exact)
    assert np.linalg.norm(ggn - exact) < 0.022 * size
    # Relative to the largest entry: gradients at the default rtol against tight ones.
    assert np.abs(ggn - exact)[noise].max() < 1e-6 * np.abs(exact).max()
    assert_allclose(fisher[noise], 0.5 * ggn[noise], rtol=1e-2, atol=1e-4)
    # Directions of little curvature are another matter, and the record says so.
    exact, ggn = (boehm_hessians[method].standard_errors for method in ("differences", "ggn"))
    assert ggn[0] > 5 * exact[0]
    assert "little curvature" in boehm_hessians["ggn"].left_out


@pytest.mark.parametrize("method", ["ggn", "fisher"])
def test_boehms_errors_hold(boehm_hessians, method):
    exact, found = boehm_hessians["differences"], boehm_hessians[method]
    assert (np.abs(found.hessian - exact.hessian) <= found.error).mean() >= 0.95


def test_fisher_information_is_of_the_same_simulation(boehm):
    theta = boehm.problem.nominal_theta
    found = boehm.llh_gradient_fim(theta)
    llh, gradient = boehm.llh_and_gradient(theta)
    assert found.llh == llh
    assert np.array_equal(found.gradient, gradient)
    # The sign: information is the Hessian of minus llh.
    assert (np.linalg.eigvalsh(found.fim) > -1e-8).all()
    # AMICI's sum of products of residuals' sensitivities, in another order.
    jacobian = boehm.residuals(theta).jacobian
    assert_allclose(found.fim, jacobian.T @ jacobian, rtol=1e-9, atol=1e-9)


def test_a_failed_point_is_data(boehm):
    failing = boehm.with_solver(SolverSettings(max_steps=5))
    unfit = np.full(boehm.problem.n_parameters, np.nan)
    information = failing.llh_gradient_fim(boehm.problem.nominal_theta)
    assert information.failure.kind == "integration"
    assert np.isnan(information.fim).all()
    for method in ("differences", "ggn", "fisher"):
        found = boehm.hessian(unfit, method)
        assert found.failure.kind == "input"
        assert np.isnan(found.hessian).all()
        assert np.isnan(found.standard_errors).all()


def test_laplace_noise_has_differences_only(tmp_path):
    objective = AmiciObjective(load_problem(write_decay(tmp_path, distribution="laplace")))
    theta = objective.problem.nominal_theta
    for ask in (
        objective.llh_gradient_fim,
        lambda theta: objective.hessian(theta, "ggn"),
        lambda theta: objective.hessian(theta, "fisher"),
    ):
        with pytest.raises(ProblemError, match="laplace noise"):
            ask(theta)
    assert objective.hessian(theta).failure is None


def test_adjoint_sensitivities_have_differences_only(conversion):
    adjoint = conversion.with_solver(replace(conversion.solver, sensitivities="adjoint"))
    theta = conversion.problem.nominal_theta
    with pytest.raises(ValueError, match="need forward sensitivities"):
        adjoint.llh_gradient_fim(theta)
    found = adjoint.hessian(theta)
    expected = closed_form.hessian(theta, conversion.problem.measurements)
    assert_allclose(found.hessian, expected, atol=1e-6 * np.abs(expected).max())


def test_an_unknown_method_gets_a_sentence(conversion):
    with pytest.raises(ValueError, match="one of differences, ggn, fisher, but is 'newton'"):
        conversion.hessian(conversion.problem.nominal_theta, "newton")
