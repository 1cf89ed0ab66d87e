"""How AMICI integrates: settings, and choices that leave some of them to be found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

Sensitivities = Literal["forward", "adjoint"]
SteadyState = Literal["newtonOnly", "integrationOnly", "integrateIfNewtonFails"]

DEFAULT_TIME_LIMIT = 60.0
MOST_STEPS = 100_000_000


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
        for name in ("rtol", "atol", "max_steps", "time_limit"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a number above 0, but is {value!r}.")
        if self.max_steps > MOST_STEPS:
            raise ValueError(f"max_steps must be at most {MOST_STEPS:,}, but is {self.max_steps}.")
        if self.sensitivities not in ("forward", "adjoint"):
            raise ValueError(
                f"sensitivities must be 'forward' or 'adjoint', but is {self.sensitivities!r}."
            )

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
    sensitivities: Literal["auto", "forward", "adjoint"] = "auto"
    steady_state: SteadyState = "integrationOnly"
    steady_state_sensitivities: SteadyState = "integrationOnly"

    def __post_init__(self) -> None:
        self.ladder()  # SolverSettings refuses what makes no sense

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
