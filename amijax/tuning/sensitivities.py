"""The faster kind of sensitivities for a problem, measured once and remembered."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from amijax.files import write_atomically
from amijax.json_values import json_text
from amijax.objective import AmiciObjective, Evaluation
from amijax.paths import cache_dir
from amijax.scales import FloatArray
from amijax.simulation.settings import SENSITIVITIES, Sensitivities, SolverSettings
from amijax.simulation.trust import distrusts_adjoint
from amijax.tuning.errors import gradient_error
from amijax.tuning.timing import evaluated, within

# Two gradients agree if the error of one, with the other for the truth, is less than this: adjoint
# sensitivities have other errors than forward ones, of some 1e-5 to 1e-3 at default tolerances.
AGREEMENT = 1e-2
_REPEATS = 5
_REPEAT_BELOW = 0.1  # seconds; shorter evaluations are measured several times
_LEAST_SECONDS = 0.05  # allowed for adjoint sensitivities in any case
_WORTH_IT = 0.9  # of the time of forward sensitivities


@dataclass(frozen=True)
class SensitivityMeasurement:
    """Forward against adjoint sensitivities for one problem, measured once.

    Attributes:
        forward_seconds: CPU time of a gradient with forward sensitivities.
        adjoint_seconds: the same with adjoint ones; None if it was stopped or not tried.
        difference: of the gradients (`amijax.tuning.errors.gradient_error`, the forward one for
            the truth).
        chosen: what auto uses from now on.
        reason: why, as a sentence.
    """

    forward_seconds: float
    adjoint_seconds: float | None
    difference: float | None
    chosen: Sensitivities
    reason: str


def measure(forward: AmiciObjective, evaluation: Evaluation) -> SensitivityMeasurement:
    """Time adjoint against forward sensitivities where the latter work, and remember it.

    Args:
        forward: with the settings in question, forward sensitivities among them.
        evaluation: with these settings.
    """
    theta = evaluation.theta
    forward = forward.with_executor(None).with_num_threads(1)
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
        limit = max(2 * seconds, _LEAST_SECONDS)
        measurement = _compare(evaluation, seconds, adjoint, within(adjoint, theta, limit))
    with suppress(OSError):  # without a cache it is measured again the next time
        write_atomically(_path(forward, forward.solver), json_text(asdict(measurement)))
    return measurement


def remembered(
    objective: AmiciObjective, settings: SolverSettings
) -> SensitivityMeasurement | None:
    """What was measured before; None if nothing was.

    Args:
        objective: the problem.
        settings: with forward sensitivities.
    """
    try:
        measurement = SensitivityMeasurement(**json.loads(_path(objective, settings).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return measurement if measurement.chosen in SENSITIVITIES else None


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
    apart = gradient_error(adjoint.gradient, forward.gradient)
    adjoint_seconds = _best(objective, forward.theta, adjoint.cpu_seconds)
    chosen: Sensitivities = "forward"
    if apart > AGREEMENT:
        reason = f"The gradients differ by {apart:.1e}; forward is the safe one."
    else:
        reason = f"Adjoint takes {adjoint_seconds / seconds:.2f} of the time."
        if adjoint_seconds < _WORTH_IT * seconds:
            chosen = "adjoint"
    return SensitivityMeasurement(seconds, adjoint_seconds, apart, chosen, reason)


def _best(objective: AmiciObjective, theta: FloatArray, first: float) -> float:
    """CPU seconds for a gradient, the least of several where one is too short to trust."""
    if first > _REPEAT_BELOW:
        return first
    return min(evaluated(objective, theta).cpu_seconds for _ in range(_REPEATS))


def _path(objective: AmiciObjective, settings: SolverSettings) -> Path:
    words = [objective.model.key, f"{settings.rtol:g}", f"{settings.atol:g}"]
    words += [f"{value}" for value in settings.unusual.values()]
    return cache_dir() / "sensitivities" / f"{'-'.join(words)}.json"
