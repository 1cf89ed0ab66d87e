"""What the two sides of a profile say of its parameter: verdict, interval and a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.fit.optima import SAME_OPTIMUM
from amijax.identifiability.profile_record import Profile, Side, Verdict
from amijax.problems.problem import Problem
from amijax.scales import FloatArray, to_linear

_LEAST_DIGITS = 4


@dataclass(frozen=True, eq=False)
class KnownPoint:
    """A point that was found elsewhere, for example by a fit.

    Attributes:
        theta: on the PEtab scale.
        value: llh + log prior.
        name: what it is, in words.
    """

    theta: FloatArray
    value: float
    name: str


def profile_of(
    problem: Problem,
    position: int,
    sides: Sequence[Side],
    optimum: FloatArray,
    value: float,
    threshold: float,
    level: float,
    lower: FloatArray,
    upper: FloatArray,
    known: Sequence[KnownPoint] = (),
) -> Profile:
    """A parameter's profile, as far as its sides are.

    Args:
        problem: gives ids and scales.
        position: of the parameter.
        sides: down and up, one or both.
        optimum: where both begin.
        value: llh + log prior there.
        threshold: by how much it falls to the interval's ends.
        level: of the interval.
        lower: bounds.
        upper: bounds.
        known: other points, which show modes that lie apart.
    """
    by_name = {side.side: side for side in sides}
    down, up = by_name.get("down"), by_name.get("up")
    order = [(side, k) for side in (down,) if side for k in range(len(side.values) - 1, 0, -1)]
    order += [(side, k) for side in ((up or down),) if side and len(side.values) for k in (0,)]
    order += [(side, k) for side in (up,) if side for k in range(1, len(side.values))]
    thetas = np.array([side.thetas[k] for side, k in order]).reshape(len(order), -1)
    values = np.array([side.values[k] for side, k in order])
    slopes = np.array([side.slopes[k] for side, k in order])
    points = thetas[:, position] if len(order) else np.empty(0)
    ends = [_end(side) for side in (down, up)]
    interval = np.array(ends)
    scale = problem.scales[position]
    name = problem.parameter_ids[position]
    linear = to_linear(interval[:, None], (scale,))[:, 0]
    modes = _modes_apart(points, values, position, interval, known, value - threshold)
    verdict = _verdict(sides, modes)
    words = _Words(
        name, scale, level, interval, linear, value, values,
        (float(lower[position]), float(upper[position])),
    )  # fmt: skip
    open_ends: list[Literal["lower", "upper"]] = []
    if down is not None and down.end in ("bound", "far"):
        open_ends.append("lower")
    if up is not None and up.end in ("bound", "far"):
        open_ends.append("upper")
    return Profile(
        parameter=name, scale=scale, optimum=float(optimum[position]),
        thetas=thetas, points=points, values=values, slopes=slopes,
        verdict=verdict, interval=interval, interval_linear=linear,
        open_ends=tuple(open_ends),
        sentence=words.sentence(verdict, down, up, modes),
        is_complete=len(sides) == 2 and all(side.is_over for side in sides),
        n_evaluations=sum(side.n_evaluations for side in sides),
        seconds=sum(side.seconds for side in sides),
    )  # fmt: skip


def _end(side: Side | None) -> float:
    """An end of the interval; NaN where it is not known."""
    if side is None or side.end not in ("threshold", "bound", "far"):
        return math.nan
    if side.end == "threshold":
        return side.crossing
    return float(side.thetas[-1, side.position])


def _verdict(sides: Sequence[Side], modes: str) -> Verdict:
    ends = {side.end for side in sides}
    if len(sides) < 2 or ends & {"failed", "better", "running", "cancelled"}:
        return "failed"
    if modes:
        return "multimodal"
    if ends == {"threshold"}:
        return "identifiable"
    return "one-sided" if "threshold" in ends else "flat"


def _modes_apart(
    points: FloatArray,
    values: FloatArray,
    position: int,
    interval: FloatArray,
    known: Sequence[KnownPoint],
    level: float,
) -> str:
    """Where else llh is high, in words; empty if there is one mode only, as far as was seen."""
    for k in range(1, len(values) - 1):
        left, right = values[:k].max(), values[k + 1 :].max()
        if min(left, right) > values[k] + SAME_OPTIMUM:
            other = points[k + 1 + int(values[k + 1 :].argmax())]
            if left < right:
                other = points[int(values[:k].argmax())]
            return (
                f"the profile has a valley at {points[k]:.4g} and rises again to another mode "
                f"at {other:.4g}"
            )
    if not np.isfinite(interval).all():
        return ""
    apart = 0.05 * float(interval[1] - interval[0])
    for point in known:
        x = float(point.theta[position])
        outside = x < interval[0] - apart or x > interval[1] + apart
        if outside and point.value > level:
            return f"{point.name} is not refused by the data either and lies apart, at {x:.4g}"
    return ""


def digits_for(low: float, high: float) -> int:
    """Significant digits that show an interval's ends apart: its width with three of them.

    Args:
        low: its lower end.
        high: its upper end.
    """
    width, size = abs(high - low), max(abs(low), abs(high))
    if not (math.isfinite(width) and width > 0 and math.isfinite(size)):
        return _LEAST_DIGITS
    return int(np.clip(math.ceil(math.log10(size / width)) + 3, _LEAST_DIGITS, 15))


def interval_in_words(low: float, high: float) -> str:
    """An interval's ends, with digits enough to tell them apart.

    Args:
        low: the lower one.
        high: the upper one.
    """
    digits = digits_for(low, high)
    return f"{low:.{digits}g} to {high:.{digits}g}"


@dataclass(frozen=True, eq=False)
class _Words:
    """Sentences about one parameter."""

    name: str
    scale: str
    level: float
    interval: FloatArray
    linear: FloatArray
    value: float
    values: FloatArray
    bounds: tuple[float, float]

    def sentence(self, verdict: Verdict, down: Side | None, up: Side | None, modes: str) -> str:
        """The verdict in words."""
        if verdict == "failed":
            return " ".join(self._of_failed(side, n) for n, side in (("down", down), ("up", up)))
        if verdict == "identifiable":
            return f"{self.name} is identifiable: {self._interval()}."
        if verdict == "multimodal":
            return (
                f"{self.name} has several modes: {modes}. Around the best one: {self._interval()}."
            )
        assert down is not None
        assert up is not None
        if verdict == "one-sided":
            low, high = self.linear
            if down.end == "threshold":
                return (
                    f"{self.name} is open upwards: the data refuse values below {low:.4g}, but "
                    f"none from there to {self._ending(up, 1)}."
                )
            return (
                f"{self.name} is open downwards: the data refuse values above {high:.4g}, but none "
                f"from there to {self._ending(down, 0)}."
            )
        drop = self.value - float(self.values.min())
        return (
            f"{self.name} is flat: from {self._ending(down, 0)} to {self._ending(up, 1)} llh falls "
            f"by {max(drop, 0.0):.2g} at most; the data refuse no value there."
        )

    def _interval(self) -> str:
        (low, high), (a, b) = self.linear, self.interval
        if self.scale == "lin":
            return f"{self.level * 100:.4g} % interval {interval_in_words(a, b)}"
        return (
            f"{self.level * 100:.4g} % interval {interval_in_words(low, high)} "
            f"({self.scale} {interval_in_words(a, b)})"
        )

    def _ending(self, side: Side, k: int) -> str:
        if side.end == "bound":
            return f"its {('lower', 'upper')[k]} bound, {self.linear[k]:.4g}"
        return f"{self.linear[k]:.4g}, as far as was looked"

    def _of_failed(self, side: Side | None, name: str) -> str:
        where = {"down": "below", "up": "above"}[name]
        if side is None:
            return f"{self.name}: nothing is known {where} the optimum yet."
        if side.end in ("running", "cancelled"):
            return f"{self.name}: the profile {where} the optimum is not complete."
        if side.end == "better":
            gain = float(side.values.max()) - self.value
            at = float(side.thetas[int(side.values.argmax()), side.position])
            return (
                f"{self.name}: {where} the optimum, at {at:.4g}, a better one came up, by "
                f"{gain:.3g}: start the profiles anew from it."
            )
        if side.end == "failed":
            last = float(side.thetas[-1, side.position]) if len(side.thetas) else math.nan
            return (
                f"{self.name}: the profile {where} the optimum broke off at {last:.4g}. "
                f"{side.message}"
            )
        if side.end == "threshold":
            return f"{self.name}: {where} the optimum it ends at {side.crossing:.4g}."
        return f"{self.name}: {where} the optimum it is open."
