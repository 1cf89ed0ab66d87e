"""What PEtab's tables give each model quantity in each simulation, as PEtab's text says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from petab.v1 import C

from amijax.models.plan import Free, Value
from amijax.problems.experiments import Experiment
from amijax.problems.problem import Problem, ProblemError


class InSimulation(NamedTuple):
    """A quantity's value in one simulation; None where the tables don't give one.

    Attributes:
        preequilibration: during preequilibration; the same as `simulation` where there is none.
        simulation: during the simulation itself.
    """

    preequilibration: Value | None
    simulation: Value | None


@dataclass(frozen=True, eq=False)
class Simulation:
    """One simulation that a problem asks for.

    Attributes:
        condition: PEtab's simulationConditionId, or PEtab v2's experimentId.
        preequilibration: PEtab's preequilibrationConditionId, or once more the experimentId; None
            where there is none.
        rows: its rows' positions in the measurement table, ascending.
        experiment: PEtab v2's; None in PEtab v1.
    """

    condition: str
    preequilibration: str | None
    rows: np.ndarray
    experiment: Experiment | None = None

    @property
    def start(self) -> float:
        """When it begins, after preequilibration."""
        return 0.0 if self.experiment is None else self.experiment.start

    @property
    def first_time(self) -> float:
        """The time at which its model has its initial values: PEtab v2 equilibrates from 0 on."""
        return 0.0 if self.preequilibration is not None else self.start


def simulations(problem: Problem) -> tuple[Simulation, ...]:
    """The simulations of a problem, in the order of `problem.simulation_conditions`."""
    table = problem.measurements
    keys = pd.Series(list(_keys(table)), index=range(len(table)))
    rows = {key: np.asarray(positions) for key, positions in keys.groupby(keys).groups.items()}
    if problem.petab_version == "2":
        return tuple(
            Simulation(
                experiment.experiment_id,
                None if experiment.preequilibration is None else experiment.experiment_id,
                np.sort(rows[experiment.experiment_id, ""]),
                experiment,
            )
            for experiment in problem.experiments
        )
    return tuple(
        Simulation(condition, preequilibration or None, np.sort(rows[condition, preequilibration]))
        for condition, preequilibration in _keys(problem.simulation_conditions)
    )


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    conditions = table[C.SIMULATION_CONDITION_ID].astype(str)
    if C.PREEQUILIBRATION_CONDITION_ID not in table:
        return [(condition, "") for condition in conditions]
    preequilibration = table[C.PREEQUILIBRATION_CONDITION_ID].fillna("").astype(str)
    return list(zip(conditions, preequilibration, strict=True))


class Tables:
    """Values of the parameter and the condition table."""

    def __init__(self, problem: Problem, planned: tuple[Simulation, ...]) -> None:
        """Read the tables.

        Args:
            problem: gives them.
            planned: its simulations.
        """
        self._id = problem.problem_id
        self._conditions = problem.conditions
        self._planned = planned
        self._free = {name: Free(i) for i, name in enumerate(problem.parameter_ids)}
        self._fixed = problem.fixed_parameters
        self.columns: tuple[str, ...] = tuple(
            str(column) for column in problem.conditions if column != C.CONDITION_NAME
        )

    def parameter(self, name: str) -> Value | None:
        """A parameter's value by the parameter table; None if it has no such parameter."""
        free = self._free.get(name)
        return self._fixed.get(name) if free is None else free

    def parameter_ids(self) -> tuple[str, ...]:
        """All ids of the parameter table."""
        return (*self._free, *self._fixed)

    def given(self, column: str, defaults: dict[str, Value]) -> list[InSimulation]:
        """What the condition table gives a quantity in each simulation.

        Args:
            column: the quantity's id.
            defaults: values of model parameters that are in no table, by id: a cell may name one.
        """
        return [
            InSimulation(
                self._cell(planned.preequilibration or planned.condition, column, defaults),
                self._cell(planned.condition, column, defaults),
            )
            for planned in self._planned
        ]

    def _cell(self, condition: str, column: str, defaults: dict[str, Value]) -> Value | None:
        """One cell's value; None where it is empty, or without such a column or condition."""
        if column not in self._conditions or condition not in self._conditions.index:
            return None
        return self.value(
            self._conditions.at[condition, column],
            f"column {column} of the condition table, condition {condition}",
            lambda name: self._named(condition, name, defaults),
        )

    def _named(
        self, condition: str, name: str, defaults: dict[str, Value], depth: int = 0
    ) -> Value | None:
        """What a cell that names a parameter means."""
        if (value := self.parameter(name)) is not None:
            return value
        if depth < len(self.columns) and name in self._conditions:
            cell = self._conditions.at[condition, name]
            value = self.value(
                cell, f"column {name} of the condition table",
                lambda other: self._named(condition, other, defaults, depth + 1),
            )  # fmt: skip
            if value is not None:
                return value
        return defaults.get(name)

    def value(self, cell: Any, where: str, named: Any = None) -> Value | None:
        """The value of a cell: a number or a parameter's id; None where it is empty.

        Args:
            cell: its content.
            where: for the sentence about a mistake.
            named: what an id means; the parameter table says it if not given.

        Raises:
            ProblemError: it is neither, or the parameter is unknown.
        """
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return None
        text = str(cell).strip()
        try:
            number = float(text)
        except ValueError:
            value = (named or self.parameter)(text) if text else None
            if text and value is None:
                raise ProblemError(
                    f"{self._id}: {text!r} in {where} is neither a number nor a parameter of the "
                    "parameter table or the model."
                ) from None
            return value
        return None if math.isnan(number) else number
