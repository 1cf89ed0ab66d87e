"""A problem's bounds as a change of variables: theta within them from any real numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from amijax.problems.problem import Problem
from amijax.scales import FloatArray


@jax.tree_util.register_static
class Bounds:
    """Unbounded coordinates u for theta within the bounds, for samplers and optimisers.

    Between two bounds theta is lower + (upper - lower) sigmoid(u); with one bound it is
    lower + softplus(u) or upper - softplus(u), where softplus(u) = log(1 + exp(u)) grows no faster
    than u; without any it is u. A density of theta becomes one of u by adding
    `log_det(u)`. Both precisions work: theta is made from the nearer bound, and never leaves the
    bounds, not by a rounding either. To JAX it is a static value; it pickles, and equals others
    of the same bounds.
    """

    def __init__(self, problem: Problem) -> None:
        """Read the bounds.

        Args:
            problem: its `lower_theta` and `upper_theta`, on the PEtab scale; infinite ones, for
                example where a logarithmic scale's lower bound is 0, are none.

        Raises:
            ValueError: a parameter's bounds leave it no room.
        """
        self.lower: FloatArray = np.array(problem.lower_theta, dtype=np.float64)
        self.upper: FloatArray = np.array(problem.upper_theta, dtype=np.float64)
        names = [
            name
            for name, room in zip(problem.parameter_ids, self.upper > self.lower, strict=True)
            if not room
        ]
        if names:
            raise ValueError(
                f"The bounds of {', '.join(names)} leave no room between them: give an upper bound "
                "above the lower one, or don't estimate them."
            )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Bounds)
            and np.array_equal(self.lower, other.lower)
            and np.array_equal(self.upper, other.upper)
        )

    def __hash__(self) -> int:
        return hash((self.lower.tobytes(), self.upper.tobytes()))

    def to_unbounded(self, theta: Any) -> jax.Array:
        """The coordinates of theta; infinite on a bound, NaN beyond it.

        Args:
            theta: shape (..., n_parameters), on the PEtab scale; its dtype is the result's.
        """
        theta = jnp.asarray(theta)
        lower, upper, has_lower, has_upper = self._within(theta.dtype)
        one, both = has_lower ^ has_upper, has_lower & has_upper
        # What a branch that is not taken sees is replaced: no NaN in derivatives.
        above = jnp.where(has_lower, theta - lower, 1)
        below = jnp.where(has_upper, upper - theta, 1)
        between = jnp.log(jnp.where(both, above, 1)) - jnp.log(jnp.where(both, below, 1))
        distance = jnp.where(one, jnp.where(has_lower, above, below), 1)
        one_sided = distance + jnp.log(-jnp.expm1(-distance))  # the inverse of softplus
        return jnp.where(both, between, jnp.where(one, one_sided, theta))

    def to_theta(self, u: Any) -> jax.Array:
        """Theta of coordinates, within the bounds.

        Args:
            u: shape (..., n_parameters); its dtype is the result's.
        """
        u = jnp.asarray(u)
        lower, upper, has_lower, has_upper = self._within(u.dtype)
        both = has_lower & has_upper
        width = np.where(both, upper - lower, 1)
        # Not abs(u), whose derivative at 0 is 0.
        nearer = width * jax.nn.sigmoid(jnp.where(u < 0, u, -u))  # distance from that bound
        between = jnp.where(u < 0, lower + nearer, upper - nearer)
        far = jax.nn.softplus(u)
        one_sided = jnp.where(has_lower, lower + far, upper - far)
        return jnp.where(both, between, jnp.where(has_lower | has_upper, one_sided, u))

    def log_det(self, u: Any) -> jax.Array:
        """Logarithm of the determinant of d theta / d u, a scalar for each point.

        Args:
            u: shape (..., n_parameters); its dtype is the result's, of shape (...,).
        """
        u = jnp.asarray(u)
        lower, upper, has_lower, has_upper = self._within(u.dtype)
        both = has_lower & has_upper
        width = np.where(both, upper - lower, 1)
        one_sided = jnp.where(has_lower | has_upper, jax.nn.log_sigmoid(u), 0)
        between = jnp.where(both, np.log(width) + jax.nn.log_sigmoid(-u), 0)
        return (between + one_sided).sum(-1)

    def _within(self, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Bounds in a precision, rounded inwards, 0 where there are none; and where they are."""
        has_lower, has_upper = np.isfinite(self.lower), np.isfinite(self.upper)
        lower = np.where(has_lower, self.lower, 0).astype(dtype)
        upper = np.where(has_upper, self.upper, 0).astype(dtype)
        up, down = np.asarray(np.inf, dtype), np.asarray(-np.inf, dtype)
        lower = np.where(has_lower & (lower < self.lower), np.nextafter(lower, up), lower)
        upper = np.where(has_upper & (upper > self.upper), np.nextafter(upper, down), upper)
        return lower, upper, has_lower, has_upper
