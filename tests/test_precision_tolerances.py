"""The tolerance sweep: float64 gets better, float32 does not, and both are what they say."""

import numpy as np
import pytest
from closed_form import llh_and_gradient as closed_form

from amijax import JaxObjective, SolverSettings
from amijax.precision import (
    Reference,
    ToleranceSweep,
    error_budget,
    find_reference,
    tolerance_sweep,
)
from amijax.precision.tolerances import RTOLS, combined
from amijax.precision.values import Values

FLOAT32, FLOAT64 = 0, 1
TINY = 1e-5  # relative; what rtol 1e-13 leaves of Boehm's and Robertson's noise, with a margin
# Relative; the conversion reaction's sensitivities at rtol 1e-13 against its closed form.
TRUTH = 1e-9
PLATEAU = 0.05  # relative; float32's error is a simulation elsewhere, with a noise of its own


def everything(objective):
    return np.arange(objective.problem.n_parameters)


def swept(objective, reference=None, **options):
    theta, positions = objective.problem.nominal_theta, everything(objective)
    reference = reference or find_reference(objective, theta, positions)
    return tolerance_sweep(objective, theta, positions, reference, **options), reference


@pytest.fixture(scope="module")
def boehm_swept(boehm):
    return swept(boehm)


@pytest.fixture(scope="module")
def robertson_swept(objective_of):
    return swept(objective_of("Robertson_Stiff"))


def relative(values, reference):
    return np.abs(values - reference) / np.abs(reference)


def test_shapes_and_settings(boehm_swept):
    sweep, _ = boehm_swept
    np.testing.assert_array_equal(sweep.rtols, RTOLS)
    np.testing.assert_allclose(sweep.rtols, np.logspace(-4, -13, 10))
    assert sweep.atol == SolverSettings().atol
    assert sweep.errors.shape == (2, 10, 10)
    assert sweep.seconds.shape == (2, 10)
    assert np.isfinite(sweep.errors).all()
    assert (sweep.seconds > 0).all()


def test_errors_against_the_closed_form_fall_to_almost_nothing(conversion):
    truth = closed_form(conversion.problem.nominal_theta, conversion.problem.measurements)
    exact = Values(*truth)
    reference = Reference(
        exact, exact, SolverSettings(rtol=1e-13), np.full(7, 15.95), True, (), 0.0
    )
    sweep, _ = swept(conversion, reference)
    worst = sweep.errors[FLOAT64, :, 1:].max(axis=1)
    assert worst[-1] < TRUTH
    assert worst[0] > 1e-6
    assert worst[-1] < 1e-4 * worst[4] < 1e-4 * worst[0]  # rtol 1e-13, 1e-8, 1e-4
    # float32 is as good as float64 while the solver is worse, then stands still.
    float32 = sweep.errors[FLOAT32, :, 1:].max(axis=1)
    assert float32[0] == pytest.approx(worst[0], rel=0.2)
    assert float32[-1] > 1e4 * worst[-1]
    np.testing.assert_allclose(float32[-4:], float32[-1], rtol=1e-3)


@pytest.mark.parametrize("problem", ["boehm_swept", "robertson_swept"])
def test_float64_s_error_is_tiny_at_the_tightest_tolerance(request, problem):
    sweep, _ = request.getfixturevalue(problem)
    assert sweep.errors[FLOAT64, -1].max() < TINY
    assert np.median(sweep.errors[FLOAT64, 0, 1:]) > 100 * TINY


@pytest.mark.parametrize(
    ("problem", "problem_id"),
    [("boehm_swept", "Boehm_JProteomeRes2014"), ("robertson_swept", "Robertson_Stiff")],
)
def test_float32_s_error_stands_still_at_the_budget_s(request, objective_of, problem, problem_id):
    sweep, _ = request.getfixturevalue(problem)
    objective = objective_of(problem_id)
    # At the default rtol the solver's noise is a fifth of float32's error of Boehm's k_phos.
    precise = objective.with_solver(SolverSettings(rtol=1e-12))
    budget = error_budget(precise, objective.problem.nominal_theta, everything(objective))
    whole = np.abs(budget.errors().sum(axis=0))
    worst = whole.argmax()
    assert whole[worst] > 1e-2
    np.testing.assert_allclose(sweep.errors[FLOAT32, -5:, worst], whole[worst], rtol=PLATEAU)


@pytest.mark.parametrize("rtol", [1e-4, 1e-8, 1e-11])
def test_both_precisions_are_what_their_objectives_return(boehm, boehm_swept, rtol):
    """Bit for bit, where that is not less than the reference's own uncertainty."""
    sweep, reference = boehm_swept
    inside = JaxObjective(boehm.with_solver(SolverSettings(rtol=rtol)))
    theta = boehm.problem.nominal_theta
    row = sweep.rtols.tolist().index(rtol)
    float32 = inside.evaluate(theta.astype(np.float32))
    float64 = np.append(*inside.objective.llh_and_gradient(theta))
    for precision, values in (
        (FLOAT32, np.append(float32.llh, float32.gradient).astype(np.float64)),
        (FLOAT64, float64),
    ):
        expected = np.maximum(relative(values, reference.values.all), sweep.uncertainty)
        np.testing.assert_array_equal(sweep.errors[precision, row], expected)
    assert (relative(float64, reference.values.all) > sweep.uncertainty).sum() > 5


def test_no_error_is_smaller_than_the_reference_s_own_uncertainty(boehm_swept):
    sweep, reference = boehm_swept
    expected = relative(reference.looser.all, reference.values.all)
    np.testing.assert_array_equal(sweep.uncertainty, expected)
    assert (sweep.errors >= expected).all()
    # At the reference's own rtol float64 is the reference.
    np.testing.assert_array_equal(sweep.errors[FLOAT64, -1], expected)


def test_more_steps_are_allowed_than_the_settings_say(boehm, boehm_swept):
    _, reference = boehm_swept
    few = boehm.with_solver(SolverSettings(max_steps=150))
    assert (
        few.with_solver(SolverSettings(rtol=1e-12, max_steps=150))
        .evaluate(boehm.problem.nominal_theta)
        .failure
    )
    sweep, _ = swept(few, reference, rtols=(1e-6, 1e-12))
    assert np.isfinite(sweep.errors).all()


def test_failures_are_nan(boehm, boehm_swept):
    _, reference = boehm_swept
    hurried = boehm.with_solver(SolverSettings(time_limit=1e-5))
    sweep, _ = swept(hurried, reference, rtols=(1e-6, 1e-8))
    assert np.isnan(sweep.errors).all()
    assert np.isnan(sweep.seconds).all()


def test_a_failure_of_float32_alone(boehm, boehm_swept):
    _, reference = boehm_swept
    theta = boehm.problem.nominal_theta.copy()
    theta[boehm.problem.parameter_ids.index("k_exp_homo")] = -46.0  # 0 in float32
    sweep = tolerance_sweep(boehm, theta, everything(boehm), reference, rtols=(1e-8,))
    assert np.isnan(sweep.errors[FLOAT32]).all()
    assert np.isnan(sweep.seconds[FLOAT32]).all()
    assert np.isfinite(sweep.errors[FLOAT64]).all()
    assert np.isfinite(sweep.seconds[FLOAT64]).all()


def test_a_linear_parameter_beyond_float32_is_a_failure_of_float32_alone(conversion):
    theta = conversion.problem.nominal_theta.copy()
    theta[conversion.problem.parameter_ids.index("total")] = 1e39
    reference = find_reference(conversion, theta, everything(conversion))
    sweep = tolerance_sweep(conversion, theta, everything(conversion), reference, rtols=(1e-8,))
    assert np.isnan(sweep.errors[FLOAT32]).all()
    assert np.isfinite(sweep.errors[FLOAT64]).all()


def test_chosen_parameters_alone(boehm, boehm_swept):
    _, reference = boehm_swept
    positions = np.array([2, 6])
    chosen = boehm.with_gradient_of(positions)
    theta = boehm.problem.nominal_theta
    part = Reference(
        Values(reference.values.llh, reference.values.gradient[positions]),
        Values(reference.looser.llh, reference.looser.gradient[positions]),
        reference.solver, reference.digits[[0, 3, 7]], True, (), 0.1,
    )  # fmt: skip
    sweep = tolerance_sweep(chosen, theta, positions, part, rtols=(1e-8, 1e-12))
    assert sweep.errors.shape == (2, 2, 3)
    assert sweep.errors[FLOAT64, 1].max() < TINY


def test_progress_counts_tolerances(conversion):
    calls = []
    swept(conversion, rtols=(1e-5, 1e-7, 1e-9), report=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def sweep_of(float32, float64=None, uncertainty=0.0):
    """A sweep whose llh has these errors."""
    n = len(float32)
    errors = np.array([float32, float64 or float32])[:, :, None]
    return ToleranceSweep(
        np.logspace(-4, -3 - n, n), 1e-16, errors, np.array([uncertainty]), np.zeros((2, n))
    )


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((1.0, 0.1, 0.012, 0.01, 0.011), 2),  # within a factor of 2 of the tightest's
        ((1.0, 0.1, 0.021, 0.01), 3),
        ((0.01, 1.0, 0.01), 2),  # by chance at the largest rtol
        ((0.015, 0.01, 0.01), 0),
        ((np.nan, 0.1, 0.015, np.nan, 0.01), 2),
        ((1.0, 0.1, 0.0), 2),
        ((np.inf, 1.0), None),  # not one digit
        ((265.0, 1000.0, 170.0, 557.0), None),  # Crauste_CellSystems2017
        ((np.nan, np.nan), None),
    ],
)
def test_where_a_tolerance_is_enough(errors, expected):
    assert sweep_of(errors).enough("float32", 0) == expected


def test_nothing_is_enough_by_a_reference_that_can_t_tell():
    float32, float64 = (1.0, 0.03, 0.03), (1.0, 0.013, 0.013)
    sweep = sweep_of(float32, float64, uncertainty=0.013)
    assert sweep.enough("float32", 0) == 1
    assert sweep.enough("float64", 0) is None  # its errors are the reference's own
    assert "can't be told" in sweep.advice(0)
    assert sweep_of(float32, (1.0, 1e-5, 1e-5), uncertainty=1e-5).enough("float64", 0) == 1


def test_advice_names_what_is_enough_and_why_nothing_is():
    hopeless = sweep_of((265.0, 1000.0, 557.0), (400.0, 0.02, 0.01)).advice(0)
    assert "no rtol is enough for float32" in hopeless.lower()
    assert "6e+02" in hopeless
    assert "rtol 1e-05 is enough for float64 (error 2e-02)" in hopeless
    assert "no result" in sweep_of((np.nan,), (1e-3,)).advice(0)


@pytest.mark.collection
def test_no_claim_for_crauste_where_float32_is_hopeless(collection, objective_of):  # noqa: ARG001
    objective = objective_of("Crauste_CellSystems2017")
    sweep, reference = swept(objective, rtols=(1e-4, 1e-8, 1e-12, 1e-13))
    assert not reference.converged  # 1.9 digits
    assert np.nanmin(reference.digits) < 4
    for which in ("median", "worst"):
        assert sweep.enough("float32", which) is None
        assert sweep.enough("float64", which) is None


def test_one_number_for_each_tolerance():
    errors = np.array([[9.0, 1.0, 3.0, 8.0], [9.0, np.nan, 1.0, 2.0], [9.0] + [np.nan] * 3])
    np.testing.assert_array_equal(combined(errors, "median"), [3.0, 1.5, np.nan])
    np.testing.assert_array_equal(combined(errors, "worst"), [8.0, 2.0, np.nan])
    np.testing.assert_array_equal(combined(errors, 0), [9.0, 9.0, 9.0])
    np.testing.assert_array_equal(combined(errors, 2), [3.0, 1.0, np.nan])
