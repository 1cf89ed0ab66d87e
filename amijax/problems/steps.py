"""How far each parameter moves where derivatives are taken by differences."""

from __future__ import annotations

import hashlib

import numpy as np

from amijax.problems.problem import Problem
from amijax.scales import FloatArray

_FRACTION = 1e-2  # of the distance between bounds, for a parameter that is 0 on linear scale


def step_sizes(problem: Problem, theta: FloatArray) -> FloatArray:
    """The unit of each parameter's steps, shape (n_parameters,), on the PEtab scale.

    A decade (or a factor e) on logarithmic scales; on linear scale the parameter's own size.

    Args:
        problem: gives scales and bounds.
        theta: where, shape (n_parameters,).
    """
    width = problem.upper_theta - problem.lower_theta
    known = np.isfinite(width) & (width > 0)
    at_zero = np.where(known, np.minimum(1.0, _FRACTION * np.where(known, width, 1.0)), 1.0)
    linear = np.array([scale == "lin" for scale in problem.scales])
    return np.where(linear, np.where(theta == 0, at_zero, np.abs(theta)), 1.0)


def random_directions(theta: FloatArray, sizes: FloatArray, count: int) -> FloatArray:
    """Directions that move every parameter up or down by its unit, shape (count, n_parameters).

    Always the same at a point, others at another one.

    Args:
        theta: the point.
        sizes: from `step_sizes`.
        count: how many.
    """
    seed = hashlib.sha256(np.ascontiguousarray(theta).tobytes()).digest()[:8]
    random = np.random.default_rng(int.from_bytes(seed, "little"))
    return random.choice((-1.0, 1.0), (count, len(theta))) * sizes
