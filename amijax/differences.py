"""Derivatives along directions by central differences, extrapolated, with an error that holds.

scipy.differentiate, the library at hand for this, takes any difference between two orders for
truncation: on a function with a solver's noise its error estimates are too small, and it evaluates
one step after the other. Here the noise is measured, steps are chosen by it, and all steps of all
directions are one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from amijax.scales import FloatArray

type Batch = Callable[[FloatArray], FloatArray]
"""Function from points, shape (k, n), to values, shape (k,) or (k, q); NaN where there is none."""

# Steps relative to the directions, in stages: the later ones serve where the earlier are not sharp.
# On 76 problems with known derivatives the first three give 7 digits in the median; finer ones are
# for strong curvature, a kink or a cliff nearby.
STAGES = (
    10.0 ** -np.array([1.5, 2.0, 2.5]),
    10.0 ** -np.array([3.0, 3.5, 4.0, 4.5]),
    10.0 ** -np.array([5.0, 5.5, 6.0, 6.5]),
)
# Where all parameters move at once and three digits are enough: on 8 of 14 problems of the
# benchmark collection the first two give them (steps of 1e-2 and 10**-2.5 on 3).
FEW_STAGES = (
    10.0 ** -np.array([4.0, 4.5]),
    10.0 ** -np.array([3.0, 3.5, 5.0, 5.5]),
    10.0 ** -np.array([1.5, 2.0, 2.5, 6.0, 6.5]),
)
# Orders of extrapolation: what higher ones change is small by construction, and no evidence.
_ORDERS = 3
# Standard deviations of noise that an uncertainty has. The noise is measured next to the point
# and is larger further away: with 3 the error was below it in 77 of 100 cases, with 10 in 97.
_DEVIATIONS = 10.0
_NOISE_SPACINGS = (1e-6, -1e-6, 1e-8, -1e-8)  # the later ones where the first has no values
_NOISE_SAMPLES = 4
# Of the third differences' variance, relative to that of the values: 1 + 9 + 9 + 1.
_THIRD = 20.0
# A function of one simulation that is computed with sums of many terms.
_ROUNDING = 1e-14
_NEGLIGIBLE = 1e-6  # of the largest derivative


@dataclass(frozen=True, eq=False)
class Differences:
    """Derivatives along directions.

    Attributes:
        values: shape (m,); NaN where the function has no value nearby.
        uncertainty: shape (m,): the true error is smaller in 95 of 100 cases; infinite where
            there is no value.
        noise: standard deviation of the function's values.
        evaluations: of the function.
    """

    values: FloatArray
    uncertainty: FloatArray
    noise: float
    evaluations: int


def directional_derivatives(
    function: Batch,
    point: FloatArray,
    directions: FloatArray,
    enough: float = 1e-4,
    stages: Sequence[FloatArray] = STAGES,
) -> Differences:
    """Differentiate along directions; steps are fractions of them.

    Richardson's extrapolation of central differences (Ridders, Adv. Eng. Softw. 4, 1982), the
    noise by Hamming's differences (Moré and Wild, SIAM J. Sci. Comput. 33, 2011). Of all orders
    and steps the one with the least sum of truncation and noise is taken.

    Args:
        function: evaluates many points at once.
        point: shape (n,).
        directions: shape (m, n): how far each parameter moves where a step is 1.
        enough: no more steps are tried for a direction whose uncertainty, relative to its
            derivative, or to a millionth of the largest, is below this.
        stages: steps, the first ones for all directions, the others where these are not sharp.
    """
    if not len(directions):
        return Differences(np.empty(0), np.empty(0), 0.0, 0)

    def vectors(points: FloatArray) -> FloatArray:
        return function(points)[:, None]

    found = vector_derivatives(vectors, point, directions, enough, stages)
    return Differences(
        found.values[:, 0], found.uncertainty[:, 0], float(found.noise[0]), found.evaluations
    )


@dataclass(frozen=True, eq=False)
class VectorDifferences:
    """Derivatives of several functions along directions.

    Attributes:
        values: shape (m, q); NaN where a function has no value nearby.
        uncertainty: shape (m, q): as in `Differences`, for each entry.
        noise: standard deviations of the functions' values, shape (q,).
        evaluations: of all functions together.
    """

    values: FloatArray
    uncertainty: FloatArray
    noise: FloatArray
    evaluations: int


def vector_derivatives(
    function: Batch,
    point: FloatArray,
    directions: FloatArray,
    enough: float = 1e-4,
    stages: Sequence[FloatArray] = STAGES,
    negligible: float = _NEGLIGIBLE,
) -> VectorDifferences:
    """`directional_derivatives` of q functions that are evaluated together.

    Args:
        function: from points, shape (k, n), to values, shape (k, q).
        point: shape (n,).
        directions: shape (m, n), at least one.
        enough: no more steps are tried for a direction all of whose uncertainties, relative to
            the derivative or to a share of the function's largest, are below this.
        stages: steps, the first ones for all directions, the others where these are not sharp.
        negligible: that share.
    """
    m = len(directions)
    spread = directions.sum(axis=0) if m > 1 else directions[0]
    near = _near(point, spread, _NOISE_SPACINGS[0])
    steps = stages[0]
    first = _moved(point, directions, steps)
    values = function(np.concatenate([near, first]))
    evaluations, q = values.shape
    centre = values[0]
    noise = _noises(values[: len(near)])
    for spacing in _NOISE_SPACINGS[1:]:
        if np.isinf(noise).any():  # a cliff next to the point
            noise = np.where(
                np.isinf(noise), _noises(function(_near(point, spread, spacing))), noise
            )
            evaluations += len(near)
    sides = _sides(values[len(near) :], m)
    results = np.empty((m, q, 2))

    def extrapolate(which: np.ndarray) -> None:
        for j in range(q):
            ladder = _Ladder(steps, float(centre[j]), float(noise[j]))
            for i in np.flatnonzero(which):
                results[i, j] = ladder.extrapolate(sides[i, j])

    extrapolate(np.ones(m, dtype=bool))
    blunt = _blunt(results, enough, negligible)
    for more in stages[1:]:
        if not blunt.any():
            break
        further = function(_moved(point, directions[blunt], more))
        evaluations += len(further)
        every = np.full((m, q, len(more), 2), np.nan)
        every[blunt] = _sides(further, int(blunt.sum()))
        order = np.argsort(-np.concatenate([steps, more]))
        steps = np.concatenate([steps, more])[order]
        sides = np.concatenate([sides, every], axis=2)[:, :, order]
        extrapolate(blunt)
        blunt = _blunt(results, enough, negligible)
    return VectorDifferences(results[..., 0], results[..., 1], noise, evaluations)


def _sides(values: FloatArray, m: int) -> FloatArray:
    """Values at `_moved` points by direction, function, step and side."""
    return values.reshape(m, -1, 2, values.shape[1]).transpose(0, 3, 1, 2)


def _noises(values: FloatArray) -> FloatArray:
    """The noise of each function, from values of shape (k, q)."""
    return np.array([_noise(column) for column in values.T])


def _near(point: FloatArray, spread: FloatArray, spacing: float) -> FloatArray:
    """The point and equidistant neighbours, shape (_NOISE_SAMPLES + 1, n)."""
    return point + spacing * np.arange(_NOISE_SAMPLES + 1)[:, None] * spread


def _blunt(results: FloatArray, enough: float, negligible: float) -> np.ndarray:
    """Which directions have derivatives that are not known well enough."""
    size = np.abs(results[..., 0])
    largest = np.nanmax(size, axis=0, initial=0.0, where=np.isfinite(size))
    with np.errstate(invalid="ignore"):
        sharp = results[..., 1] <= enough * np.maximum(size, negligible * largest)
    return ~sharp.all(axis=1)


def _moved(point: FloatArray, directions: FloatArray, steps: FloatArray) -> FloatArray:
    """Points on both sides, shape (m * n_steps * 2, n)."""
    signed = np.stack([steps, -steps], axis=1)
    moves = signed[None, :, :, None] * directions[:, None, None, :]
    return (point + moves).reshape(-1, len(point))


def _noise(values: FloatArray) -> float:
    """Standard deviation of the noise of equidistant values; what is smooth cancels.

    Infinite where too few of them are finite to tell.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 4:
        return np.inf
    size = max(1.0, float(np.abs(finite).max()))
    third = np.diff(finite, 3)
    return max(float(np.sqrt(np.mean(third**2) / _THIRD)), _ROUNDING * size)


class _Ladder:
    """Central differences at descending steps."""

    def __init__(self, steps: FloatArray, centre: float, noise: float) -> None:
        self._steps, self._centre, self._noise = steps, centre, noise

    def extrapolate(self, sides: FloatArray) -> tuple[float, float]:
        """The derivative and its uncertainty.

        Args:
            sides: values above and below for each step, shape (n_steps, 2).
        """
        usable = np.isfinite(sides).all(axis=1)
        steps, sides = self._steps[usable], sides[usable]
        if len(steps) < 2 or np.isinf(self._noise):
            return np.nan, np.inf
        if (sides == self._centre).all():
            return 0.0, 0.0  # the function does not depend on it, to the last bit
        current = (sides[:, 0] - sides[:, 1]) / (2.0 * steps)
        scatter = self._noise / (np.sqrt(2.0) * steps)
        orders = [(current, scatter)]
        candidates = [(np.abs(np.diff(current)) + _DEVIATIONS * scatter[1:], current[1:])]
        for order in range(1, min(len(steps), _ORDERS + 1)):
            ratio = (steps[:-order] / steps[order:]) ** 2
            better = (ratio * current[1:] - current[:-1]) / (ratio - 1.0)
            scatter = np.hypot(ratio * scatter[1:], scatter[:-1]) / (ratio - 1.0)
            truncation = np.abs(better - current[1:])
            candidates.append((truncation + _DEVIATIONS * scatter, better))
            orders.append((better, scatter))
            current = better
        best, least = np.nan, np.inf
        for totals, values in candidates:
            for k, (total, value) in enumerate(zip(totals, values, strict=True)):
                finest = len(steps) - len(values) + k  # of the steps that it is made of
                uncertainty = total + _contradiction(float(value), finest, orders[:2])
                if uncertainty < least:
                    best, least = float(value), float(uncertainty)
        return best, least + self._kink(steps, sides, best)

    def _kink(self, steps: FloatArray, sides: FloatArray, value: float) -> float:
        """Half the jump of the slope at the point, 0 where there is none to be seen.

        The sum of both sides less twice the centre is a h + b h**2; without a kink a is 0.
        """
        (h1, h2), bend = steps[-2:], (sides[-2:].sum(axis=1) - 2.0 * self._centre) / steps[-2:]
        ratio = h1 / h2
        jump = abs((ratio * bend[1] - bend[0]) / (ratio - 1.0)) / 2.0
        scatter = self._noise * np.sqrt(6.0) / h2 * ratio / (ratio - 1.0) / 2.0
        is_seen = jump > _DEVIATIONS * scatter and jump > 1e-3 * abs(value)
        return float(jump) if is_seen and self._is_linear(bend) else 0.0

    @staticmethod
    def _is_linear(bend: FloatArray) -> bool:
        """Whether the bend shrinks far more slowly than that of a smooth function."""
        return bool(abs(bend[1]) > 0.8 * abs(bend[0]))


def _contradiction(
    value: float, finest: int, orders: Sequence[tuple[FloatArray, FloatArray]]
) -> float:
    """How far finer steps put the derivative from a value, beyond what they may be off themselves.

    Args:
        value: made of steps down to the one at position `finest`.
        finest: that position.
        orders: plain differences, and once extrapolated ones, each with its noise.
    """
    found = 0.0
    for order, (values, scatter) in enumerate(orders):
        after = finest + 1 - order  # the first one that has a finer step
        if after < 1 or after >= len(values):
            continue
        slack = np.abs(np.diff(values))[after - 1 :] + _DEVIATIONS * scatter[after:]
        found = max(found, float((np.abs(values[after:] - value) - slack).max()))
    return found
