"""Solver settings found by trying: tolerances that work, and the faster kind of sensitivities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective, Evaluation
from amijax.simulation.settings import SolverChoice, SolverSettings
from amijax.tuning.sensitivities import SensitivityMeasurement, measure, remembered

_SLOW = 5.0  # seconds; settings that take longer to fail are not tried again for this problem

_slow_failures: set[tuple[str, SolverSettings]] = set()


@dataclass(frozen=True, eq=False)
class Settled:
    """What auto came to at a point.

    Attributes:
        objective: with the settings that produced the evaluation.
        evaluation: llh and gradient, or the failure with the last settings tried.
        attempts: evaluations with the settings that failed before, in order.
        sensitivities: the measurement behind the choice; None if it was not auto.
    """

    objective: AmiciObjective
    evaluation: Evaluation
    attempts: tuple[Evaluation, ...]
    sensitivities: SensitivityMeasurement | None


def settle(
    objective: AmiciObjective,
    theta: ArrayLike,
    choice: SolverChoice,
    *,
    check: Callable[[], None] | None = None,
) -> Settled:
    """Evaluate llh and gradient with the first settings of the choice that work.

    Tolerances: AMICI's defaults first, then the ladder (`simulation.settings.LADDER`), each under
    the time limit. Settings that once took more than 5 s to fail for this problem are not tried
    again in this process. Sensitivities: measured at the first call for a problem and
    remembered in the cache.

    Args:
        objective: the problem; its own settings don't matter.
        theta: shape (n_parameters,), on the PEtab scale.
        choice: what is given and what is left open.
        check: called several times a second while the conditions of a problem with several are
            simulated, in the calling thread; what it raises ends the simulation.

    Raises:
        ValueError: theta has the wrong shape.
    """
    failed: list[Evaluation] = []
    ladder = choice.ladder()
    for rung in ladder:
        last = rung is ladder[-1]
        if not last and (objective.problem.identity, rung) in _slow_failures:
            continue
        settings = rung
        measurement = remembered(objective, settings) if _is_open(choice) else None
        if measurement is not None:
            settings = replace(settings, sensitivities=measurement.chosen)
        tried = objective.with_solver(settings)
        evaluation = (
            tried.evaluate(theta) if check is None else tried.evaluate_unless(theta, True, check)
        )
        if evaluation.failure is None:
            if _is_open(choice) and measurement is None:
                measurement = measure(tried, evaluation)
            return Settled(tried, evaluation, tuple(failed), measurement)
        if last or evaluation.failure.kind != "integration":  # other settings mend nothing else
            break
        if evaluation.wall_seconds > _SLOW:
            _slow_failures.add((objective.problem.identity, rung))
        failed.append(evaluation)
    return Settled(tried, evaluation, tuple(failed), measurement)


def _is_open(choice: SolverChoice) -> bool:
    return choice.sensitivities == "auto"
