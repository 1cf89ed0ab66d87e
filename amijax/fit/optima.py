"""Optima of a fit: which starts found the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amijax.scales import FloatArray

# Log-likelihoods that differ by less are those of one optimum: the usual threshold of waterfall
# plots, far below what a likelihood-ratio test can tell apart (1.92 at 95 %).
SAME_OPTIMUM = 0.1
# Points of one optimum are nearer than this share of the distance between the bounds, in each
# parameter; where they are not, parameters are not determined by the data.
_SAME_POINT = 0.05


@dataclass(frozen=True, eq=False)
class Optimum:
    """Starts with equal values.

    Attributes:
        value: the best of theirs.
        members: positions in the sequence that was given, the best first.
        spread: of their points: the largest distance in one parameter between any of them and the
            best, as a share of the distance between the bounds.
        is_one_point: whether they ended in one point; else several explain the data equally well.
    """

    value: float
    members: tuple[int, ...]
    spread: float
    is_one_point: bool


def optima(
    values: Sequence[float], points: Sequence[FloatArray], lower: FloatArray, upper: FloatArray
) -> tuple[Optimum, ...]:
    """Starts grouped by their values, the best group first.

    A group begins with the best start that has none yet, and holds all that are within
    `SAME_OPTIMUM` of it.

    Args:
        values: what was maximised, all finite.
        points: theta of each.
        lower: bounds on the PEtab scale; where one is infinite, distances count as they are.
        upper: the other bounds.
    """
    width = upper - lower
    width = np.where(np.isfinite(width) & (width > 0), width, 1.0)
    left = sorted(range(len(values)), key=lambda i: -values[i])
    found = []
    while left:
        best = left[0]
        members = tuple(i for i in left if values[best] - values[i] <= SAME_OPTIMUM)
        left = left[len(members) :]
        spread = max(float(np.max(np.abs(points[i] - points[best]) / width)) for i in members)
        found.append(Optimum(float(values[best]), members, spread, spread <= _SAME_POINT))
    return tuple(found)
