"""A reference at tight tolerances, and how far it can be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from amijax.digits import digits
from amijax.objective import AmiciObjective
from amijax.precision.values import Report, Values, silent, values_of
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings

TIGHTEST_RTOL = 1e-13
_RTOLS = (TIGHTEST_RTOL, 1e-12, 1e-11, 1e-10)
# Sneyd_PNAS2002 does not simulate at rtol 1e-13 and atol 1e-16, but does with 1e-12.
_ATOL_FACTORS = (1.0, 1e2, 1e4)
_LOOSER = 10.0  # the reference is compared with one whose tolerances are larger by this factor
_MAX_STEPS = 1_000_000
# Duration of a candidate, relative to one evaluation at the settings in question: atol 1e-16
# takes 225 times as long for Fujita_SciSignal2010, where 1e-12 gives the same six digits.
_ALLOWANCE = 20.0
_LEAST_ALLOWANCE = 2.0  # seconds
NEGLIGIBLE = 1e-4  # relative; a reference whose last change is as small has converged


@dataclass(frozen=True, eq=False)
class Reference:
    """llh and gradient at tight tolerances, and at slightly larger ones.

    Attributes:
        values: the reference; NaN if no tight tolerances work.
        looser: at tolerances 10 times as large; NaN if that failed.
        solver: the settings of `values`.
        digits: in which the two agree: how far the reference can be trusted; shape (n + 1,),
            llh first. NaN without a reference.
        converged: whether the two agree in four digits or more, in llh and every entry.
        failed: settings that did not work or took too long, tried before.
        cpu_seconds: AMICI's CPU time for `values`.
    """

    values: Values
    looser: Values
    solver: SolverSettings
    digits: FloatArray
    converged: bool
    failed: tuple[SolverSettings, ...]
    cpu_seconds: float


def find_reference(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: np.ndarray,
    report: Report = silent,
) -> Reference:
    """Evaluate at rtol 1e-13, or the tightest tolerances that work within reasonable time.

    Forward sensitivities, whatever the objective uses. A candidate may take 20 times as long
    as one evaluation of the objective (but at least 2 s).

    Args:
        objective: the problem and the settings whose accuracy is in question.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: of the chosen parameters in theta.
        report: called after each evaluation.
    """
    theta = np.array(theta, dtype=np.float64)
    measured = objective.evaluate(theta)
    report(1, 3)
    nothing = Values(np.nan, np.full(len(positions), np.nan))
    allowance = max(_ALLOWANCE * measured.wall_seconds, _LEAST_ALLOWANCE)
    failed = []
    for settings in _candidates(objective.solver):
        evaluation = _within(
            objective.with_solver(settings), theta, allowance, lambda: report(1, 3)
        )
        if evaluation is None or evaluation.failure is not None:
            failed.append(settings)
            continue
        values = values_of(evaluation, positions)
        partner = settings.looser(_LOOSER)
        second = _within(objective.with_solver(partner), theta, allowance, lambda: report(2, 3))
        looser = nothing if second is None else values_of(second, positions)
        report(3, 3)
        return Reference(
            values=values,
            looser=looser,
            solver=settings,
            digits=digits(values.all, looser.all),
            converged=_has_converged(values, looser),
            failed=tuple(failed),
            cpu_seconds=evaluation.cpu_seconds,
        )
    unknown = np.full(len(positions) + 1, np.nan)
    return Reference(nothing, nothing, objective.solver, unknown, False, tuple(failed), 0.0)


class _TooLongError(Exception):
    """More time was used than allowed."""


def _within(
    objective: AmiciObjective, theta: FloatArray, seconds: float, go_on: Callable[[], None]
) -> Evaluation | None:
    """Evaluate at theta on all cores; None once it takes longer than allowed.

    `go_on` is called every now and then; what it raises ends the evaluation.
    """
    limited = objective.with_solver(replace(objective.solver, time_limit=seconds))
    end = time.perf_counter() + seconds

    def watch(done: int) -> None:
        go_on()
        if not done and time.perf_counter() > end:
            raise _TooLongError

    try:
        return limited.evaluate_batch([theta], on_chunk=watch)[0]
    except _TooLongError:
        return None


def _candidates(base: SolverSettings) -> Iterator[SolverSettings]:
    """Tight settings, the tightest first; atol only as small as the problem can bear."""
    smallest = min(base.atol, SolverSettings().atol)
    atols = sorted({base.atol, *(smallest * factor for factor in _ATOL_FACTORS)})
    # Settings as tight as the tightest are held against still tighter ones.
    for rtol in _RTOLS if base.rtol > TIGHTEST_RTOL else (base.rtol / _LOOSER,):
        for atol in atols:
            if rtol < base.rtol:
                yield base.at(
                    rtol,
                    atol,
                    max_steps=max(base.max_steps, _MAX_STEPS),
                    sensitivities="forward",
                )


def _has_converged(values: Values, looser: Values) -> bool:
    """Whether tolerances 10 times as large change no entry's first four digits."""
    size = np.maximum(np.abs(values.all), np.abs(looser.all))
    return bool((np.abs(values.all - looser.all) <= NEGLIGIBLE * size).all())
