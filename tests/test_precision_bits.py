"""The bit sweep against NumPy's own roundings: float64, float32, float16, bfloat16."""

import jax.numpy as jnp
import numpy as np
import pytest

from amijax import SolverSettings
from amijax.precision import bit_sweep, error_budget
from amijax.precision.bits import FORMATS, MANTISSA_BITS

# Relative; float64's own error of the sensitivities, and that of a power computed by NumPy and by
# XLA, which may differ in the last bit: at rtol 1e-12 both are below this on the embedded problems.
PRECISE = 1e-7
NAMES = [form.name for form in FORMATS]


def sweep_of(objective, **options):
    nominal = objective.problem.nominal_theta
    return bit_sweep(objective, nominal, np.arange(len(nominal)), **options)


def of_format(sweep, name):
    return sweep.format_errors[NAMES.index(name)]


def lost(sweep, name):
    return sweep.out_of_range[NAMES.index(name)]


def to_linear(theta, scales):
    power = {"log10": lambda x: 10.0**x, "log": np.exp, "lin": float}
    return np.array([power[scale](x) for scale, x in zip(scales, theta, strict=True)])


def to_scaled(p, scales):
    root = {"log10": np.log10, "log": np.log, "lin": float}
    return np.array([root[scale](x) for scale, x in zip(scales, p, strict=True)])


def rounded_by_numpy(objective, dtype):
    """Where AMICI is evaluated if theta and p are rounded to a dtype that NumPy knows."""
    theta = objective.problem.nominal_theta.astype(dtype).astype(float)
    p = to_linear(theta, objective.scales).astype(dtype).astype(float)
    return to_scaled(p, objective.scales)


@pytest.fixture(scope="module")
def precise(conversion):
    """The conversion reaction, whose gradient is hardly noisy at these tolerances."""
    return conversion.with_solver(SolverSettings(rtol=1e-12))


@pytest.fixture(scope="module")
def sweep(precise):
    return sweep_of(precise)


@pytest.fixture(scope="module")
def robertson(objective_of):
    return sweep_of(objective_of("Robertson_Stiff"), mantissa_bits=(52, 23))


def test_all_bits_are_float64_exactly(sweep, robertson):
    for found in (sweep, robertson):
        assert found.mantissa_bits[0] == 52
        np.testing.assert_array_equal(found.errors[0], 0.0)
        np.testing.assert_array_equal(of_format(found, "float64"), 0.0)
        assert lost(found, "float64") == ()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("float32", np.float32), ("float16", np.float16), ("bfloat16", jnp.bfloat16)],
)
def test_a_format_s_errors_are_amici_s_at_numpy_s_roundings(precise, sweep, name, dtype):
    exact = np.append(*precise.llh_and_gradient(precise.problem.nominal_theta))
    rounded = np.append(*precise.llh_and_gradient(rounded_by_numpy(precise, dtype)))
    expected = np.abs(rounded / exact - 1)
    assert expected.max() > 10 * PRECISE
    np.testing.assert_allclose(of_format(sweep, name), expected, atol=PRECISE, rtol=1e-6)


@pytest.mark.parametrize(("name", "bits"), [("float32", 23), ("float16", 10), ("bfloat16", 7)])
def test_formats_are_points_of_the_sweep_where_their_range_is_enough(sweep, name, bits):
    assert lost(sweep, name) == ()
    row = sweep.mantissa_bits.tolist().index(bits)
    np.testing.assert_array_equal(of_format(sweep, name), sweep.errors[row])


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Robertson_Stiff"])
def test_23_bits_are_the_budget_s_first_two_stages(objective_of, problem_id):
    objective = objective_of(problem_id).with_solver(SolverSettings(rtol=1e-11))
    theta = objective.problem.nominal_theta
    budget = error_budget(objective, theta, np.arange(len(theta)))
    expected = np.abs(budget.errors()[:2].sum(axis=0))
    found = sweep_of(objective, mantissa_bits=(23,)).errors[0]
    # A power computed in float32 is wrong by up to some units where a rounded one is by half a
    # one, so errors are alike, not equal; entries whose two stages cancel are not compared.
    alike = expected > 0.1 * np.abs(budget.errors()[:2]).sum(axis=0)
    assert alike.sum() > len(theta) / 2
    assert (np.abs(np.log10(found / expected)[alike]) < 1).all()
    assert np.median(np.abs(np.log10(found / expected))[alike]) < 0.2


def test_each_bit_less_doubles_the_error(sweep):
    assert sweep.mantissa_bits.tolist() == list(MANTISSA_BITS) == list(range(52, 6, -1))
    counted = (sweep.mantissa_bits >= 8) & (sweep.mantissa_bits <= 24)
    errors = np.median(sweep.errors[:, 1:], axis=1)
    slope, _ = np.polyfit(sweep.mantissa_bits[counted], np.log2(errors[counted]), 1)
    assert slope == pytest.approx(-1, abs=0.15)  # roundings are random: 17 points of one draw
    # 2^-p, amplified: by less than 100 for this well-conditioned problem.
    ratio = errors[counted] * 2.0 ** sweep.mantissa_bits[counted]
    assert (ratio > 0.01).all()
    assert (ratio < 100).all()


def test_errors_grow_from_the_noise_floor_as_bits_go(boehm):
    found = sweep_of(boehm, mantissa_bits=(50, 40, 23, 15, 7))
    at_50, at_40, at_23, at_15, at_7 = np.nanmedian(found.errors[:, 1:], axis=1)
    assert max(at_50, at_40) < at_23 < at_15 < at_7
    assert 1e-6 < at_50 < 1e-2  # noise at rtol 1e-8, no matter how many bits


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Robertson_Stiff"])
def test_what_float16_can_t_hold_is_named(objective_of, problem_id):
    objective = objective_of(problem_id)
    problem = objective.problem
    with np.errstate(over="ignore"):
        theta = problem.nominal_theta.astype(np.float16).astype(float)
        p = to_linear(theta, problem.scales).astype(np.float16)
    # Numbers below the normal ones are 0 for `reduce_precision`.
    gone = np.isinf(p) | (np.abs(p) < np.finfo(np.float16).smallest_normal)
    expected = tuple(name for name, x in zip(problem.parameter_ids, gone, strict=True) if x)
    assert np.isinf(p).any()
    found = sweep_of(objective, mantissa_bits=(23,))
    assert lost(found, "float16") == expected
    assert lost(found, "float32") == lost(found, "bfloat16") == ()
    assert np.isnan(of_format(found, "float16")).all()
    assert np.isfinite(of_format(found, "float32")).all()


def test_what_float32_can_t_hold_is_named_and_the_sweep_goes_on(boehm):
    theta = boehm.problem.nominal_theta.copy()
    theta[boehm.problem.parameter_ids.index("k_phos")] = -46.0
    found = bit_sweep(boehm, theta, np.arange(9), mantissa_bits=(52, 23))
    assert "k_phos" in lost(found, "float32")
    assert "k_phos" in lost(found, "bfloat16")
    assert lost(found, "float64") == ()
    assert np.isnan(of_format(found, "float32")).all()
    assert np.isfinite(found.errors).all()  # fewer bits, the same range


def test_a_linear_parameter_of_0_is_not_lost(conversion):
    theta = conversion.problem.nominal_theta.copy()
    theta[conversion.problem.parameter_ids.index("background_B")] = 0.0
    found = bit_sweep(conversion, theta, np.arange(6), mantissa_bits=(52,))
    assert found.out_of_range == ((), (), (), ())


def test_a_solver_that_fails_leaves_no_errors(boehm):
    found = sweep_of(boehm.with_solver(SolverSettings(max_steps=5)), mantissa_bits=(52, 23))
    assert np.isnan(found.errors).all()
    assert np.isnan(found.format_errors).all()


def test_chosen_parameters_alone(precise, sweep):
    positions = np.array([0, 4])
    theta = precise.problem.nominal_theta
    found = bit_sweep(precise.with_gradient_of(positions), theta, positions, mantissa_bits=(23, 10))
    assert found.errors.shape == (2, 3)
    assert found.format_errors.shape == (4, 3)
    rows = [sweep.mantissa_bits.tolist().index(bits) for bits in (23, 10)]
    expected = sweep.errors[rows][:, [0, 1, 5]]
    np.testing.assert_allclose(found.errors, expected, atol=PRECISE, rtol=1e-5)


def test_progress_ends_with_all_points(conversion):
    calls = []
    sweep_of(conversion, mantissa_bits=(52, 23, 10), report=lambda *call: calls.append(call))
    totals = {total for _, total in calls}
    assert calls == sorted(calls)
    assert len(totals) == 1
    assert calls[-1][0] == calls[-1][1] <= 3 + 1 + len(FORMATS)
