"""Solver settings found by trying: tolerances that work, and the faster kind of sensitivities."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from numpy.typing import ArrayLike

from amijax.files import write_atomically
from amijax.json_values import json_text
from amijax.objective import AmiciObjective, Evaluation
from amijax.paths import cache_dir
from amijax.scales import FloatArray
from amijax.simulation.settings import SENSITIVITIES, Sensitivities, SolverChoice, SolverSettings
from amijax.simulation.trust import distrusts_adjoint

# Two gradients agree if they differ by less than this, relative to the larger one's norm: adjoint
# sensitivities have other errors than forward ones, of some 1e-5 to 1e-3 at default tolerances.
AGREEMENT = 1e-2
_REPEATS = 5
_REPEAT_BELOW = 0.1  # seconds; shorter evaluations are measured several times
_SLOW = 5.0  # seconds; settings that take longer to fail are not tried again for this problem

_slow_failures: set[tuple[str, SolverSettings]] = set()


@dataclass(frozen=True)
class SensitivityMeasurement:
    """Forward against adjoint sensitivities for one problem, measured once.

    Attributes:
        forward_seconds: AMICI's CPU time for a gradient with forward sensitivities.
        adjoint_seconds: the same with adjoint ones; None if it was stopped or not tried.
        difference: norm of the two gradients' difference, relative to the larger norm.
        chosen: what auto uses from now on.
        reason: why, as a sentence.
    """

    forward_seconds: float
    adjoint_seconds: float | None
    difference: float | None
    chosen: Sensitivities
    reason: str


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
        measurement = _known_measurement(objective, settings) if _is_open(choice) else None
        if measurement is not None:
            settings = replace(settings, sensitivities=measurement.chosen)
        tried = objective.with_solver(settings)
        evaluation = (
            tried.evaluate(theta) if check is None else tried.evaluate_unless(theta, True, check)
        )
        if evaluation.failure is None:
            if _is_open(choice) and measurement is None:
                measurement = _measure(tried, evaluation)
            return Settled(tried, evaluation, tuple(failed), measurement)
        if last or evaluation.failure.kind != "integration":  # other settings mend nothing else
            break
        if evaluation.wall_seconds > _SLOW:
            _slow_failures.add((objective.problem.identity, rung))
        failed.append(evaluation)
    return Settled(tried, evaluation, tuple(failed), measurement)


def _is_open(choice: SolverChoice) -> bool:
    return choice.sensitivities == "auto"


def _measure(forward: AmiciObjective, evaluation: Evaluation) -> SensitivityMeasurement:
    """Time adjoint against forward sensitivities at a point where the latter work."""
    theta = evaluation.theta
    seconds = _best(forward, theta, evaluation.cpu_seconds)
    if (wrong := distrusts_adjoint(forward.simulator.plan)) is not None:
        measurement = SensitivityMeasurement(seconds, None, None, "forward", wrong)
    elif forward.simulator.has_events:
        measurement = SensitivityMeasurement(
            seconds, None, None, "forward",
            "The model has events or discontinuities, for which AMICI's adjoint sensitivities "
            "are not thoroughly tested.",
        )  # fmt: skip
    else:
        adjoint = forward.with_solver(replace(forward.solver, sensitivities="adjoint"))
        # Twice the time: enough to see that it is slower, and short for the one who waits.
        measurement = _compare(
            evaluation, seconds, adjoint, adjoint.gradient_within(theta, max(2 * seconds, 0.05))
        )
    with suppress(OSError):  # without a cache it is measured again the next time
        write_atomically(_path(forward, forward.solver), json_text(asdict(measurement)))
    return measurement


def _compare(
    forward: Evaluation, seconds: float, objective: AmiciObjective, adjoint: Evaluation | None
) -> SensitivityMeasurement:
    if adjoint is None:
        return SensitivityMeasurement(
            seconds, None, None, "forward", "Adjoint sensitivities take more than twice the time."
        )
    if adjoint.failure is not None:
        return SensitivityMeasurement(
            seconds, None, None, "forward", "Adjoint sensitivities fail for this problem."
        )
    assert forward.gradient is not None
    assert adjoint.gradient is not None
    apart = _apart(forward.gradient, adjoint.gradient)
    adjoint_seconds = _best(objective, forward.theta, adjoint.cpu_seconds)
    if apart > AGREEMENT:
        chosen, reason = "forward", f"The gradients differ by {apart:.1e}; forward is the safe one."
    elif adjoint_seconds < 0.9 * seconds:
        chosen, reason = "adjoint", f"Adjoint takes {adjoint_seconds / seconds:.2f} of the time."
    else:
        chosen, reason = "forward", f"Adjoint takes {adjoint_seconds / seconds:.2f} of the time."
    return SensitivityMeasurement(seconds, adjoint_seconds, apart, chosen, reason)  # type: ignore[arg-type]


def _apart(a: FloatArray, b: FloatArray) -> float:
    """Norm of the difference of two gradients, relative to the larger norm."""
    larger = max(math.hypot(*a), math.hypot(*b))  # numpy's norm overflows from 1e154 on
    return math.hypot(*(a - b)) / larger if larger else 0.0


def _best(objective: AmiciObjective, theta: FloatArray, first: float) -> float:
    """AMICI's CPU seconds for a gradient, the least of several where one is too short to trust."""
    if first > _REPEAT_BELOW:
        return first
    return min(objective.evaluate(theta).cpu_seconds for _ in range(_REPEATS))


def _path(objective: AmiciObjective, settings: SolverSettings) -> Path:
    words = [objective.model.key, f"{settings.rtol:g}", f"{settings.atol:g}"]
    words += [f"{value}" for value in settings.unusual.values()]
    return cache_dir() / "sensitivities" / f"{'-'.join(words)}.json"


def _known_measurement(
    objective: AmiciObjective, settings: SolverSettings
) -> SensitivityMeasurement | None:
    try:
        measurement = SensitivityMeasurement(**json.loads(_path(objective, settings).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return measurement if measurement.chosen in SENSITIVITIES else None
