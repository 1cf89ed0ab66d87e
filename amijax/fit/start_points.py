"""Where the starts of a fit begin: points that are given, then random ones within the bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from amijax.problems.problem import Problem
from amijax.scales import FloatArray

type Bounds = tuple[ArrayLike, ArrayLike] | Mapping[str, tuple[float, float]]

_DRAWN_FROM = 1.0  # on either side of nominal, where a bound is infinite


def checked_bounds(problem: Problem, bounds: Bounds | None) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds on the PEtab scale, shape (n_parameters,) each.

    Args:
        problem: its own bounds count where none are given.
        bounds: all lower and all upper ones, or a pair for each parameter that is named.

    Raises:
        ValueError: an id is unknown, a shape is wrong, or a lower bound is not below the upper.
    """
    lower, upper = np.array(problem.lower_theta), np.array(problem.upper_theta)
    if isinstance(bounds, Mapping):
        for name, pair in bounds.items():
            if name not in problem.parameter_ids:
                raise ValueError(
                    f"bounds name {name!r}, which is no free parameter of {problem.problem_id}."
                )
            i = problem.parameter_ids.index(name)
            lower[i], upper[i] = pair
    elif bounds is not None:
        lower, upper = (np.array(each, dtype=np.float64) for each in bounds)
    for name, each in (("lower", lower), ("upper", upper)):
        if each.shape != (problem.n_parameters,):
            raise ValueError(
                f"{name} bounds must have shape ({problem.n_parameters},), one for each free "
                f"parameter, but have shape {each.shape}."
            )
    if wrong := [
        f"{name} ({low:g} to {high:g})"
        for name, low, high in zip(problem.parameter_ids, lower, upper, strict=True)
        if not low < high
    ]:
        raise ValueError(
            f"Lower bounds must be below upper ones; they are not for {', '.join(wrong)}."
        )
    return lower, upper


def checked_points(
    problem: Problem, points: ArrayLike | Sequence[ArrayLike], lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Points that were given, shape (k, n_parameters), brought within the bounds.

    Raises:
        ValueError: the shape is wrong, or a number is not finite.
    """
    own = np.array(points, dtype=np.float64)
    if not own.size:
        return np.empty((0, problem.n_parameters))
    if own.ndim != 2 or own.shape[1] != problem.n_parameters:
        raise ValueError(
            f"start_points must have shape (k, {problem.n_parameters}), a row for each point, but "
            f"has shape {own.shape}."
        )
    if not np.isfinite(own).all():
        raise ValueError("start_points has numbers that are not finite.")
    return np.clip(own, lower, upper)


def random_points(
    problem: Problem, n: int, seed: int, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Points drawn uniformly within the bounds on the PEtab scale, shape (n, n_parameters).

    The first of them are the same however many there are, so that a fit with more starts
    goes on from one with fewer. PEtab's initialization priors do not count.

    Args:
        problem: where a bound is infinite, points are at most 1 away from its nominal value.
        n: how many.
        seed: the same seed gives the same points.
        lower: bounds on the PEtab scale.
        upper: bounds on the PEtab scale.
    """
    nominal = np.clip(problem.nominal_theta, lower, upper)
    low = np.where(np.isfinite(lower), lower, np.minimum(nominal, upper) - _DRAWN_FROM)
    high = np.where(np.isfinite(upper), upper, np.maximum(nominal, lower) + _DRAWN_FROM)
    points = [np.random.default_rng([seed, i]).uniform(low, high) for i in range(n)]
    return np.array(points).reshape(n, problem.n_parameters)
