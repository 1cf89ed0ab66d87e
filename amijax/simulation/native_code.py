"""Kinds of native code that a model runs, and what became of them when they were tried."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Literal

from amijax.files import write_atomically
from amijax.models.cache import ModelFolders
from amijax.simulation.settings import SENSITIVITIES, SolverSettings

TIME_VARIABLE = "AMIJAX_TRIAL_TIMEOUT"
MEMORY_VARIABLE = "AMIJAX_TRIAL_MEMORY"
# AMICI looks at its own, far lower limit between steps: a step of a large model is long.
_TIME = 30.0
_MEMORY = 4.0
# Of a waiting clock for one of computing time, where others use the processors, too.
_PATIENCE = 10.0

_INTEGRATION = "integrationOnly"
# Settings of the solver that choose code of it.
METHODS = (
    "internal_sensitivity_method",
    "linear_solver",
    "non_linear_solver_iteration",
    "linear_multistep_method",
)


@dataclass(frozen=True)
class NativeCode:
    """A kind of native code; tolerances and limits make no difference to it.

    Attributes:
        sensitivities: none, forward or adjoint.
        steady_state, steady_state_sensitivities: as in `SolverSettings`; empty where there are no
            steady states or no sensitivities.
        internal_sensitivity_method, linear_solver, non_linear_solver_iteration,
        linear_multistep_method: as in `SolverSettings`; empty where they are AMICI's defaults or,
            for the first, where there are no forward sensitivities.
    """

    sensitivities: str
    steady_state: str = ""
    steady_state_sensitivities: str = ""
    internal_sensitivity_method: str = ""
    linear_solver: str = ""
    non_linear_solver_iteration: str = ""
    linear_multistep_method: str = ""

    @classmethod
    def of(cls, settings: SolverSettings, *, gradient: bool, steady_states: bool) -> NativeCode:
        """What settings run.

        Args:
            settings: how AMICI integrates.
            gradient: with sensitivities.
            steady_states: whether the problem looks for steady states.
        """
        methods = {name: settings.unusual.get(name, "") for name in METHODS}
        if not gradient or settings.sensitivities != "forward":
            methods["internal_sensitivity_method"] = ""
        return cls(
            settings.sensitivities if gradient else "none",
            settings.steady_state if steady_states else "",
            settings.steady_state_sensitivities if steady_states and gradient else "",
            **methods,
        )

    @classmethod
    def usual(cls, *, steady_states: bool) -> tuple[NativeCode, ...]:
        """What settings that leave steady states alone run."""
        return (
            cls.of(SolverSettings(), gradient=False, steady_states=steady_states),
            *(
                cls.of(SolverSettings(sensitivities=s), gradient=True, steady_states=steady_states)
                for s in SENSITIVITIES
            ),
        )

    @classmethod
    def named(cls, name: str) -> NativeCode:
        """The kind that has a name."""
        return cls(*name.split("-"))

    @property
    def name(self) -> str:
        """Its name, which makes a file name."""
        first = [self.sensitivities, self.steady_state, self.steady_state_sensitivities]
        methods = [getattr(self, name) for name in METHODS]
        return "-".join([*first, *(methods if any(methods) else ())])

    @property
    def gradient(self) -> bool:
        """Whether it computes sensitivities."""
        return self.sensitivities != "none"

    def settings(self) -> dict[str, str]:
        """Solver settings that run it, by name."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value and not (name == "sensitivities" and value == "none")
        }

    def __str__(self) -> str:
        what = (
            f"its gradient is computed with {self.sensitivities} sensitivities"
            if self.gradient
            else "its log-likelihood is computed"
        )
        modes = [
            f"{name} {value}"
            for name, value in (
                ("steady_state", self.steady_state),
                ("steady_state_sensitivities", self.steady_state_sensitivities),
            )
            if value not in ("", _INTEGRATION)
        ]
        modes += [value for name in METHODS if (value := getattr(self, name))]
        return f"{what} ({', '.join(modes)})" if modes else what


@dataclass(frozen=True)
class Limits:
    """What a trial may cost; what needs more counts as deadly.

    Attributes:
        seconds: of computing time, for one kind of native code.
        gigabytes: of memory beyond what the process had before, on Linux.
    """

    seconds: float = _TIME
    gigabytes: float = _MEMORY

    @classmethod
    def current(cls) -> Limits:
        """Those of `AMIJAX_TRIAL_TIMEOUT` (30 s) and `AMIJAX_TRIAL_MEMORY` (4 GB, or half of the
        machine's memory if that is less).
        """
        default = _MEMORY
        if sys.platform == "linux":
            machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
            default = min(default, machine / 2)
        return cls(_above_0(TIME_VARIABLE, _TIME), _above_0(MEMORY_VARIABLE, default))

    @property
    def wall_seconds(self) -> float:
        """Where nothing is computed, or others take the processors."""
        return _PATIENCE * self.seconds


End = Literal["survived", "ended", "raised", "time", "memory"]


@dataclass(frozen=True)
class Verdict:
    """What became of a kind of native code when it was tried.

    Attributes:
        end: survived, ended (the process did), raised (AMICI an exception), time or memory (there
            was not enough).
        detail: how, in words.
        limit: of time or memory, which was not enough.
    """

    end: End
    detail: str = ""
    limit: float | None = None

    def holds(self, limits: Limits) -> bool:
        """Whether there is no reason to try again: higher limits are one."""
        now = {"time": limits.seconds, "memory": limits.gigabytes}.get(self.end)
        return now is None or self.limit is None or now <= self.limit


def read_verdict(folders: ModelFolders, code: NativeCode) -> Verdict | None:
    """What is remembered of a model, None if nothing is."""
    try:
        content = json.loads((folders.verdicts / f"{code.name}.json").read_bytes())
        return Verdict(**{field.name: content[field.name] for field in fields(Verdict)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember_verdict(folders: ModelFolders, code: NativeCode, verdict: Verdict) -> None:
    """Write a verdict beside the model; without a place to write it is found again next time."""
    with suppress(OSError):
        text = json.dumps(asdict(verdict), indent=1)
        write_atomically(folders.verdicts / f"{code.name}.json", text)


def _above_0(variable: str, default: float) -> float:
    try:
        value = float(os.environ.get(variable, ""))
    except ValueError:
        return default
    return value if value > 0 else default
