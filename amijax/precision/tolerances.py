"""The gradient's error and run time against the solver's tolerance, in both precisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.float32 import Float32Point, float32_gradient, float32_point
from amijax.precision.reference import NEGLIGIBLE, Reference
from amijax.precision.values import Report, silent
from amijax.precisions import PRECISIONS, Precision
from amijax.scales import FloatArray

Measure = Literal["median", "worst"]

RTOLS = tuple(10.0**-k for k in range(4, 14))
_REPEATS = 3
_REPEAT_BELOW = 0.1  # seconds; shorter simulations are timed several times
# Tightening beyond the point whose error is within this factor of the tightest's is not worth it.
_GOOD_ENOUGH = 2.0
_NOTHING_RIGHT = 0.1  # an error as large leaves less than a digit
_UNCERTAIN = 0.5  # of an error: a reference that is less certain can't tell what is left of it


@dataclass(frozen=True, eq=False)
class ToleranceSweep:
    """Errors against the reference, and time, at several relative tolerances; atol is fixed.

    Arrays are in the order of `amijax.precisions.PRECISIONS`; NaN where a simulation failed.

    Attributes:
        rtols: shape (n_rtols,), from large to small.
        atol: the absolute tolerance.
        errors: |value - reference| / |reference|, shape (2, n_rtols, n + 1), llh first; where
            that is less than `uncertainty`, the latter.
        uncertainty: change of the reference itself between its tolerances and 10 times those,
            relative, shape (n + 1,): smaller errors can't be told from none.
        seconds: duration of an evaluation of llh and gradient, on all cores that the objective
            uses, shape (2, n_rtols); the median of several where one is short.
    """

    rtols: FloatArray
    atol: float
    errors: FloatArray
    uncertainty: FloatArray
    seconds: FloatArray

    def enough(self, precision: Precision, which: int | Measure) -> int | None:
        """Position of the largest rtol from which on a tighter one gains less than a factor of 2.

        None where no tolerance can be called enough: even the tightest one leaves less than a
        digit, or the reference itself is too uncertain to tell.

        Args:
            precision: whose errors.
            which: an entry (0 is llh), or the median or the worst of the gradient's entries.
        """
        errors = combined(self.errors[PRECISIONS.index(precision)], which)
        uncertainty = float(combined(self.uncertainty[None], which)[0])
        known = np.flatnonzero(np.isfinite(errors))
        if not known.size:
            return None
        floor = errors[known[-1]]  # what is left when the solver's error is as small as it gets
        if floor >= _NOTHING_RIGHT:
            return None
        if not (uncertainty <= _UNCERTAIN * floor or uncertainty <= NEGLIGIBLE):
            return None
        good = errors[known] <= _GOOD_ENOUGH * floor
        after_the_last_bad = int(np.flatnonzero(~good)[-1]) + 1 if not good.all() else 0
        return int(known[after_the_last_bad])

    def advice(self, which: int | Measure) -> str:
        """Which rtol is enough for either precision, and why none is where none can be named.

        Args:
            which: see `enough`.
        """
        parts = []
        for precision in PRECISIONS:
            knee = self.enough(precision, which)
            errors = combined(self.errors[PRECISIONS.index(precision)], which)
            known = errors[np.isfinite(errors)]
            if knee is not None:
                parts.append(
                    f"rtol {self.rtols[knee]:.0e} is enough for {precision} (error "
                    f"{errors[knee]:.0e})"
                )
            elif not known.size:
                parts.append(f"{precision} has no result at any of these tolerances")
            elif known[-1] >= _NOTHING_RIGHT:
                parts.append(
                    f"no rtol is enough for {precision}: at the tightest one its error is still "
                    f"{known[-1]:.0e}, relative"
                )
            else:
                parts.append(
                    f"what is enough for {precision} can't be told: the reference itself is "
                    f"uncertain by {float(combined(self.uncertainty[None], which)[0]):.0e}"
                )
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}."


def combined(errors: FloatArray, which: int | Measure) -> FloatArray:
    """One number for each tolerance.

    Args:
        errors: shape (n_rtols, n + 1), llh first.
        which: an entry, or the median or the worst of the gradient's entries.
    """
    if isinstance(which, int):
        return errors[:, which]
    gradient = errors[:, 1:]
    failed = np.isnan(gradient).all(axis=1)
    filled = np.where(failed[:, None], 0.0, gradient)
    reduced = np.nanmedian(filled, axis=1) if which == "median" else np.nanmax(filled, axis=1)
    return np.where(failed, np.nan, reduced)


def tolerance_sweep(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: np.ndarray,
    reference: Reference,
    report: Report = silent,
    *,
    rtols: Sequence[float] = RTOLS,
) -> ToleranceSweep:
    """Evaluate in both precisions at several tolerances, each against the reference.

    float32 is what a float32 `JaxObjective` would return, bit for bit.

    Args:
        objective: the problem; of its settings all but rtol and the step limit are kept.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: of the chosen parameters in theta.
        reference: the truth.
        report: called after each tolerance.
        rtols: relative tolerances.
    """
    theta = np.array(theta, dtype=np.float64)
    point = float32_point(theta, objective.scales)
    errors = np.full((2, len(rtols), len(positions) + 1), np.nan)
    seconds = np.full((2, len(rtols)), np.nan)
    uncertainty = _relative(reference.looser.all, reference.values.all)
    max_steps = objective.solver.max_steps
    if objective.solver.sensitivities == "forward":  # adjoint ones reserve memory for all steps
        max_steps = max(max_steps, reference.solver.max_steps)
    for i, rtol in enumerate(rtols):
        tried = objective.with_solver(replace(objective.solver, rtol=rtol, max_steps=max_steps))
        values, seconds[:, i] = _both(tried, theta, point, positions)
        measured = _relative(values, reference.values.all)
        errors[:, i] = np.where(np.isnan(measured), np.nan, np.fmax(measured, uncertainty))
        report(i + 1, len(rtols))
    return ToleranceSweep(np.array(rtols), objective.solver.atol, errors, uncertainty, seconds)


def _relative(values: FloatArray, reference: FloatArray) -> FloatArray:
    """|values - reference| / |reference|, 0 where they are equal."""
    difference = np.abs(values - reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0, 0.0, difference / np.abs(reference))


def _both(
    objective: AmiciObjective, theta: FloatArray, point: Float32Point, positions: np.ndarray
) -> tuple[FloatArray, FloatArray]:
    """Values in float32 and in float64, shape (2, n + 1), and seconds, shape (2,)."""
    float32, float64 = objective.evaluate(point.host), objective.evaluate(theta)
    runs = [(float32, float64)]
    if max(float32.wall_seconds, float64.wall_seconds) < _REPEAT_BELOW:
        for _ in range(_REPEATS - 1):
            runs.append((objective.evaluate(point.host), objective.evaluate(theta)))
    seconds = np.median([[e.wall_seconds for e in run] for run in runs], axis=0)
    assert float32.gradient is not None
    assert float64.gradient is not None
    gradient32 = float32_gradient(float32.gradient, point, objective.scales)
    with np.errstate(over="ignore"):
        llh32 = float(np.float32(float32.llh))
    values = np.array(
        [
            np.append(llh32, gradient32[positions]),
            np.append(float64.llh, float64.gradient[positions]),
        ]
    )
    failed = [float32.failure is not None, float64.failure is not None]
    return values, np.where(failed, np.nan, seconds)
