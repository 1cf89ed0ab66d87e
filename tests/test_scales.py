"""Scales in NumPy and in JAX, against each other, PEtab's and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import petab.v1 as petab
import pytest

from amijax.scales import linear_slope, to_linear, to_scaled
from amijax.scaling import scale, unscale

MIXES = [("log10",) * 3, ("log",) * 3, ("lin",) * 3, ("lin", "log", "log10")]
THETA = np.array([-1.5, 0.25, 2.0])


@pytest.mark.parametrize("scales", MIXES)
def test_to_linear_is_petabs(scales):
    expected = [petab.parameters.unscale(x, s) for x, s in zip(THETA, scales, strict=True)]
    np.testing.assert_allclose(to_linear(THETA, scales), expected, rtol=1e-15)


@pytest.mark.parametrize("scales", MIXES)
def test_to_scaled_inverts_to_linear(scales):
    np.testing.assert_allclose(to_scaled(to_linear(THETA, scales), scales), THETA, rtol=1e-14)


def test_to_scaled_has_no_warnings_for_what_has_no_logarithm():
    np.testing.assert_array_equal(
        to_scaled([0.0, -1.0, 0.0], ("log10", "log", "lin")), [-np.inf, np.nan, 0]
    )


@pytest.mark.parametrize("scales", MIXES)
def test_linear_slope_is_the_derivative(scales):
    step = 1e-6
    difference = (to_linear(THETA + step, scales) - to_linear(THETA - step, scales)) / (2 * step)
    np.testing.assert_allclose(
        linear_slope(to_linear(THETA, scales), scales), difference, rtol=1e-8
    )


@pytest.mark.parametrize("scales", MIXES)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-14), (np.float32, 2e-6)])
def test_unscale_agrees_with_numpy_and_keeps_the_dtype(scales, dtype, rtol):
    p = unscale(jnp.asarray(THETA, dtype), scales)
    assert p.dtype == dtype
    np.testing.assert_allclose(p, to_linear(THETA, scales), rtol=rtol)
    back = scale(p, scales)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, THETA, rtol=10 * rtol)


@pytest.mark.parametrize("scales", MIXES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_unscale_derivative(scales, dtype):
    theta = jnp.asarray(THETA, dtype)
    jacobian = jax.jacfwd(lambda t: unscale(t, scales))(theta)
    assert jacobian.dtype == dtype
    expected = np.diag(linear_slope(to_linear(THETA, scales), scales))
    np.testing.assert_allclose(jacobian, expected, rtol=1e-5 if dtype == np.float32 else 1e-14)


def test_a_large_linear_parameter_does_not_spoil_the_others_derivative():
    # 10**1000 overflows, but the parameter is linear: its exponential must not be computed.
    gradient = jax.grad(lambda t: unscale(t, ("lin", "log10")).sum())(jnp.array([1000.0, 1.0]))
    np.testing.assert_allclose(gradient, [1.0, 10 * np.log(10)])
