"""How AMICI integrates: settings, and choices that leave some of them to be found."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, Literal, get_args

Sensitivities = Literal["forward", "adjoint"]
AskedSensitivities = Literal["auto", "forward", "adjoint"]
SteadyState = Literal["newtonOnly", "integrationOnly", "integrateIfNewtonFails"]

SENSITIVITIES: tuple[Sensitivities, ...] = get_args(Sensitivities)
ASKED_SENSITIVITIES: tuple[AskedSensitivities, ...] = get_args(AskedSensitivities)
STEADY_STATES: tuple[SteadyState, ...] = get_args(SteadyState)

DEFAULT_TIME_LIMIT = 60.0
MOST_STEPS = 100_000_000

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


def _checked(name: str, value: Any, sensitivities: Sequence[str]) -> Any:
    """A setting's value in its own type.

    Raises:
        ValueError: it can't be used; the message is a sentence.
    """
    if name.startswith(("sensitivities", "steady_state")):
        options = sensitivities if name == "sensitivities" else STEADY_STATES
        if not (isinstance(value, str) and value in options):
            raise ValueError(f"{name} must be one of {', '.join(options)}.")
        return value
    number = _number(value)
    shown = "" if number is None else f", but is {number:g}"
    if name == "max_steps":
        if number is None or not (number.is_integer() and 1 <= number <= MOST_STEPS):
            raise ValueError(f"max_steps must be a whole number from 1 to {MOST_STEPS:,}{shown}.")
        return int(number)
    if number is None or not 0 < number < math.inf:
        raise ValueError(f"{name} must be a number above 0{shown}.")
    return number


def _number(value: Any) -> float | None:
    """A number as a float, None of anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer with hundreds of digits
        return math.inf


@dataclass(frozen=True)
class SolverSettings:
    """How AMICI integrates. The defaults are AMICI's own, but for the time limit.

    Attributes:
        rtol: relative tolerance.
        atol: absolute tolerance.
        max_steps: most solver steps between two outputs.
        time_limit: seconds for one simulation (one condition).
        sensitivities: forward or adjoint sensitivity equations.
        steady_state: how a steady state is computed, where the problem has preequilibration.
        steady_state_sensitivities: how its sensitivities are computed.
    """

    rtol: float = 1e-8
    atol: float = 1e-16
    max_steps: int = 10_000
    time_limit: float = DEFAULT_TIME_LIMIT
    sensitivities: Sensitivities = "forward"
    steady_state: SteadyState = "integrationOnly"
    steady_state_sensitivities: SteadyState = "integrationOnly"

    def __post_init__(self) -> None:
        for each in fields(self):
            _checked(each.name, getattr(self, each.name), SENSITIVITIES)

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)

    def __str__(self) -> str:
        return f"rtol {self.rtol:g}, atol {self.atol:g}, {self.sensitivities} sensitivities"


# Tried in this order until one works: AMICI's defaults, then larger absolute tolerances, the most
# accurate first. Loosening atol costs accuracy of the gradient: its median relative error grows
# from 3e-7 to 4e-2 for Giordano_Nature2020 between the first and the fourth (measured).
LADDER: tuple[SolverSettings, ...] = (
    SolverSettings(),
    SolverSettings(atol=1e-12, max_steps=100_000),
    SolverSettings(atol=1e-10, max_steps=100_000),
    SolverSettings(atol=1e-8, max_steps=100_000),
    SolverSettings(rtol=1e-6, atol=1e-6, max_steps=100_000),
)


@dataclass(frozen=True)
class SolverChoice:
    """What a person asks of the solver; None and "auto" are left to `amijax.auto`.

    Attributes:
        rtol, atol: None in both means the ladder; one alone takes AMICI's default for the other.
        max_steps: None means what comes with the tolerances.
        time_limit: seconds for one simulation (one condition), for each try.
        sensitivities: auto means the faster of forward and adjoint whose gradients agree.
        steady_state, steady_state_sensitivities: as in `SolverSettings`.
    """

    rtol: float | None = None
    atol: float | None = None
    max_steps: int | None = None
    time_limit: float = DEFAULT_TIME_LIMIT
    sensitivities: AskedSensitivities = "auto"
    steady_state: SteadyState = "integrationOnly"
    steady_state_sensitivities: SteadyState = "integrationOnly"

    def __post_init__(self) -> None:
        self.ladder()  # SolverSettings refuses what makes no sense

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> tuple[SolverChoice, tuple[str, ...]]:
        """The choice that widgets, a JSON object, an address or options give; never raises.

        Args:
            values: by name, whatever they are. None and blank text mean the default; numbers may
                be text; names that are no setting are ignored.

        Returns:
            A usable choice, and a sentence for each value that can't be used, in whose place is
            the default. The sentences hold no text from the values.
        """
        usable: dict[str, Any] = {}
        complaints = []
        for each in fields(cls):
            value = values.get(each.name)
            if isinstance(value, str):
                value = value.strip()
                if _NUMBER.fullmatch(value):
                    value = float(value)
            if value is None or (isinstance(value, str) and not value):
                continue
            try:
                usable[each.name] = _checked(each.name, value, ASKED_SENSITIVITIES)
            except ValueError as error:
                complaints.append(str(error))
        return cls(**usable), tuple(complaints)

    @property
    def auto_tolerances(self) -> bool:
        """Whether tolerances are to be found."""
        return self.rtol is None and self.atol is None

    def ladder(self) -> tuple[SolverSettings, ...]:
        """The settings to try, in order; a single one where tolerances are given."""
        default = SolverSettings()
        rungs = LADDER
        if not self.auto_tolerances:
            rungs = (
                replace(
                    default,
                    rtol=default.rtol if self.rtol is None else self.rtol,
                    atol=default.atol if self.atol is None else self.atol,
                ),
            )
        return tuple(
            replace(
                rung,
                max_steps=rung.max_steps if self.max_steps is None else self.max_steps,
                time_limit=self.time_limit,
                sensitivities="forward" if self.sensitivities == "auto" else self.sensitivities,
                steady_state=self.steady_state,
                steady_state_sensitivities=self.steady_state_sensitivities,
            )
            for rung in rungs
        )
