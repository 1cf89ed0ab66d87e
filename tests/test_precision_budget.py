"""The error budget: its last stage is float32 itself, its steps are what a closed form gives."""

import jax
import numpy as np
import pytest
from closed_form import llh_and_gradient as closed_form

from amijax import JaxObjective, SolverSettings
from amijax.auto import settle
from amijax.jax_theta import PrecisionError
from amijax.precision import STAGES, ErrorBudget, error_budget
from amijax.precision.values import Values
from amijax.simulation.settings import SolverChoice

EMBEDDED = ["Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff"]
COLLECTION = [
    "Bertozzi_PNAS2020",
    "Blasi_CellSystems2016",  # adjoint sensitivities
    "Bruno_JExpBot2016",  # six conditions
    "Crauste_CellSystems2017",  # parameters on linear scale
    "Elowitz_Nature2000",
    "Perelson_Science1996",
]
HALF_UNIT = 2.0**-24  # relative; rounding once to float32
# Relative; dividing by dp/dtheta and multiplying again in float64 costs three roundings.
THERE_AND_BACK = 4 * 2.0**-53
# Relative; float32's product of gradient, p and ln 10: two products and one rounded constant,
# each half a unit, and as much again for the power recomputed by the derivative's own formula.
FLOAT32_PRODUCT = 6 * HALF_UNIT
# Relative to the gradient; error of the conversion reaction's sensitivities at rtol 1e-12, of
# which an error's share is a difference of two.
PRECISE = 1e-8


def everything(objective):
    return np.arange(objective.problem.n_parameters)


def budget_at(objective, theta=None):
    theta = objective.problem.nominal_theta if theta is None else theta
    return error_budget(objective, theta, everything(objective))


def with_value(objective, **values):
    """Nominal theta with some parameters set, on the PEtab scale."""
    theta = objective.problem.nominal_theta.copy()
    for name, value in values.items():
        theta[objective.problem.parameter_ids.index(name)] = value
    return theta


def assert_last_stage_is_float32(objective, theta):
    """Against a `JaxObjective` of our own, and by the budget's own account."""
    budget = error_budget(objective, theta, everything(objective))
    own = JaxObjective(objective).evaluate(theta.astype(np.float32))
    assert own.gradient.dtype == np.float32
    np.testing.assert_array_equal(budget.stages[3].llh, np.float64(own.llh))
    np.testing.assert_array_equal(budget.stages[3].gradient, own.gradient.astype(np.float64))
    np.testing.assert_array_equal(budget.float32.all, budget.stages[3].all)
    assert budget.bit_identical
    return budget


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_last_stage_is_float32_bit_for_bit(objective_of, problem_id):
    objective = objective_of(problem_id)
    budget = assert_last_stage_is_float32(objective, objective.problem.nominal_theta)
    assert budget.failed_stage is None


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_last_stage_is_float32_at_random_points(objective_of, problem_id):
    objective = objective_of(problem_id)
    nominal = objective.problem.nominal_theta
    inside = JaxObjective(objective)
    for shift in np.random.default_rng(4).uniform(-0.3, 0.3, (6, len(nominal))):
        theta = nominal + shift
        budget = budget_at(objective, theta)
        own = inside.evaluate(theta.astype(np.float32))
        np.testing.assert_array_equal(budget.stages[3].all, np.append(own.llh, own.gradient))
        assert budget.bit_identical
        assert budget.failed_stage is None


@pytest.mark.collection
@pytest.mark.parametrize("problem_id", COLLECTION)
def test_the_last_stage_is_float32_on_the_collection(objective_of, collection, problem_id):
    assert collection
    theta = objective_of(problem_id).problem.nominal_theta
    objective = settle(objective_of(problem_id), theta, SolverChoice()).objective
    budget = assert_last_stage_is_float32(objective, theta)
    assert budget.failed_stage is None


def test_float64_and_amici_are_what_they_say(boehm):
    budget = budget_at(boehm)
    evaluation = boehm.evaluate(boehm.problem.nominal_theta)
    inside = JaxObjective(boehm).evaluate(boehm.problem.nominal_theta)
    np.testing.assert_array_equal(budget.amici.all, np.append(evaluation.llh, evaluation.gradient))
    np.testing.assert_array_equal(budget.float64.all, np.append(inside.llh, inside.gradient))


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_first_two_stages_are_amici_at_the_budget_s_points(objective_of, problem_id):
    objective = objective_of(problem_id)
    budget = budget_at(objective)
    for stage, point in zip(budget.stages[:2], budget.points[1:], strict=True):
        llh, gradient = objective.llh_and_gradient(point)
        assert stage.llh == llh
        np.testing.assert_allclose(stage.gradient, gradient, rtol=THERE_AND_BACK)


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_points_are_rounded_theta_and_rounded_p(objective_of, problem_id):
    objective = objective_of(problem_id)
    theta = objective.problem.nominal_theta + 0.01  # nominal values may be round numbers
    budget = budget_at(objective, theta)
    rounded = theta.astype(np.float32).astype(np.float64)
    assert (rounded != theta).any()
    # The way to p and back in float64 moves a point by some units in the last place.
    np.testing.assert_allclose(budget.points[:2], [theta, rounded], rtol=1e-15, atol=1e-15)
    p = {"log10": lambda x: 10.0**x, "log": np.exp, "lin": float}
    linear = np.array(
        [p[scale](x) for scale, x in zip(objective.scales, budget.points[2], strict=True)]
    )
    exact = np.array([p[scale](x) for scale, x in zip(objective.scales, rounded, strict=True)])
    # All of p are float32 numbers ...
    np.testing.assert_allclose(linear, linear.astype(np.float32), rtol=1e-14)
    # ... and float32's powers are right to some units of float32: up to 4 for large exponents.
    np.testing.assert_allclose(linear, exact, rtol=8 * HALF_UNIT)
    assert np.abs(linear / exact - 1).max() > 1e-9


def test_input_and_transform_are_the_closed_form_s_changes(conversion):
    precise = conversion.with_solver(SolverSettings(rtol=1e-12))
    theta = conversion.problem.nominal_theta
    budget = budget_at(precise)
    table = conversion.problem.measurements
    rounded = theta.astype(np.float32).astype(np.float64)
    gradients = [closed_form(x, table)[1] for x in (theta, rounded, budget.points[2])]
    expected = np.diff(gradients, axis=0) / np.abs(gradients[0])
    assert np.abs(expected).max() > 100 * PRECISE  # there is something to see
    np.testing.assert_allclose(budget.errors()[:2, 1:], expected, atol=PRECISE)


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_result_costs_one_rounding_and_the_chain_rule_a_few(objective_of, problem_id):
    _, transform, result, chain_rule = budget_at(objective_of(problem_id)).stages
    np.testing.assert_allclose(
        result.all, transform.all, rtol=HALF_UNIT * (1 + 1e-6) + THERE_AND_BACK
    )
    assert result.llh == np.float32(transform.llh)
    assert (result.gradient != transform.gradient).all()
    assert chain_rule.llh == result.llh
    np.testing.assert_allclose(chain_rule.gradient, result.gradient, rtol=FLOAT32_PRODUCT)


def test_on_linear_scale_neither_transformation_nor_chain_rule_cost_anything(conversion):
    budget = budget_at(conversion)
    linear = np.array([scale == "lin" for scale in conversion.scales])
    assert 0 < linear.sum() < 6
    np.testing.assert_array_equal(budget.errors()[3, 1:][linear], 0.0)
    assert (budget.errors()[3, 1:][~linear] != 0).all()
    rounded = conversion.problem.nominal_theta.astype(np.float32)
    np.testing.assert_array_equal(budget.points[2][linear], rounded[linear])


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_errors_add_up_to_the_whole_float32_error(objective_of, problem_id):
    objective = objective_of(problem_id)
    theta = objective.problem.nominal_theta
    inside = JaxObjective(objective)
    low, high = inside.evaluate(theta.astype(np.float32)), inside.evaluate(theta)
    low, high = (np.append(e.llh, e.gradient).astype(np.float64) for e in (low, high))
    errors = budget_at(objective).errors()
    assert errors.shape == (len(STAGES), len(theta) + 1)
    np.testing.assert_allclose(
        errors.sum(axis=0), (low - high) / np.abs(high), rtol=1e-12, atol=1e-14
    )


def test_boehm_s_error_is_curvature_times_rounding(boehm):
    """As DESIGN.md, section 5, has it: nearly all comes from theta and the transformation."""
    errors = np.abs(budget_at(boehm).errors())
    worst = errors.sum(axis=0).argmax()
    assert errors[:2, worst].sum() > 1e-3
    assert errors[2:].max() < FLOAT32_PRODUCT


@pytest.mark.parametrize(
    ("name", "value"), [("k_phos", -46.0), ("sd_pSTAT5A_rel", 39.0), ("k_exp_homo", -46.0)]
)
def test_what_float32_can_t_represent_is_a_failure_of_the_transformation(boehm, name, value):
    theta = with_value(boehm, **{name: value})  # 1e-46 is 0 in float32, 1e39 infinite
    budget = assert_last_stage_is_float32(boehm, theta)
    assert budget.amici.is_finite
    assert budget.float64.is_finite
    assert STAGES[budget.failed_stage] == "transform"
    assert budget.failures[:2] == (None, None)
    assert name in budget.failures[2].message
    errors = budget.errors()
    assert np.isfinite(errors[0]).all()
    assert np.isnan(errors[1:]).all()


def test_a_linear_parameter_beyond_float32_is_a_failure_too(conversion):
    budget = budget_at(conversion, with_value(conversion, total=1e39))
    assert budget.amici.is_finite
    assert budget.failed_stage == 0  # rounding theta makes it infinite
    assert budget.failures[1] is not None


def test_an_overflow_of_the_result_is_a_failure_of_that_stage(boehm):
    theta = with_value(boehm, sd_pSTAT5A_rel=-17.0)  # its entry is 1e37, times 1e17 for linear p
    budget = assert_last_stage_is_float32(boehm, theta)
    assert STAGES[budget.failed_stage] == "result"
    assert budget.failures == (None, None, None)
    entry = 1 + boehm.problem.parameter_ids.index("sd_pSTAT5A_rel")
    others = np.arange(10) != entry
    errors = budget.errors()
    assert np.isfinite(errors[:, others]).all()
    assert np.isfinite(errors[:2, entry]).all()
    assert np.isinf(errors[2, entry])


def test_a_solver_that_fails_fails_at_the_first_stage(boehm):
    budget = budget_at(boehm.with_solver(SolverSettings(max_steps=5)))
    assert budget.failed_stage == 0
    assert [failure.status for failure in budget.failures] == [-1, -1, -1]
    assert np.isnan(budget.errors()).all()
    assert budget.bit_identical


@pytest.mark.collection
def test_fujita_is_finite_in_float32_or_the_budget_says_where_it_fails(objective_of, collection):
    """A model so stiff that the last bit of a step decides whether its float32 point fails."""
    assert collection
    objective = objective_of("Fujita_SciSignal2010")
    theta = objective.problem.nominal_theta
    settled = settle(objective, theta, SolverChoice())
    budget = budget_at(settled.objective)
    assert budget.amici.is_finite
    assert budget.amici.llh == settled.evaluation.llh
    failed = budget.failed_stage is not None
    assert failed == (not budget.float32.is_finite)
    assert failed == any(failure is not None for failure in budget.failures)
    assert budget.bit_identical


def test_chosen_parameters_have_the_budget_of_their_sensitivities(boehm):
    positions = np.array([1, 5, 6])
    chosen = boehm.with_gradient_of(positions)
    budget = error_budget(chosen, boehm.problem.nominal_theta, positions)
    assert budget.errors().shape == (4, 4)
    own = JaxObjective(chosen).evaluate(boehm.problem.nominal_theta.astype(np.float32))
    np.testing.assert_array_equal(budget.stages[3].gradient, own.gradient[positions])
    assert budget.bit_identical


def hand_made(float64, *stages):
    values = [Values(llh, np.array(gradient, dtype=float)) for llh, *gradient in (float64, *stages)]
    points = np.zeros((3, len(float64) - 1))
    return ErrorBudget(
        values[0], values[0], tuple(values[1:]), values[4], points, (None, None, None), True
    )


def test_errors_by_hand():
    budget = hand_made(
        (-10.0, 2.0, 0.0, 0.0), (-11.0, 2.0, 0.0, 0.0), (-11.0, 3.0, 0.0, 0.0),
        (-10.0, 3.0, 0.0, 1.0), (-10.0, 1.0, 0.0, 1.0),
    )  # fmt: skip
    np.testing.assert_array_equal(
        budget.errors(),
        [[-0.1, 0, 0, 0], [0, 0.5, 0, 0], [0.1, 0, 0, np.inf], [0, -1, 0, 0]],
    )
    assert budget.failed_stage is None


def test_whether_the_error_enters_before_amici():
    float64 = (1.0, 1.0, 1.0, 1.0)
    moved, unmoved = (1.0, 1.4, 1.4, 1.0), (1.0, 1.0, 1.4, 1.0)
    rounded = [(1.0, 1.4, 1.4, 1.1), (1.0, 1.5, 1.4, 1.1)]  # 0.4 is three times 0.1
    assert hand_made(float64, moved, moved, *rounded).enters_before_amici
    assert not hand_made(float64, unmoved, unmoved, *rounded).enters_before_amici


def test_the_first_stage_without_a_result_is_named():
    fine, broken = (1.0, 1.0), (1.0, np.inf)
    assert hand_made(fine, fine, fine, broken, broken).failed_stage == 2
    assert hand_made(fine, broken, fine, fine, fine).failed_stage == 0


def test_progress_counts_five_evaluations(conversion):
    calls = []
    error_budget(
        conversion,
        conversion.problem.nominal_theta,
        everything(conversion),
        lambda *call: calls.append(call),
    )
    assert calls == [(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_the_wrong_shape_is_refused_with_the_right_one(objective_of, problem_id):
    objective = objective_of(problem_id)
    n = objective.problem.n_parameters
    with pytest.raises(ValueError, match=rf"shape \({n},\)"):
        error_budget(objective, np.zeros(n - 1), everything(objective))


def test_without_64_bit_mode_there_is_no_budget(conversion):
    with jax.enable_x64(False), pytest.raises(PrecisionError):
        budget_at(conversion)
