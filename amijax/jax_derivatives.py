"""The derivative rules of a log-likelihood that is computed on the host, in linear parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from amijax.jax_internals import HostFunction, host_callback
from amijax.scales import LN10, Scale


class SecondDerivativeError(NotImplementedError):
    """A derivative was asked for that is not there: the second, or the third."""


@dataclass(frozen=True)
class HostFunctions:
    """What the host computes at linear parameters p of shape (n,), each filling in its results.

    Attributes:
        value: the log-likelihood, shape ().
        value_and_gradient: the same and its derivative with respect to p, shape (n,).
        hessian: its second derivative with respect to theta, shape (n, n); None if there is none.
    """

    value: HostFunction
    value_and_gradient: HostFunction
    hessian: HostFunction | None


def differentiable_llh(
    host: HostFunctions, scales: Sequence[Scale], *, always_with_gradient: bool
) -> Callable[..., jax.Array]:
    """The log-likelihood of linear parameters, with the host's derivatives as its own.

    A second argument is the number of the call, for the host alone.

    Value alone and value with gradient are two callbacks, so that neither asks for what it does
    not need; the derivative rule makes one call for both. The Hessian is a third one.

    Args:
        host: the callbacks.
        scales: the parameters' PEtab scales.
        always_with_gradient: whether the value, too, is the one that comes with the gradient.
    """

    @jax.custom_jvp
    def llh(p: jax.Array, *number: jax.Array) -> jax.Array:
        if always_with_gradient:
            return llh_and_gradient(p, *number)[0]
        return host_callback(host.value, jax.ShapeDtypeStruct((), p.dtype))(p, *number)

    @jax.custom_jvp
    def llh_and_gradient(p: jax.Array, *number: jax.Array) -> tuple[jax.Array, jax.Array]:
        result = (jax.ShapeDtypeStruct((), p.dtype), jax.ShapeDtypeStruct(p.shape, p.dtype))
        return host_callback(host.value_and_gradient, result)(p, *number)

    @jax.custom_jvp
    def hessian(p: jax.Array) -> jax.Array:
        if host.hessian is None:
            raise SecondDerivativeError(_NO_SECOND)
        return host_callback(host.hessian, jax.ShapeDtypeStruct(p.shape * 2, p.dtype))(p)

    @llh.defjvp
    def llh_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        value, gradient = llh_and_gradient(*primals)
        return value, jnp.dot(gradient, tangents[0])

    @llh_and_gradient.defjvp
    def llh_and_gradient_jvp(primals: Any, tangents: Any) -> Any:
        p, dp = primals[0], tangents[0]
        second = hessian(p)
        value, gradient = llh_and_gradient(*primals)
        # With theta -> p of slope s and curvature c s (c is a constant of the scale), the
        # derivative of the gradient with respect to p is (H dp/s) / s - c gradient dp / s, where H
        # is the Hessian with respect to theta. All factors stay within float32's range, which
        # the Hessian with respect to p itself, H / s^2, leaves for small p.
        factor, is_logarithmic = _constants(tuple(scales), p.dtype)
        usable = is_logarithmic & (p != 0) & jnp.isfinite(p)
        slope = jnp.where(usable, factor * p, jnp.ones_like(p))
        step = dp / slope
        dgradient = jnp.dot(second, step) / slope - factor * gradient * step
        return (value, gradient), (jnp.dot(gradient, dp), dgradient)

    @hessian.defjvp
    def no_third_derivative(*_: Any) -> Any:
        raise SecondDerivativeError(_NO_THIRD)

    return llh


def _constants(scales: tuple[Scale, ...], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Curvature over slope of the way from theta to p, and which scales are logarithmic."""
    constants = {"lin": 0.0, "log": 1.0, "log10": LN10}
    return (
        np.array([constants[scale] for scale in scales], dtype=dtype),
        np.array([scale != "lin" for scale in scales], dtype=bool),
    )


_STOPS = (
    "Where no derivative is wanted, jax.lax.stop_gradient belongs on the input, as in "
    "jax.grad(f)(jax.lax.stop_gradient(theta)): put around the result it comes too late, since JAX "
    "has differentiated by then."
)
_NO_SECOND = (
    "AMICI gives first derivatives only: the gradient of a JaxObjective can't be differentiated. "
    'Ask for second derivatives with JaxObjective(objective, second_derivative="differences") '
    f'(of gradients), "ggn" or "fisher". {_STOPS}'
)
_NO_THIRD = (
    "A JaxObjective has first and second derivatives only: its Hessian can't be differentiated. "
    f"{_STOPS}"
)
