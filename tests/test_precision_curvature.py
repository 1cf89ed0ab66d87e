"""The predicted error: a Hessian like the closed form's, a prediction like the measurement."""

from types import SimpleNamespace

import numpy as np
import pytest
from closed_form import derivative_of_unscale, simulate, unscale
from closed_form import hessian as closed_form_hessian
from closed_form import llh_and_gradient as closed_form
from scipy.optimize import minimize

from amijax import SolverSettings
from amijax.precision import (
    ErrorBudget,
    NoiseFloor,
    Reference,
    error_budget,
    find_reference,
    noise_floor,
    predict_error,
)
from amijax.precision import curvature as curvature_module
from amijax.precision.curvature import (
    UNIT_ROUNDOFF,
    _outcomes,
    difference_hessian,
    difference_steps,
    entry_condition,
    fisher_information,
)
from amijax.precision.values import Values

LN10 = np.log(10.0)
TIGHT = SolverSettings(rtol=1e-13, max_steps=100_000)
# Relative to the largest entry; steps of 1e-6 with gradients right to 1e-11 or so leave 1e-5 at
# worst, of which 2e-8 was seen.
DIFFERENCES = 1e-6
SENSITIVITIES = 1e-8  # relative; of the conversion reaction at rtol 1e-13, squared and summed


def pieces_at(objective, theta=None, positions=None):
    theta = objective.problem.nominal_theta if theta is None else theta
    positions = np.arange(len(theta)) if positions is None else positions
    budget = error_budget(objective, theta, positions)
    noise = noise_floor(objective, theta, positions)
    return theta, positions, budget, noise, find_reference(objective, theta, positions)


@pytest.fixture(scope="module")
def conversion_pieces(conversion):
    return pieces_at(conversion)


@pytest.fixture(scope="module")
def conversion_predicted(conversion, conversion_pieces):
    return predict_error(conversion, *conversion_pieces)


@pytest.fixture(scope="module")
def boehm_predicted(boehm):
    # At the default rtol the solver's noise is a fifth of float32's error of k_phos.
    precise = boehm.with_solver(SolverSettings(rtol=1e-12))
    return predict_error(precise, *pieces_at(precise))


@pytest.fixture(scope="module")
def robertson_predicted(objective_of):
    objective = objective_of("Robertson_Stiff")
    return predict_error(objective, *pieces_at(objective))


def test_the_difference_hessian_is_the_closed_form_s(conversion):
    theta, table = conversion.problem.nominal_theta, conversion.problem.measurements
    steps = difference_steps(theta, conversion, 2.0**-20)
    found = difference_hessian(conversion.with_solver(TIGHT), theta, steps)
    expected = closed_form_hessian(theta, table)
    np.testing.assert_allclose(found, expected, atol=DIFFERENCES * np.abs(expected).max())


def test_steps_are_decades_or_a_share_of_a_linear_value():
    problem = SimpleNamespace(
        scales=("log10", "log", "lin", "lin", "lin"),
        lower_theta=np.array([-5, -5, 0, 0, -np.inf]),
        upper_theta=np.array([5, 5, 10, 10, np.inf]),
    )
    objective = SimpleNamespace(problem=problem)
    theta = np.array([-3.0, 2.0, -4.0, 0.0, 0.0])
    # A linear value of 0 takes the width of its bounds, and 1 where there are none.
    np.testing.assert_allclose(
        difference_steps(theta, objective, 1e-6), [1e-6, 1e-6 * LN10, 4e-6, 1e-5, 1e-6]
    )


def squared_sensitivities(theta, table):
    """What AMICI calls Fisher information: sensitivities of (y - m) / sigma, squared and summed."""
    simulation, jacobian = simulate(theta, table)
    index = table["observableId"].eq("B_measured").to_numpy(int)
    sigma = unscale(theta)[4 + index]
    residual = (simulation - table["measurement"].to_numpy(float)) / sigma
    by_sigma = np.zeros_like(jacobian)
    by_sigma[np.arange(len(table)), 4 + index] = 1.0
    rows = (jacobian - residual[:, None] * by_sigma) / sigma[:, None]
    rows = rows * derivative_of_unscale(theta)
    return rows.T @ rows


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_amici_s_fisher_information_is_the_closed_form_s(conversion, shift):
    theta = conversion.problem.nominal_theta + shift
    found = fisher_information(conversion.with_solver(TIGHT), theta)
    expected = squared_sensitivities(theta, conversion.problem.measurements)
    np.testing.assert_allclose(found, expected, atol=SENSITIVITIES * np.abs(expected).max())


def test_at_the_optimum_fisher_information_is_nearly_the_negative_hessian(conversion):
    table = conversion.problem.measurements
    best = minimize(
        lambda theta: -closed_form(theta, table)[0],
        conversion.problem.nominal_theta,
        jac=lambda theta: -closed_form(theta, table)[1],
    ).x
    assert np.abs(closed_form(best, table)[1]).max() < 1e-3
    fisher = fisher_information(conversion.with_solver(TIGHT), best)
    hessian = closed_form_hessian(best, table)
    model = np.arange(4)  # the noise parameters' curvature AMICI keeps half of, on purpose
    model = np.ix_(model, model)
    # 2 %: what residuals of some percent times second derivatives make of it.
    assert np.linalg.norm((fisher + hessian)[model]) < 0.02 * np.linalg.norm(hessian[model])


@pytest.mark.collection
def test_conditions_add_up_in_the_fisher_information(objective_of, collection):
    """Bruno has parameters of one condition, and one that scales six observables of another."""
    assert collection
    objective = objective_of("Bruno_JExpBot2016").with_solver(SolverSettings(rtol=1e-12))
    theta = objective.problem.nominal_theta
    found = fisher_information(objective, theta)
    np.testing.assert_allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-9 * np.linalg.eigvalsh(found).max()
    total = 0.0
    for i, wanted in enumerate(objective.simulator.sensitivity_positions):
        rdata = objective.simulator.everything(theta, gradient=True)[i]
        # Summed up by a direction: 1 for each sensitivity is 1 for each parameter.
        total += np.array(rdata.FIM).reshape(len(wanted), len(wanted)).sum()
    assert found.sum() == pytest.approx(total, rel=1e-12)


def test_no_fisher_information_where_the_simulation_fails(boehm):
    failing = boehm.with_solver(SolverSettings(max_steps=5))
    assert np.isnan(fisher_information(failing, boehm.problem.nominal_theta)).all()


def test_the_prediction_is_the_closed_form_s_change(conversion, conversion_predicted):
    """First order against the actual change over so small a distance."""
    found = conversion_predicted
    theta, table = conversion.problem.nominal_theta, conversion.problem.measurements
    moved = theta + found.rounding
    change = closed_form(moved, table)[1] - closed_form(theta, table)[1]
    np.testing.assert_allclose(found.predicted, change, rtol=1e-4)
    assert (np.abs(found.rounding) < 1e-6).all()


def test_what_is_predicted_and_measured(conversion_pieces, conversion_predicted):
    theta, _, budget, _, reference = conversion_pieces
    found = conversion_predicted
    np.testing.assert_array_equal(found.rounding, budget.points[2] - theta)
    np.testing.assert_array_equal(found.measured, budget.float32.gradient - budget.float64.gradient)
    np.testing.assert_array_equal(found.predicted, found.hessian @ found.rounding)
    np.testing.assert_allclose(
        found.hessian_condition,
        np.divide(*np.linalg.svd(found.hessian, compute_uv=False)[[0, -1]]),
    )
    sizes = np.abs(reference.values.gradient)
    assert (np.abs(found.predicted) <= 4 * found.condition * UNIT_ROUNDOFF * sizes).all()
    assert found.outcomes == ("predicted",) * 6


def test_the_stiff_problem_s_error_is_predicted_for_most_entries(robertson_predicted):
    found = robertson_predicted
    close = np.abs(found.predicted - found.measured) <= 0.5 * np.abs(found.measured)
    assert close.sum() >= 5
    assert [outcome == "predicted" for outcome in found.outcomes] == close.tolist()
    assert (found.condition * UNIT_ROUNDOFF > 0.1).sum() >= 5  # no digit can be expected


def test_boehm_s_largest_error_is_predicted(boehm, boehm_predicted):
    found = boehm_predicted
    k_phos = boehm.problem.parameter_ids.index("k_phos")
    assert np.abs(found.measured).argmax() == k_phos
    assert found.predicted[k_phos] == pytest.approx(found.measured[k_phos], rel=0.1)
    assert found.outcomes[k_phos] == "predicted"
    assert set(found.outcomes) <= {"predicted", "result", "noise floor"}


@pytest.mark.parametrize(
    "problem", ["conversion_predicted", "boehm_predicted", "robertson_predicted"]
)
def test_the_better_hessian_is_chosen(request, problem):
    found = request.getfixturevalue(problem)
    assert set(found.misses) == {"finite differences", "Fisher information"}
    assert found.method == "finite differences" == min(found.misses, key=found.misses.get)
    assert found.misses["finite differences"] < 1e-4
    assert found.misses["Fisher information"] > 0
    np.testing.assert_allclose(
        found.hessian, found.hessian.T, atol=1e-3 * np.abs(found.hessian).max()
    )


def test_bad_differences_lose_against_fisher_information(
    conversion, conversion_pieces, monkeypatch
):
    sizes = []

    def broken(objective, theta, steps, report):  # noqa: ARG001
        sizes.append(steps[0])
        return np.full((6, 6), np.nan)

    monkeypatch.setattr(curvature_module, "difference_hessian", broken)
    found = predict_error(conversion, *conversion_pieces)
    assert found.method == "Fisher information"
    assert set(found.misses) == {"Fisher information"}
    assert found.misses["Fisher information"] < 0.1
    assert sizes == [2.0**-20, 2.0**-24]  # the smaller one where the larger one fails
    fisher = squared_sensitivities(conversion_pieces[0], conversion.problem.measurements)
    np.testing.assert_allclose(found.hessian, -fisher, atol=1e-6 * fisher.max())

    monkeypatch.setattr(curvature_module, "fisher_information", lambda *_: np.full((6, 6), np.nan))
    assert predict_error(conversion, *conversion_pieces) is None


def test_without_a_reference_or_float32_there_is_no_prediction(boehm):
    theta, positions, budget, noise, reference = pieces_at(boehm)
    nothing = Values(np.nan, np.full(9, np.nan))
    without = Reference(nothing, nothing, SolverSettings(), np.full(10, np.nan), False, (), 0.0)
    assert predict_error(boehm, theta, positions, budget, noise, without) is None
    lost = theta.copy()
    lost[boehm.problem.parameter_ids.index("k_phos")] = -46.0
    budget = error_budget(boehm, lost, positions)
    assert predict_error(boehm, lost, positions, budget, noise, reference) is None


def test_chosen_parameters_have_the_rows_of_the_whole(conversion, conversion_predicted):
    positions = np.array([1, 4])
    pieces = pieces_at(conversion.with_gradient_of(positions), positions=positions)
    found = predict_error(conversion, *pieces)
    assert found.hessian.shape == (2, 6)
    whole = conversion_predicted.hessian[positions]
    np.testing.assert_allclose(found.hessian, whole, atol=DIFFERENCES * np.abs(whole).max())
    condition = conversion_predicted.condition[positions]
    np.testing.assert_allclose(found.condition, condition, rtol=1e-4)
    assert found.predicted.shape == found.measured.shape == found.condition.shape == (2,)
    assert found.rounding.shape == (6,)
    assert len(found.outcomes) == 2


def test_progress_counts_up_to_all_evaluations(conversion, conversion_pieces):
    calls = []
    predict_error(conversion, *conversion_pieces, report=lambda *call: calls.append(call))
    assert {total for _, total in calls} == {2 * 6 + 3}
    done = [count for count, _ in calls]
    assert done == sorted(done)
    assert done[-1] == 15


def test_the_condition_number_by_hand():
    hessian = np.array([[2.0, -3.0, 4.0], [0.0, 0.0, -5.0]])
    theta, gradient = np.array([-1.0, 2.0, -7.0]), np.array([-10.0, 0.5])
    found = entry_condition(
        hessian, theta, SimpleNamespace(scales=("log10", "log", "lin")), gradient
    )
    first = (2 * (1 + 1 / LN10) + 3 * (2 + 1) + 4 * (7 + 7)) / 10
    np.testing.assert_allclose(found, [first, 5 * 14 / 0.5])


def outcome(*, predicted, measured, float64=1.0, spread=0.0, reference=None):
    """The outcome of one entry."""
    same = Values(0.0, np.array([float64]))
    budget = ErrorBudget(same, same, (same,) * 4, same, np.zeros((3, 1)), (None,) * 3, True)
    noise = NoiseFloor(np.zeros((2, 2)), np.array([0.0, spread]), np.zeros(2), 4, ())
    truth = Values(0.0, np.array([float64 if reference is None else reference]))
    truth = Reference(truth, truth, SolverSettings(), np.zeros(2), True, (), 0.0)
    return _outcomes(np.array([predicted]), np.array([measured]), budget, noise, truth)[0]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"predicted": 1.0, "measured": 1.1}, "predicted"),
        ({"predicted": 1.0, "measured": 0.67}, "predicted"),
        ({"predicted": 1.0, "measured": 1.9}, "predicted"),  # misses half of it, nearly
        ({"predicted": 1.0, "measured": 2.1}, "higher order"),
        ({"predicted": 1.0, "measured": 0.6}, "higher order"),
        ({"predicted": -1.0, "measured": 1.0}, "higher order"),
        ({"predicted": 1.0, "measured": 0.1}, "higher order"),
        ({"predicted": 0.0, "measured": 0.0}, "predicted"),
        # A few roundings of the result are all there is to see.
        ({"predicted": 1e-9, "measured": -1e-7}, "result"),
        ({"predicted": 1e-9, "measured": -1e-7, "float64": 0.01}, "higher order"),
        # Two noisy numbers differ by less than three standard deviations of a difference.
        ({"predicted": 0.1, "measured": -0.1, "spread": 0.05}, "noise floor"),
        ({"predicted": 0.1, "measured": -0.1, "spread": 0.04}, "higher order"),
        # The solver's error, in both of them.
        ({"predicted": 0.1, "measured": -0.1, "reference": 1.11}, "noise floor"),
        ({"predicted": 0.1, "measured": -0.1, "reference": 1.09}, "higher order"),
        ({"predicted": 0.1, "measured": -0.1, "spread": np.nan}, "higher order"),
        ({"predicted": 0.1, "measured": -0.1, "spread": np.nan, "reference": 2.0}, "noise floor"),
    ],
)
def test_outcomes_by_hand(case, expected):
    assert outcome(**case) == expected
