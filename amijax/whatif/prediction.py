"""A gradient's first-order prediction of a change in llh, beside the change itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.noise import neighbours
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure

POINTS = 25
SAMPLES = 6
TOLERANCE = 0.1  # the tangent holds while it errs by less than this part of the change
NOISES = 3.0  # what is within three standard deviations of the noise can't be told from it
BEYOND = 0.5  # how far the line goes beyond both ends, in steps
# Fractions of the step at which slope and curvature are measured: the smallest whose difference
# stands out of the noise counts.
_NOISE_ALLOWED = 1e-3  # noise of slope and curvature, relative to the slope
_FRACTIONS = (2.0**-12, 2.0**-10, 2.0**-8, 2.0**-6, 2.0**-4, 2.0**-2)

Verdict = Literal["nothing", "linear", "nonlinear", "noise", "gradient", "failed"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a gradient foretold of a step, and what came of it.

    All llh here are values without sensitivities: those that come with a gradient belong to other
    solver steps, and the difference (for Boehm in the 8th digit, for Raimundez_PCB2020 in the 4th)
    would drown the change of a small step.

    Attributes:
        base, theta: both ends of the step, shape (n_parameters,), on the PEtab scale.
        predicted: gradient · (theta - base).
        shares: each parameter's part of it, shape (n_parameters,).
        actual: llh(theta) - llh(base); NaN after a failure.
        second_order: what the curvature along the step adds to the prediction (half the second
            derivative with respect to the fraction of the step, at its base); NaN if unknown.
        slope: derivative of llh with respect to the fraction of the step at its base, from
            differences of llh; NaN if unknown. A right gradient predicts the same.
        slope_error: how far it may be off, by noise and by curvature.
        noise: standard deviation of the difference of two llh that would be equal without the
            solver's scatter, from points that differ in the last bits of theta.
        fractions: of the step, ascending, 0 and 1 among them, within bounds; shape (n,).
        llh: along the straight line at these fractions, NaN after a failure.
        failures: why llh is NaN, None where it is not.
        verdict: how prediction and fact compare.
        text: the verdict in words.
    """

    base: FloatArray
    theta: FloatArray
    predicted: float
    shares: FloatArray
    actual: float
    second_order: float
    slope: float
    slope_error: float
    noise: float
    fractions: FloatArray
    llh: FloatArray
    failures: tuple[Failure | None, ...]
    verdict: Verdict
    text: str

    @property
    def ratio(self) -> float:
        """Actual over predicted; NaN where the latter is 0."""
        return self.actual / self.predicted if self.predicted else np.nan

    @property
    def linear_fraction(self) -> float:
        """The fraction of the step up to which the curvature changes llh by less than a tenth of
        what the gradient does; infinite without curvature, NaN if it is unknown.
        """
        if self.second_order == 0:
            return np.inf
        return TOLERANCE * abs(self.predicted / self.second_order)

    def line(self) -> pd.DataFrame:
        """Llh along the step, and what the gradient foretells: fraction, llh, tangent."""
        return pd.DataFrame(
            {"fraction": self.fractions, "llh": self.llh, "tangent": self.tangent(self.fractions)}
        )

    def frame(self, problem: Problem) -> pd.DataFrame:
        """The moved parameters, those first that the prediction moves most.

        Args:
            problem: gives their ids.
        """
        table = pd.DataFrame(
            {"baseline": self.base, "now": self.theta, "foretold change": self.shares},
            index=pd.Index(problem.parameter_ids, name="parameter"),
        )
        moved = table[table["baseline"] != table["now"]]
        return moved.sort_values("foretold change", key=np.abs, ascending=False)

    def tangent(self, fractions: ArrayLike) -> FloatArray:
        """The gradient's prediction of llh along the line.

        Args:
            fractions: of the step, any shape.
        """
        start = self.llh[np.searchsorted(self.fractions, 0.0)]
        return start + np.asarray(fractions, dtype=np.float64) * self.predicted


def foretold(base: Evaluation, theta: FloatArray) -> FloatArray:
    """Each parameter's part of the change in llh that a gradient foretells, shape (n_parameters,).

    Args:
        base: an evaluation with gradient, where the step starts.
        theta: where it ends, shape (n_parameters,), on the PEtab scale.
    """
    assert base.gradient is not None
    step = theta - base.theta
    return np.where(step == 0, 0.0, base.gradient * step)  # also where the gradient is NaN


def predict_step(
    objective: AmiciObjective,
    base: Evaluation,
    theta: ArrayLike,
    *,
    points: int = POINTS,
    samples: int = SAMPLES,
    on_chunk: Callable[[int], None] | None = None,
) -> Prediction:
    """Compare what a gradient says of a step with llh along it, all in one batch.

    Args:
        objective: the problem; the base's solver settings are used.
        base: an evaluation with gradient, where the step starts.
        theta: where it ends, shape (n_parameters,), on the PEtab scale.
        points: llh along the line, besides those for slope, curvature and noise.
        samples: evaluations at each end for the noise, at least 2.
        on_chunk: called with the number of points finished so far.

    Raises:
        ValueError: the base has no gradient, or theta has the wrong shape.
    """
    theta = np.array(theta, dtype=np.float64)
    if base.gradient is None:
        raise ValueError("The base of a step must be an evaluation with gradient.")
    if theta.shape != base.theta.shape:
        raise ValueError(f"theta must have shape {base.theta.shape}, but has shape {theta.shape}.")
    if base.solver != objective.solver:
        objective = objective.with_solver(base.solver)
    step = theta - base.theta
    fractions = _fractions(objective.problem, base.theta, step, points)
    near = np.array([sign * f for f in _FRACTIONS for sign in (-1, 1)])
    line = base.theta + np.append(fractions, near)[:, None] * step
    line[np.flatnonzero(fractions == 1.0)] = theta
    about = [neighbours(end, objective.scales, samples) for end in (base.theta, theta)]
    if not step.any():
        line, about = line[: fractions.size], []
    evaluations = objective.evaluate_batch(
        np.concatenate([line, *about]), gradient=False, on_chunk=on_chunk
    )
    llh = np.array([evaluation.llh for evaluation in evaluations])
    along, rest = llh[: fractions.size], llh[fractions.size :]
    start, end = (along[np.searchsorted(fractions, t)] for t in (0.0, 1.0))
    shares = foretold(base, theta)
    predicted = float(shares.sum())
    noises = [
        _scatter(part, value)
        for part, value in zip(
            (rest[near.size : -samples], rest[-samples:]), (start, end), strict=True
        )
    ]
    slope, slope_error, second_order = _derivatives(
        start, rest[: near.size].reshape(-1, 2), predicted, noises[0]
    )
    noise = float(np.hypot(noises[0], noises[1]))
    actual = float(end - start)
    verdict = _verdict(step, predicted, actual, noise, slope, slope_error)
    return Prediction(
        base=base.theta,
        theta=theta,
        predicted=predicted,
        shares=shares,
        actual=actual,
        second_order=second_order,
        slope=slope,
        slope_error=slope_error,
        noise=noise,
        fractions=fractions,
        llh=along,
        failures=tuple(evaluation.failure for evaluation in evaluations[: fractions.size]),
        verdict=verdict,
        text=_text(verdict, predicted, actual, noise, slope, second_order),
    )


def _fractions(problem: Problem, base: FloatArray, step: FloatArray, points: int) -> FloatArray:
    """Where the line is evaluated: evenly, beyond both ends as far as the bounds allow."""
    moved = step != 0
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.array([problem.lower_theta, problem.upper_theta])[:, moved] - base[moved]
        ends = np.sort(ends / step[moved], axis=0)
    first = min(max(-BEYOND, ends[0].max(initial=-BEYOND)), 0.0)
    last = max(min(1 + BEYOND, ends[1].min(initial=1 + BEYOND)), 1.0)
    grid = np.linspace(first, last, max(points, 2))
    apart = (np.abs(grid) > 1e-9) & (np.abs(grid - 1) > 1e-9)
    return np.union1d(grid[apart], [0.0, 1.0])


def _scatter(samples: FloatArray, value: float) -> float:
    """Standard deviation of llh by the solver's scatter, at least what rounding makes."""
    known = np.append(samples[np.isfinite(samples)], value)
    spread = float(known.std(ddof=1)) if known.size > 1 else 0.0
    return max(spread, 2.0 * float(np.spacing(abs(value))))


def _derivatives(
    start: float, pairs: FloatArray, predicted: float, noise: float
) -> tuple[float, float, float]:
    """Slope at the base, its error, and half the curvature, by central differences.

    Args:
        start: llh at the base.
        pairs: llh at minus and plus each of `_FRACTIONS`, shape (n, 2).
        predicted: the slope by the gradient; it sets how much noise is allowed.
        noise: standard deviation of each llh.
    """
    if not np.isfinite(pairs).all() or not len(pairs):
        return np.nan, np.nan, np.nan
    h = np.array(_FRACTIONS)
    slopes = (pairs[:, 1] - pairs[:, 0]) / (2 * h)
    noisy = NOISES * noise / (np.sqrt(2.0) * h)
    allowed = _NOISE_ALLOWED * max(abs(predicted), np.abs(slopes[-1]))
    i = min(int(np.searchsorted(-noisy, -allowed)), h.size - 1)
    other = slopes[i + 1] if i + 1 < h.size else slopes[i - 1]
    slope_error = noisy[i] + abs(slopes[i] - other)
    halves = (pairs.sum(axis=1) - 2 * start) / (2 * h**2)
    noisy = NOISES * np.sqrt(6.0) * noise / (2 * h**2)
    j = min(int(np.searchsorted(-noisy, -allowed)), h.size - 1)
    return float(slopes[i]), float(slope_error), float(halves[j])


def _verdict(
    step: FloatArray,
    predicted: float,
    actual: float,
    noise: float,
    slope: float,
    slope_error: float,
) -> Verdict:
    if not step.any():
        return "nothing"
    if not (np.isfinite(predicted) and np.isfinite(actual)):
        return "failed"
    within = NOISES * noise
    if abs(predicted) <= within and abs(actual) <= within:
        return "noise"
    apart = abs(slope - predicted)  # NaN where the slope is unknown
    if apart > TOLERANCE * max(abs(slope), abs(predicted)) + slope_error:
        return "gradient"
    if abs(actual - predicted) <= TOLERANCE * max(abs(actual), abs(predicted)) + within:
        return "linear"
    return "nonlinear"


def _text(
    verdict: Verdict, predicted: float, actual: float, noise: float, slope: float, second: float
) -> str:
    facts = f"predicted {predicted:+.4g}, actual {actual:+.4g}"
    if verdict == "nothing":
        return "Nothing was changed."
    if verdict == "failed":
        return "There is no comparison: llh or its gradient could not be computed at an end."
    if verdict == "noise":
        return (
            f"The change in llh is below its noise floor of {NOISES * noise:.1g} ({facts}): the "
            "solver's own scatter is as large, so the gradient can't be trusted to foretell it, "
            "nor be judged by it. Take a larger step or a smaller rtol."
        )
    if verdict == "gradient":
        return (
            f"The gradient does not foretell the change ({facts}), not even next to the base: "
            f"there, llh itself changes by {slope:+.4g} for each step. It can't be trusted; try a "
            "smaller rtol or other sensitivities."
        )
    if verdict == "linear":
        return f"The linear range holds: {facts}."
    times = actual / predicted if predicted else np.inf
    ratio = f", {times:.3g} of the prediction" if 0.01 <= abs(times) <= 100 else ""
    bend = ""
    if np.isfinite(second):
        bend = f" With the curvature, {predicted + second:+.4g} was to be expected"
        if second:
            fraction = TOLERANCE * abs(predicted / second)
            if fraction < 1:
                bend += f"; the tangent holds for about {fraction:.1g} of the step"
        bend += "."
    return f"The step has left the linear range: {facts}{ratio}.{bend}"
