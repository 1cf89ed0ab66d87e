"""Failed evaluations as data: what happened, where, and what to try, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.scales import FloatArray

NOT_RUN = -1001
AMICI_ERROR = -99
MAX_TIME_EXCEEDED = -1000


FailureKind = Literal["integration", "input", "output", "trial", "worker", "callback"]


@dataclass(frozen=True)
class Failure:
    """Why an evaluation has no result.

    Attributes:
        kind: integration (AMICI ended a simulation with an error: other solver settings may
            mend it), input (parameters that can't be simulated), output (simulated, but with a
            result that is not finite), trial (the model is not run here, since it
            ended the process in which it was tried, hung, or filled the memory), worker (the
            process that computed ended), or callback (from JAX to AMICI, which broke).
        message: what happened.
        remedy: what to try.
        condition: the PEtab condition in which it happened (`condition+preequilibration`
            where there is one), None if it happened in none.
        time: model time reached, None if unknown or nothing was simulated.
        status: AMICI's status code, for kind integration alone.
        status_name: AMICI's name for it.
    """

    kind: FailureKind
    message: str
    remedy: str
    condition: str | None = None
    time: float | None = None
    status: int | None = None
    status_name: str | None = None

    def __str__(self) -> str:
        where = f" in condition {self.condition}" if self.condition else ""
        when = f" at time {self.time:g}" if self.time is not None else ""
        return f"{self.message}{where}{when}. {self.remedy}"


_TOLERANCES = "Try atol 1e-8 (less accurate sensitivities), or parameters nearer to nominal."
_EXPLOSION = "Look for a parameter far from nominal or beyond its bounds, and bring it back."

# AMICI status -> (what happened, what to try); the codes are SUNDIALS' plus AMICI's own.
_STATUS: dict[int, tuple[str, str]] = {
    -1: (
        "The solver needed more steps than allowed",
        "Raise the step limit, try atol 1e-8, or bring parameters nearer to nominal.",
    ),
    -2: ("The solver could not reach the accuracy asked for", "Use a larger rtol or atol."),
    -3: ("The solver's error test failed too often, or its step became too small", _TOLERANCES),
    -4: ("The solver's implicit equations did not converge", _TOLERANCES),
    -6: ("The Jacobian could not be set up or factorised", _EXPLOSION),
    -8: ("The model's right-hand side is not finite", _EXPLOSION),
    -9: ("The model's right-hand side is not finite at the first step", _EXPLOSION),
    -10: ("The model's right-hand side failed repeatedly", _EXPLOSION),
    -12: ("An event's trigger function failed", _EXPLOSION),
    -41: ("The sensitivity equations' right-hand side is not finite", _EXPLOSION),
    -42: ("The sensitivity equations are not finite at the first step", _EXPLOSION),
    -81: (
        "No steady state was found",
        "Raise the step limit, or loosen the steady-state tolerances.",
    ),
    -99: ("AMICI reported an error", _TOLERANCES),
    -1000: (
        "The simulation took longer than the time limit",
        "Raise the time limit, or loosen the tolerances.",
    ),
    -1002: ("The step became so small that time no longer advances", _TOLERANCES),
}


def integration_failure(
    condition: str, time: float, status: int, status_name: str, messages: Sequence[str]
) -> Failure:
    """The failure for an AMICI return status below 0.

    Args:
        condition: the condition's id.
        time: model time reached.
        status: AMICI's status code.
        status_name: AMICI's name for it.
        messages: what AMICI logged, without repetitions.
    """
    if status == AMICI_ERROR and any("sigma <= 0" in text for text in messages):
        return Failure(
            "integration",
            "The noise scale of an observable is not above 0",
            "Look for a noise parameter at 0, or for a noise formula that becomes 0 or negative.",
            condition, None, status, status_name,
        )  # fmt: skip
    message, remedy = _STATUS.get(status, ("AMICI could not simulate the model", _TOLERANCES))
    # A simulation that stops before its first step reports no time.
    reached = time if np.isfinite(time) else None
    detail = "; ".join(dict.fromkeys(text.strip() for text in messages if text.strip()))
    if detail:
        message = f"{message} (AMICI: {detail})"
    return Failure("integration", message, remedy, condition, reached, status, status_name)


def input_failure(parameter_ids: Sequence[str], theta: FloatArray, p: FloatArray) -> Failure | None:
    """The failure for parameters that can't be simulated, None if all are finite.

    Args:
        parameter_ids: their ids.
        theta: shape (n,), on the PEtab scale.
        p: the same on linear scale.
    """
    if np.isfinite(p).all() and np.isfinite(theta).all():
        return None
    bad = [
        f"{name} = {t:g}" + (f" (on linear scale {v:g})" if np.isfinite(t) else "")
        for name, t, v in zip(parameter_ids, theta, p, strict=True)
        if not (np.isfinite(t) and np.isfinite(v))
    ]
    return Failure(
        "input",
        f"Parameters are not finite numbers: {', '.join(bad)}",
        "Give finite values; a log10 value must stay between about -307 and 308 (float64) "
        "or -37 and 38 (float32).",
    )


def output_failure(condition: str, quantity: str) -> Failure:
    """The failure for a simulation that ended well with a result that is not finite."""
    return Failure(
        "output",
        f"The simulation succeeded, but its {quantity} is not finite",
        "Look for noise parameters at 0 and for observables at or below 0 on a logarithmic scale.",
        condition,
    )
