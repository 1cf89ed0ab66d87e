"""What a JaxObjective can be asked for: values, failed points and second derivatives of a kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import AnalyticEvaluation, AnalyticObjective

from amijax import HostErrorWarning, JaxObjective
from amijax.jax_derivatives import SecondDerivativeError
from amijax.scales import LN10, linear_slope, to_linear

THETA = np.array([0.3, -0.7, 0.2])
# Some units in the last place, amplified by 1 - p and by the two terms of a second derivative.
TOLERANCE = {np.float64: 1e-13, np.float32: 3e-5}
DTYPES = list(TOLERANCE)
TOO_LARGE = {  # in the analytic objective's eyes, in float32's, and in everybody's
    "refused": np.array([2e6, 0.0, 0.0]),
    "beyond float32": np.array([2e6, 0.0, 200.0]),
    "overflow": np.array([0.0, 0.0, 400.0]),
    "underflow": np.array([2e6, 0.0, -400.0]),
    "not a number": np.array([0.0, np.nan, 0.0]),
    "infinite": np.array([np.inf, 0.0, 0.0]),
}


class Curved(AnalyticObjective):
    """llh = -sum(w (p - 1)^2) - p[1] p[2], coupled, with its Hessian; counts its evaluations.

    The value alone differs in its 8th digit, as AMICI's does.
    """

    weights = np.array([0.5, 1.0, 2.0])

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.methods = []

    def evaluate(self, theta, gradient=True):
        found = super().evaluate(theta, gradient)
        p = to_linear(theta, self.scales)
        if found.failure or not np.isfinite(p).all():
            nan = np.full(theta.shape, np.nan) if gradient else None
            return AnalyticEvaluation(np.nan, nan, found.failure or "theta is not finite")
        value = -float(self.weights @ (p - 1) ** 2) - p[1] * p[2]
        if not gradient:
            return AnalyticEvaluation(value * (1 + 1e-8), None)
        return AnalyticEvaluation(value, self.by_p(p) * linear_slope(p, self.scales))

    def by_p(self, p):
        return -2 * self.weights * (p - 1) - np.array([0.0, p[2], p[1]])

    def hessian(self, theta, method="differences"):
        self.methods.append(method)
        p = to_linear(theta, self.scales)
        if p[0] > 1e6 or not np.isfinite(p).all():
            return Matrix(np.full((3, 3), np.nan), "theta is not finite")
        if method == "fisher":
            raise ValueError("no Fisher information here")
        return Matrix(self.exact(theta) if method == "differences" else -np.eye(3))

    def exact(self, theta):
        """H = s H_p s + diag(g_p p''), where p'' = c s for the scale's constant c."""
        p = to_linear(theta, self.scales)
        slope = linear_slope(p, self.scales)
        by_p = -2 * np.diag(self.weights)
        by_p[1, 2] = by_p[2, 1] = -1.0
        c = np.array([{"lin": 0.0, "log": 1.0, "log10": LN10}[scale] for scale in self.scales])
        return slope[:, None] * by_p * slope + np.diag(self.by_p(p) * c * slope)


class Matrix:
    def __init__(self, hessian, failure=None):
        self.hessian, self.failure = hessian, failure


@pytest.fixture
def host():
    return Curved()


@pytest.mark.parametrize("option", ["value", "on_failure", "second_derivative"])
def test_an_unknown_option_is_refused(host, option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*, but is 'never'"):
        JaxObjective(host, **{option: "never"})


# Values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_the_value_of_value_and_grad_bit_for_bit(host, dtype, wrap):
    objective = JaxObjective(host, value="with_gradient")
    thetas = (THETA + np.random.default_rng(3).normal(size=(20, 3))).astype(dtype)
    value, both = wrap(objective), wrap(jax.value_and_grad(objective))
    for theta in thetas:
        assert value(theta) == both(theta)[0]
        assert objective.evaluate(theta, gradient=False).llh == objective.evaluate(theta).llh
    np.testing.assert_array_equal(
        jax.vmap(objective)(thetas), jax.vmap(jax.value_and_grad(objective))(thetas)[0]
    )
    assert host.without_gradient == 0


def test_values_alone_and_with_gradient_differ_otherwise(host):
    objective = JaxObjective(host)
    assert objective(THETA) != jax.value_and_grad(objective)(THETA)[0]


def test_amici_s_values_with_gradients(boehm):
    """At default tolerances both kinds of values differ in most points, in the 7th digit."""
    theta = boehm.problem.nominal_theta
    alone, with_gradient = JaxObjective(boehm), JaxObjective(boehm, value="with_gradient")
    value, gradient = jax.value_and_grad(with_gradient)(theta)
    assert with_gradient(theta) == value == boehm.evaluate(theta).llh
    assert jax.jit(with_gradient)(theta) == value
    assert alone(theta) == boehm.evaluate(theta, gradient=False).llh != value
    np.testing.assert_array_equal(gradient, jax.grad(alone)(theta))


# Failures


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", TOO_LARGE)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_a_rejected_point_is_minus_infinity_with_zero_derivatives(host, dtype, kind, wrap):
    objective = JaxObjective(host, on_failure="reject", second_derivative="differences")
    with np.errstate(over="ignore"):
        theta = TOO_LARGE[kind].astype(dtype)
    value, gradient = wrap(jax.value_and_grad(objective))(theta)
    assert value == wrap(objective)(theta) == -np.inf
    np.testing.assert_array_equal(gradient, np.zeros(3))
    assert wrap(lambda t: jax.jvp(objective, (t,), (jnp.ones_like(t),))[1])(theta) == 0
    np.testing.assert_array_equal(wrap(jax.hessian(objective))(theta), np.zeros((3, 3)))
    evaluation = objective.evaluate(theta)
    assert evaluation.llh == -np.inf
    assert not evaluation.gradient.any()
    assert evaluation.host.failure
    assert objective.failures


def test_a_rejected_point_rejects_no_other(host):
    objective, plain = JaxObjective(host, on_failure="reject"), JaxObjective(host)
    thetas = np.stack([THETA, *TOO_LARGE.values(), THETA + 0.1])
    values, gradients = jax.vmap(jax.value_and_grad(objective))(thetas)
    assert np.isneginf(values).tolist() == [False, *[True] * len(TOO_LARGE), False]
    for i in (0, -1):
        value, gradient = jax.value_and_grad(plain)(thetas[i])
        assert values[i] == value
        np.testing.assert_array_equal(gradients[i], gradient)
    assert not gradients[1:-1].any()


def test_a_host_that_raises_is_rejected(host, monkeypatch):
    objective = JaxObjective(host, on_failure="reject")
    monkeypatch.setattr(host, "evaluate", lambda *_, **__: 1 / 0)
    with pytest.warns(HostErrorWarning, match="goes on with minus infinity"):
        value, gradient = jax.value_and_grad(objective)(THETA)
    assert value == -np.inf
    assert not gradient.any()


# Second derivatives


@pytest.fixture
def curved(host):
    return JaxObjective(host, second_derivative="differences")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    "hessian",
    [
        jax.hessian,
        lambda f: jax.jacrev(jax.grad(f)),
        lambda f: jax.jacfwd(jax.jacfwd(f)),
        lambda f: lambda t: jax.vmap(
            lambda v: jax.jvp(jax.grad(f), (t,), (v,))[1], out_axes=1
        )(jnp.eye(3, dtype=t.dtype)),
        lambda f: lambda t: jax.vmap(
            lambda v: jax.grad(lambda u: jax.grad(f)(u) @ v)(t)
        )(jnp.eye(3, dtype=t.dtype)),
        lambda f: lambda t: jax.linearize(jax.grad(f), t)[1](jnp.ones_like(t)),
    ],
    ids=["hessian", "reverse over reverse", "forward over forward", "hvp forward", "hvp reverse",
         "row sums"],
)  # fmt: skip
def test_second_derivatives_are_the_host_s(curved, host, dtype, wrap, hessian):
    theta = THETA.astype(dtype)
    found = wrap(hessian(curved))(theta)
    assert found.dtype == dtype
    exact = host.exact(THETA) if found.ndim == 2 else host.exact(THETA).sum(1)
    scale = np.abs(host.exact(THETA)).max()
    np.testing.assert_allclose(found, exact, rtol=0, atol=TOLERANCE[dtype] * scale)
    assert set(host.methods) == {"differences"}


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_a_hessian_costs_one_of_the_host_s_and_one_gradient(curved, host, wrap):
    both = wrap(lambda t: (jax.value_and_grad(curved)(t), jax.hessian(curved)(t)))
    both(THETA)
    host.methods.clear()
    host.with_gradient = host.without_gradient = 0
    jax.jit(jax.hessian(curved))(THETA)
    assert (len(host.methods), host.with_gradient, host.without_gradient) == (1, 1, 0)
    jax.jit(both)(THETA)
    assert (len(host.methods), host.with_gradient, host.without_gradient) == (2, 2, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_second_derivatives_of_a_batch(curved, host, dtype):
    thetas = (THETA + np.linspace(-0.3, 0.3, 6)[:, None]).astype(dtype).reshape(2, 3, 3)
    found = jax.jit(jax.vmap(jax.vmap(jax.hessian(curved))))(thetas)
    assert found.shape == (2, 3, 3, 3)
    for i in np.ndindex(2, 3):
        exact = host.exact(thetas[i].astype(np.float64))
        scale = np.abs(exact).max()
        np.testing.assert_allclose(found[i], exact, rtol=0, atol=TOLERANCE[dtype] * scale)


def test_second_derivatives_where_float32_has_no_room_for_squares():
    """P = 1e-25: 1 / p**2, in the Hessian with respect to p, is beyond float32; H is not."""

    class Tiny(Curved):
        def evaluate(self, theta, gradient=True):
            value = -float(((theta + 25) ** 2).sum())
            return AnalyticEvaluation(value, -2 * (theta + 25) if gradient else None)

        def hessian(self, theta, method):
            assert method == "differences"
            return Matrix(-2 * np.eye(len(theta)))

    objective = JaxObjective(Tiny(("log10",) * 2), second_derivative="differences")
    theta = np.full(2, -25.5, dtype=np.float32)
    # exact: -2 on the diagonal; float32 rounds g c, about 2.3, twice
    np.testing.assert_allclose(jax.hessian(objective)(theta), -2 * np.eye(2), rtol=0, atol=1e-5)


def test_other_kinds_of_curvature(host):
    ggn = JaxObjective(host, second_derivative="ggn")
    np.testing.assert_allclose(jax.hessian(ggn)(THETA), -np.eye(3), rtol=0, atol=1e-14)
    assert set(host.methods) == {"ggn"}
    fisher = JaxObjective(host, second_derivative="fisher")
    with pytest.warns(HostErrorWarning, match="no Fisher information here"):
        assert np.isnan(jax.hessian(fisher)(THETA)).all()
    assert isinstance(fisher.failures[-1].failure, ValueError)


@pytest.mark.parametrize("method", ["differences", "ggn", "fisher"])
def test_amici_s_curvature(conversion, method):
    theta = conversion.problem.nominal_theta
    expected = conversion.hessian(theta, method=method).hessian
    found = jax.hessian(JaxObjective(conversion, second_derivative=method))(theta)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[np.float64] * scale)


def test_first_derivatives_are_those_without(curved, host):
    plain = JaxObjective(host)
    np.testing.assert_array_equal(jax.grad(curved)(THETA), jax.grad(plain)(THETA))
    assert not host.methods


def test_a_failed_hessian_is_nan(curved):
    assert np.isnan(jax.hessian(curved)(TOO_LARGE["refused"])).all()
    assert curved.failures[-1].failure == "theta is not finite"


def test_third_derivatives_are_a_clear_error(curved):
    with pytest.raises(SecondDerivativeError, match="first and second derivatives only"):
        jax.jacfwd(jax.hessian(curved))(THETA)


def test_the_error_says_what_to_do(host):
    objective = JaxObjective(host)
    with pytest.raises(SecondDerivativeError, match=r'second_derivative="differences".*on the inp'):
        jax.hessian(objective)(THETA)

    def stopped(theta):  # as the error says
        return jax.grad(objective)(jax.lax.stop_gradient(theta)) @ theta

    np.testing.assert_array_equal(jax.grad(stopped)(THETA), jax.grad(objective)(THETA))


def test_an_objective_without_hessian_is_refused():
    with pytest.raises(TypeError, match="AnalyticObjective does not have"):
        JaxObjective(AnalyticObjective(), second_derivative="ggn")
