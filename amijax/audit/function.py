"""An audit of a user's own function of JAX, which can be wrong as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from amijax.audit.verdicts import Claim, QuantityVerdict, judge
from amijax.differences import directional_derivatives
from amijax.scales import FloatArray


@dataclass(frozen=True, eq=False)
class FunctionAudit:
    """What finite differences say of a function's gradient by JAX.

    Attributes:
        value: the function's.
        gradient: the verdict on each entry, in the order of the flattened argument.
        noise: standard deviation of the function's values next to the point: what the solver's
            tolerance leaves, and what limits the differences.
        evaluations: of the function.
    """

    value: float
    gradient: tuple[QuantityVerdict, ...]
    noise: float
    evaluations: int

    @property
    def anything_wrong(self) -> bool:
        """Whether an entry is wrong."""
        return any(entry.verdict == "wrong" for entry in self.gradient)


def audit_function(
    function: Callable[[Any], Any], theta: Any, names: Sequence[str] | None = None
) -> FunctionAudit:
    """Hold `jax.grad` of a function against finite differences of its own values, in float64.

    Steps are 0.3 to 3 % of an entry's size, or as much absolutely for entries below 1: choose
    arguments of size 1, such as theta on the PEtab scale. Many points are evaluated at once where
    the function can be batched by `jax.vmap`.

    Args:
        function: from `theta` to a real number, differentiable by JAX, for example a posterior
            built on a `JaxObjective`. The tighter the objective's tolerances, the sharper the
            verdict.
        theta: an array, or any tree of arrays, of floating-point numbers.
        names: of the entries, for the verdicts; positions if not given.

    Raises:
        ValueError: names has the wrong length, or JAX's 64-bit mode is off.
    """
    flat, unravel = ravel_pytree(jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), theta))
    if flat.dtype != jnp.float64:
        raise ValueError(
            'audit_function needs float64: jax.config.update("jax_enable_x64", True) first.'
        )
    n = flat.size
    if names is not None and len(names) != n:
        raise ValueError(f"names must have {n} entries, one for each number, but has {len(names)}.")
    of_flat = jax.jit(lambda x: function(unravel(x)))
    value, gradient = jax.value_and_grad(of_flat)(flat)
    point = np.asarray(flat, dtype=np.float64)

    def values(points: FloatArray) -> FloatArray:
        try:
            found = jax.vmap(of_flat)(jnp.asarray(points))
        except (NotImplementedError, ValueError, TypeError):  # it has no batching rule
            found = [of_flat(jnp.asarray(x)) for x in points]
        return np.array([float(x) for x in found])

    found = directional_derivatives(values, point, np.diag(np.maximum(np.abs(point), 1.0)))
    sizes = np.maximum(np.abs(point), 1.0)
    slopes, uncertainty = found.values / sizes, found.uncertainty / sizes
    entries = np.asarray(gradient, dtype=np.float64)
    largest = float(np.abs(entries[np.isfinite(entries)]).max(initial=0.0))
    verdicts = tuple(
        judge(
            str(i) if names is None else names[i],
            float(entries[i]),
            [Claim("finite differences", float(slopes[i]), float(uncertainty[i]))],
            largest,
            why_not="the function has no values next to the point.",
        )
        for i in range(n)
    )
    return FunctionAudit(float(value), verdicts, found.noise, found.evaluations)
