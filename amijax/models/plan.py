"""What becomes of a problem: the model that is compiled, and what each simulation does with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amijax.scales import FloatArray, Scale


class Free(NamedTuple):
    """The value of a free parameter.

    Attributes:
        position: in theta.
    """

    position: int


type Value = float | Free


@dataclass(frozen=True)
class Repair:
    """A change of a model that makes AMICI's numbers right.

    Attributes:
        code: which kind of change.
        message: what was changed and why, a sentence in the user's ids.
        ids: the quantities that it is about, as the user calls them.
    """

    code: str
    message: str
    ids: tuple[str, ...]


REPAIR_OFF = "repair_off"  # code of a distrust: there are repairs that were not made


@dataclass(frozen=True)
class Distrust:
    """Something of a model that AMICI computes wrongly and that no repair mends.

    Attributes:
        code: which kind.
        message: what is not to be trusted and why, a sentence in the user's ids.
        sensitivities: the kinds of sensitivities whose gradient is wrong; empty if llh is.
        parameters: the free parameters whose gradient entries are in question; empty for all.
    """

    code: str
    message: str
    sensitivities: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class EventTime:
    """When an event happens.

    Attributes:
        event: its id, as the user has it.
        formula: of the model's parameters, in neutral ids.
    """

    event: str
    formula: str


@dataclass(frozen=True)
class ModelObservable:
    """An observable of the compiled model.

    An observable of PEtab's is compiled once for each set of overrides that one simulation needs.

    Attributes:
        id: the neutral id.
        observable: PEtab's observableId.
        label: what people see: the observableId, with a number where it is compiled several times.
        formula, sigma: in neutral ids, as AMICI reads them.
        distribution: AMICI's name of the noise distribution.
    """

    id: str
    observable: str
    label: str
    formula: str
    sigma: str
    distribution: str


@dataclass(frozen=True, eq=False)
class SimulationPlan:
    """One simulation of the compiled model.

    Attributes:
        condition, preequilibration: PEtab's ids, the latter None where there is none; in PEtab v2
            both are the experiment's.
        values: of all the model's parameters: during preequilibration, and after it.
        reset: states that the simulation sets anew after preequilibration, neutral ids.
        rows: positions in the measurement table, ascending.
        observables: for each of them, the position of the model's observable.
        sigma: for each of them, the noise scale where the table gives it as a number and the
            noise formula does no more than repeat it; else NaN.
        has_value: for each of the model's observables, whether the simulation's measurements give
            all overrides of its formula: without them it can be simulated, but means nothing.
        has_scale: likewise for its noise formula.
        start: the time at which it begins, after preequilibration.
        equilibrates_from_zero: whether the model's time runs from 0 on during preequilibration, as
            in PEtab v2.
    """

    condition: str
    preequilibration: str | None
    values: Mapping[str, tuple[Value, Value]]
    reset: tuple[str, ...]
    rows: np.ndarray
    observables: np.ndarray
    sigma: np.ndarray
    has_value: np.ndarray
    has_scale: np.ndarray
    start: float = 0.0
    equilibrates_from_zero: bool = False

    @property
    def label(self) -> str:
        """The condition, and the preequilibration behind a plus where it is another one."""
        if self.preequilibration in (None, self.condition):
            return self.condition
        return f"{self.condition}+{self.preequilibration}"


@dataclass(frozen=True, eq=False)
class ModelPlan:
    """A problem as AMICI computes it rightly.

    Attributes:
        sbml: the model with neutral ids, repaired.
        observables: of the compiled model, in order.
        fixed: parameters without sensitivities (AMICI's constants), neutral ids.
        own_ids: neutral id to what the user calls it.
        simulations: in the order of the problem's simulation conditions.
        repairs: what was changed in the model.
        distrusts: what is not to be trusted all the same.
        event_times: of events at times that parameters give.
    """

    sbml: bytes
    observables: tuple[ModelObservable, ...]
    fixed: tuple[str, ...]
    own_ids: Mapping[str, str]
    simulations: tuple[SimulationPlan, ...]
    repairs: tuple[Repair, ...]
    distrusts: tuple[Distrust, ...]
    event_times: tuple[EventTime, ...] = ()


@dataclass(frozen=True, eq=False)
class ProblemNumbers:
    """What simulations take from a problem besides its plan.

    Attributes:
        times, measurements: of the measurement table's rows.
        scales, nominal_theta: of the free parameters.
    """

    times: FloatArray
    measurements: FloatArray
    scales: tuple[Scale, ...]
    nominal_theta: FloatArray
