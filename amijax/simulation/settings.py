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
InternalSensitivityMethod = Literal["simultaneous", "staggered", "staggered1"]
# AMICI 1.1 names others that it refuses (LAPACK, SuperLUMT), that fail (band: the models that it
# generates have no band widths) or that end the process (diag).
LinearSolver = Literal["KLU", "dense", "SPGMR", "SPBCG", "SPTFQMR"]
NonlinearSolverIteration = Literal["newton", "fixedpoint"]
LinearMultistepMethod = Literal["BDF", "adams"]

SENSITIVITIES: tuple[Sensitivities, ...] = get_args(Sensitivities)
ASKED_SENSITIVITIES: tuple[AskedSensitivities, ...] = get_args(AskedSensitivities)
STEADY_STATES: tuple[SteadyState, ...] = get_args(SteadyState)
INTERNAL_SENSITIVITY_METHODS: tuple[InternalSensitivityMethod, ...] = get_args(
    InternalSensitivityMethod
)
LINEAR_SOLVERS: tuple[LinearSolver, ...] = get_args(LinearSolver)

# Settings that are one of a few words, but for the kind of sensitivities, where auto is another.
OPTIONS: dict[str, tuple[str, ...]] = {
    "steady_state": STEADY_STATES,
    "steady_state_sensitivities": STEADY_STATES,
    "internal_sensitivity_method": INTERNAL_SENSITIVITY_METHODS,
    "linear_solver": LINEAR_SOLVERS,
    "non_linear_solver_iteration": get_args(NonlinearSolverIteration),
    "linear_multistep_method": get_args(LinearMultistepMethod),
}

# Tolerances that follow rtol and atol where they are None.
FOLLOWING = (
    "rtol_fsa", "atol_fsa", "rtol_b", "atol_b", "rtol_steady_state", "atol_steady_state",
    "rtol_steady_state_sensi", "atol_steady_state_sensi",
)  # fmt: skip

# What AMICI's solver is told beyond the usual, by setting: its method, and the enumeration that the
# value is a name of. Text, since nothing of AMICI is loaded here; exported scripts hold it, too.
SETTERS: dict[str, tuple[str, str]] = {
    "internal_sensitivity_method": (
        "set_internal_sensitivity_method", "InternalSensitivityMethod",
    ),
    "linear_solver": ("set_linear_solver", "LinearSolver"),
    "non_linear_solver_iteration": (
        "set_non_linear_solver_iteration", "NonlinearSolverIteration",
    ),
    "linear_multistep_method": ("set_linear_multistep_method", "LinearMultistepMethod"),
    "rtol_fsa": ("set_relative_tolerance_fsa", ""),
    "atol_fsa": ("set_absolute_tolerance_fsa", ""),
    "rtol_b": ("set_relative_tolerance_b", ""),
    "atol_b": ("set_absolute_tolerance_b", ""),
    "rtol_quadratures": ("set_relative_tolerance_quadratures", ""),
    "atol_quadratures": ("set_absolute_tolerance_quadratures", ""),
    "rtol_steady_state": ("set_relative_tolerance_steady_state", ""),
    "atol_steady_state": ("set_absolute_tolerance_steady_state", ""),
    "rtol_steady_state_sensi": ("set_relative_tolerance_steady_state_sensi", ""),
    "atol_steady_state_sensi": ("set_absolute_tolerance_steady_state_sensi", ""),
}  # fmt: skip

DEFAULT_TIME_LIMIT = 60.0
MOST_STEPS = 100_000_000

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


def _checked(name: str, value: Any, sensitivities: Sequence[str]) -> Any:
    """A setting's value in its own type.

    Raises:
        ValueError: it can't be used; the message is a sentence.
    """
    options = sensitivities if name == "sensitivities" else OPTIONS.get(name, ())
    if options:
        if not (isinstance(value, str) and value in options):
            raise ValueError(f"{name} must be one of {', '.join(options)}.")
        return value
    if value is None and name in FOLLOWING:
        return None
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


@dataclass(frozen=True, kw_only=True)
class SolverMethods:
    """What `SolverSettings` and `SolverChoice` have in common; the defaults are AMICI's own.

    Attributes:
        steady_state: how a steady state is computed, where the problem has preequilibration.
        steady_state_sensitivities: how its sensitivities are computed.
        internal_sensitivity_method: whether forward sensitivities are solved for together with the
            states (simultaneous), after them (staggered), or one parameter after the other
            (staggered1).
        rtol_fsa, atol_fsa: tolerances of forward sensitivities; None means rtol and atol.
        rtol_b, atol_b: tolerances of the adjoint equations; None means rtol and atol.
        rtol_quadratures, atol_quadratures: tolerances of the integrals that adjoint gradients are.
        rtol_steady_state, atol_steady_state: when a state counts as steady; None means a hundred
            times rtol and atol.
        rtol_steady_state_sensi, atol_steady_state_sensi: the same of its sensitivities.
        linear_solver: of the equations in each of Newton's steps.
        non_linear_solver_iteration: Newton's, or fixed-point iteration, which is for problems that
            are not stiff.
        linear_multistep_method: BDF, or Adams, which is for problems that are not stiff.
    """

    steady_state: SteadyState = "integrationOnly"
    steady_state_sensitivities: SteadyState = "integrationOnly"
    internal_sensitivity_method: InternalSensitivityMethod = "simultaneous"
    rtol_fsa: float | None = None
    atol_fsa: float | None = None
    rtol_b: float | None = None
    atol_b: float | None = None
    rtol_quadratures: float = 1e-8
    atol_quadratures: float = 1e-12
    rtol_steady_state: float | None = None
    atol_steady_state: float | None = None
    rtol_steady_state_sensi: float | None = None
    atol_steady_state_sensi: float | None = None
    linear_solver: LinearSolver = "KLU"
    non_linear_solver_iteration: NonlinearSolverIteration = "newton"
    linear_multistep_method: LinearMultistepMethod = "BDF"

    @property
    def unusual(self) -> dict[str, Any]:
        """Those of `SETTERS` that are not AMICI's defaults, by name."""
        own = {name: getattr(self, name) for name in SETTERS}
        return {k: value for k, value in own.items() if value != getattr(SolverMethods, k)}


@dataclass(frozen=True)
class SolverSettings(SolverMethods):
    """How AMICI integrates. The defaults are AMICI's own, but for the time limit.

    Attributes:
        rtol: relative tolerance.
        atol: absolute tolerance.
        max_steps: most solver steps between two outputs.
        time_limit: seconds for one simulation (one condition).
        sensitivities: forward or adjoint sensitivity equations.
    """

    rtol: float = 1e-8
    atol: float = 1e-16
    max_steps: int = 10_000
    time_limit: float = DEFAULT_TIME_LIMIT
    sensitivities: Sensitivities = "forward"

    def __post_init__(self) -> None:
        for each in fields(self):
            _checked(each.name, getattr(self, each.name), SENSITIVITIES)

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, tolerances and limits first."""
        own = asdict(self)
        methods = [each.name for each in fields(SolverMethods)]
        return {name: own[name] for name in (*(k for k in own if k not in methods), *methods)}

    def at(self, rtol: float, atol: float, **changes: Any) -> SolverSettings:
        """The same methods at other tolerances, which all others follow.

        Args:
            rtol: relative tolerance.
            atol: absolute tolerance.
            changes: other settings by name.
        """
        following = dict.fromkeys(FOLLOWING)
        return replace(self, **{**following, "rtol": rtol, "atol": atol, **changes})

    def looser(self, factor: float) -> SolverSettings:
        """The same with rtol, atol, and those that don't follow them, larger by a factor."""
        names = ("rtol", "atol", *(name for name in FOLLOWING if getattr(self, name) is not None))
        changes: dict[str, Any] = {name: factor * getattr(self, name) for name in names}
        return replace(self, **changes)

    def __str__(self) -> str:
        more = "".join(
            f", {value}" if isinstance(value, str) else f", {name} {value:g}"
            for name, value in self.unusual.items()
        )
        return f"rtol {self.rtol:g}, atol {self.atol:g}, {self.sensitivities} sensitivities{more}"


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
class SolverChoice(SolverMethods):
    """What a person asks of the solver; None and "auto" are left to `amijax.auto`.

    Attributes:
        rtol, atol: None in both means the ladder; one alone takes AMICI's default for the other.
        max_steps: None means what comes with the tolerances.
        time_limit: seconds for one simulation (one condition), for each try.
        sensitivities: auto means the faster of forward and adjoint whose gradients agree.
    """

    rtol: float | None = None
    atol: float | None = None
    max_steps: int | None = None
    time_limit: float = DEFAULT_TIME_LIMIT
    sensitivities: AskedSensitivities = "auto"

    def __post_init__(self) -> None:
        self.ladder()  # SolverSettings refuses what makes no sense

    @classmethod
    def of(cls, settings: SolverSettings) -> SolverChoice:
        """The choice that leaves nothing open: these settings."""
        return cls(**settings.as_dict())

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
                **{each.name: getattr(self, each.name) for each in fields(SolverMethods)},
            )
            for rung in rungs
        )
