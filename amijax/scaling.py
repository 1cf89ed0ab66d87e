"""PEtab's parameter scales in JAX: differentiable, in the precision of what they are given."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from amijax.scales import Scale


def unscale(theta: jax.Array, scales: Sequence[Scale]) -> jax.Array:
    """Bring parameters from their PEtab scale to linear scale.

    Args:
        theta: shape (..., n), on the PEtab scale; its dtype is the dtype of all that is computed.
        scales: the n scales.
    """
    return _select(
        theta,
        scales,
        log10=lambda x: jnp.power(jnp.asarray(10, theta.dtype), x),
        log=jnp.exp,
        safe=0,
    )


def scale(p: jax.Array, scales: Sequence[Scale]) -> jax.Array:
    """Bring parameters from linear scale to their PEtab scale; the inverse of `unscale`.

    Args:
        p: shape (..., n), on linear scale; its dtype is the dtype of all that is computed.
        scales: the n scales.
    """
    return _select(p, scales, log10=jnp.log10, log=jnp.log, safe=1)


def _select(
    x: jax.Array,
    scales: Sequence[Scale],
    *,
    log10: Callable[[jax.Array], jax.Array],
    log: Callable[[jax.Array], jax.Array],
    safe: int,
) -> jax.Array:
    result = x
    for name, function in (("log10", log10), ("log", log)):
        mask = np.array([entry == name for entry in scales])
        if mask.all():
            return function(x)
        if mask.any():
            # Entries of other scales are replaced before the function sees them: an overflow
            # there would make the derivative NaN, although its value is not selected.
            result = jnp.where(mask, function(jnp.where(mask, x, safe)), result)
    return result
