"""Experiments of PEtab v2: what is changed in the model, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One row of PEtab's condition table.

    Attributes:
        target: id of what is changed.
        value: the formula of its new value, in PEtab's grammar.
    """

    target: str
    value: str


@dataclass(frozen=True)
class Period:
    """A time from which on something is changed.

    Attributes:
        time: when it begins; minus infinity for one that is simulated to its steady state.
        conditions: ids of the conditions that are applied, all at once.
        changes: all that they change.
    """

    time: float
    conditions: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Experiment:
    """One simulation that a PEtab v2 problem asks for.

    Attributes:
        experiment_id: PEtab's id, or one made up for measurements that name no experiment.
        periods: in the order of their times; none if the model is simulated as it is.
    """

    experiment_id: str
    periods: tuple[Period, ...] = ()

    @property
    def preequilibration(self) -> Period | None:
        """The period that is simulated to its steady state, which is the first."""
        first = self.periods[0] if self.periods else None
        return first if first is not None and math.isinf(first.time) else None

    @property
    def simulated(self) -> tuple[Period, ...]:
        """The periods after preequilibration."""
        return self.periods if self.preequilibration is None else self.periods[1:]

    @property
    def start(self) -> float:
        """The time at which the simulation begins, after preequilibration."""
        return self.simulated[0].time if self.simulated else 0.0
