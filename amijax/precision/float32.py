"""JAX's float32 arithmetic around AMICI, taken apart into steps that can be had one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from numpy.typing import NDArray

from amijax.scales import FloatArray, Scale, linear_slope, to_scaled
from amijax.scaling import unscale

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Float32Point:
    """Where float32 arithmetic leads AMICI to.

    Attributes:
        theta: the point rounded to float32.
        p: its parameters on linear scale, computed in float32.
        host: where AMICI is evaluated: p, brought back to the PEtab scale in float64.
    """

    theta: Float32Array
    p: Float32Array
    host: FloatArray


@partial(jax.jit, static_argnames="scales")
def _unscale(theta: jax.Array, scales: tuple[Scale, ...]) -> jax.Array:
    return unscale(theta, scales)


@partial(jax.jit, static_argnames="scales")
def _pull_back(theta: jax.Array, gradient: jax.Array, scales: tuple[Scale, ...]) -> jax.Array:
    _, pull = jax.vjp(lambda x: unscale(x, scales), theta)
    return pull(gradient)[0]


def float32_point(theta: FloatArray, scales: Sequence[Scale]) -> Float32Point:
    """Round theta to float32 and transform it in float32.

    Args:
        theta: shape (n,), on the PEtab scale.
        scales: the n scales.
    """
    with np.errstate(over="ignore"):
        rounded = theta.astype(np.float32)
    p = np.asarray(_unscale(rounded, tuple(scales)))
    return Float32Point(rounded, p, to_scaled(p.astype(np.float64), scales))


def rounded_linear_gradient(
    gradient: FloatArray, point: Float32Point, scales: Sequence[Scale]
) -> Float32Array:
    """The gradient with respect to p as AMICI's side hands it to JAX, rounded to float32.

    Args:
        gradient: AMICI's, with respect to theta, at `point.host`.
        point: the point.
        scales: the n scales.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        linear = gradient / linear_slope(point.p.astype(np.float64), scales)
        return linear.astype(np.float32)


def chain_rule(
    linear_gradient: Float32Array, point: Float32Point, scales: Sequence[Scale]
) -> Float32Array:
    """The gradient with respect to theta from the one with respect to p, in float32."""
    return np.asarray(_pull_back(point.theta, linear_gradient, tuple(scales)))


def float32_gradient(
    gradient: FloatArray, point: Float32Point, scales: Sequence[Scale]
) -> FloatArray:
    """What a float32 `JaxObjective` returns where AMICI gives this gradient, as float64.

    Args:
        gradient: AMICI's, with respect to theta, at `point.host`; shape (n,).
        point: the point.
        scales: the n scales.
    """
    linear = rounded_linear_gradient(gradient, point, scales)
    return chain_rule(linear, point, scales).astype(np.float64)
