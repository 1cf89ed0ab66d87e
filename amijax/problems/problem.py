"""The problem record: one PEtab parameter-estimation problem, as everything else reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import petab.v1 as petab
from numpy.typing import ArrayLike
from petab.v1 import C

from amijax.html_tables import Column, Row
from amijax.notebook_html import number, report
from amijax.problems.experiments import Experiment
from amijax.problems.findings import Finding, ProblemError
from amijax.problems.names import nearest
from amijax.scales import FloatArray, Scale, to_linear

PetabVersion = Literal["1", "2"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A PEtab problem with the facts about its free parameters as arrays.

    `theta` means parameters on their PEtab scale, `p` on linear scale. Arrays have shape
    (n_parameters,), are float64 and read-only, and follow `parameter_ids`.

    Attributes:
        problem_id: the name under which the problem is known.
        petab_problem: PEtab's own object: the tables as the files have them, but rows without a
            measurement left out and missing nominal values filled in; local SBML parameters made
            global. Tables of PEtab v2 have v1's columns here: an experiment is a simulation
            condition that sets nothing, what it changes is in `experiments`. To be read only.
        source: the YAML file.
        digest: of the files from which it was opened.
        description: what the model's author says of it, plain text, may be empty.
        reference: address of the publication, if known.
        parameter_ids: the free (estimated) parameters in the order of the parameter table.
        parameter_names: their names, the id where the table has none.
        scales: the scales of theta: those of the parameter table in PEtab v1; in PEtab v2, which
            has none, the caller's choice, or `default_scales`.
        nominal_theta, lower_theta, upper_theta: nominal values and bounds on the PEtab scale.
        fixed_parameters: the non-estimated parameters of the table and their linear values.
        warnings: what a person should know of the files before trusting a number.
        repair: whether the model is changed where AMICI would compute wrong numbers. Switched off
            only to show what AMICI makes of the model as it is.
        petab_version: of the files: 1 or 2.
        experiments: of PEtab v2, those that are measured, in the order of
            `simulation_conditions`; none in PEtab v1.
        default_scales: what the scales are if nobody says otherwise.
    """

    problem_id: str
    petab_problem: petab.Problem
    source: Path
    digest: str
    description: str
    reference: str | None
    parameter_ids: tuple[str, ...]
    parameter_names: tuple[str, ...]
    scales: tuple[Scale, ...]
    nominal_theta: FloatArray
    lower_theta: FloatArray
    upper_theta: FloatArray
    fixed_parameters: dict[str, float]
    warnings: tuple[Finding, ...] = ()
    repair: bool = True
    petab_version: PetabVersion = "1"
    experiments: tuple[Experiment, ...] = ()
    default_scales: tuple[Scale, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.parameter_ids)

    @cached_property
    def nominal_p(self) -> FloatArray:
        """Nominal values on linear scale, as the parameter table has them."""
        return self._column(C.NOMINAL_VALUE)

    @cached_property
    def lower_p(self) -> FloatArray:
        """Lower bounds on linear scale, as the parameter table has them."""
        return self._column(C.LOWER_BOUND)

    @cached_property
    def upper_p(self) -> FloatArray:
        """Upper bounds on linear scale, as the parameter table has them."""
        return self._column(C.UPPER_BOUND)

    @property
    def conditions(self) -> pd.DataFrame:
        """PEtab's condition table."""
        return self.petab_problem.condition_df

    @property
    def observables(self) -> pd.DataFrame:
        """PEtab's observable table."""
        return self.petab_problem.observable_df

    @property
    def measurements(self) -> pd.DataFrame:
        """PEtab's measurement table."""
        return self.petab_problem.measurement_df

    @cached_property
    def simulation_conditions(self) -> pd.DataFrame:
        """One row for each simulation: its condition and, in a column that is there if any has
        one, its preequilibration condition, "" for none. Sorted, as PEtab's own are.
        """
        columns = [C.SIMULATION_CONDITION_ID]
        if C.PREEQUILIBRATION_CONDITION_ID in self.measurements:
            columns.append(C.PREEQUILIBRATION_CONDITION_ID)
        pairs = self.measurements[columns].astype(object).fillna("").drop_duplicates()
        return pairs.sort_values(columns, ignore_index=True)

    @property
    def n_states(self) -> int:
        """Number of SBML species."""
        return int(self.petab_problem.model.sbml_model.getNumSpecies())

    @property
    def n_measurements(self) -> int:
        """Number of rows of the measurement table."""
        return len(self.measurements)

    @property
    def chosen_scales(self) -> dict[str, Scale]:
        """The scales that are not the default ones, by parameter; in PEtab v1 none are."""
        if self.petab_version == "1":
            return {}
        return {
            name: scale
            for name, scale, default in zip(
                self.parameter_ids, self.scales, self.default_scales, strict=True
            )
            if scale != default
        }

    @property
    def identity(self) -> str:
        """A text that two problems share if their files and what theta means are the same."""
        scales = ",".join(f"{name}:{scale}" for name, scale in self.chosen_scales.items())
        return f"{self.digest} {scales}".rstrip()

    def __repr__(self) -> str:
        return f"<Problem {self.problem_id}: {self.n_parameters} parameters>"

    def _repr_html_(self) -> str:
        """The free parameters as a table, for notebooks."""
        return self.report(self.problem_id, ())

    def report(self, title: str, lines: Sequence[str]) -> str:
        """HTML for notebooks: the free parameters as a table, size and warnings below.

        Args:
            title: above the table.
            lines: sentences to be said first below it.
        """
        numbers = zip(
            self.nominal_theta, self.nominal_p, self.lower_theta, self.upper_theta, strict=True
        )
        rows = [
            Row(name, [scale, *map(number, values)])
            for name, scale, values in zip(self.parameter_ids, self.scales, numbers, strict=True)
        ]
        columns = [
            Column("scale"), Column("nominal theta", "on the PEtab scale", strong=True),
            Column("linear", "the nominal value on linear scale"),
            Column("lower", "bound of theta"), Column("upper", "bound of theta"),
        ]  # fmt: skip
        size = (
            f"{self.n_parameters} free parameters, {self.n_states} states, "
            f"{len(self.simulation_conditions)} simulations, {self.n_measurements} measurements."
        )
        found = [f"Warning: {warning}" for warning in self.warnings]
        return report(
            title, [*lines, size, *found], "parameter", columns, rows,
            rest="problem.petab_problem.parameter_df",
        )  # fmt: skip

    def without_repairs(self) -> Problem:
        """The same problem with its model as it is: numbers may be AMICI's wrong ones."""
        return replace(self, repair=False)

    def checked(self, theta: ArrayLike) -> FloatArray:
        """A float64 copy of theta, on the PEtab scale.

        Raises:
            ValueError: it does not have shape (n_parameters,).
        """
        point = np.array(theta, dtype=np.float64)
        if point.shape != (self.n_parameters,):
            raise ValueError(
                f"theta must have shape ({self.n_parameters},), one value for each free parameter "
                f"of {self.problem_id}, but has shape {point.shape}."
            )
        return point

    def checked_points(self, thetas: ArrayLike) -> FloatArray:
        """A float64 copy of many points, one in each row, on the PEtab scale.

        Raises:
            ValueError: it does not have shape (n, n_parameters).
        """
        points = np.array(thetas, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.n_parameters:
            raise ValueError(
                f"thetas must have shape (n, {self.n_parameters}), a row for each point, "
                f"but has shape {points.shape}."
            )
        return points

    def theta_from(
        self, values: dict[str, float], *, linear: bool = False, base: FloatArray | None = None
    ) -> FloatArray:
        """A full theta from some parameters' values.

        Args:
            values: parameter id to value.
            linear: the values are on linear scale, not on the PEtab scale.
            base: theta for the parameters not named; nominal if not given.

        Raises:
            ProblemError: an id is not a free parameter, or a value has no logarithm.
        """
        theta = np.array(self.nominal_theta if base is None else base, dtype=np.float64)
        for parameter, value in values.items():
            if parameter not in self.parameter_ids:
                why = (
                    "it is fixed in the parameter table"
                    if parameter in self.fixed_parameters
                    else "the parameter table has no such parameter"
                    + nearest(parameter, self.parameter_ids)
                )
                raise ProblemError(
                    f"{parameter!r} is not a free parameter of {self.problem_id}: {why}."
                )
            i = self.parameter_ids.index(parameter)
            if not linear or self.scales[i] == "lin":
                theta[i] = value
            elif value > 0:
                theta[i] = np.log10(value) if self.scales[i] == "log10" else np.log(value)
            else:
                raise ProblemError(
                    f"{parameter} = {value:g} on linear scale has no {self.scales[i]} value: "
                    "give a number above 0."
                )
        return theta

    def linear(self, theta: FloatArray) -> FloatArray:
        """Bring theta to linear scale."""
        return to_linear(theta, self.scales)

    def _column(self, column: str) -> FloatArray:
        values = self.petab_problem.parameter_df.loc[list(self.parameter_ids), column]
        array = values.to_numpy(dtype=np.float64, copy=True)
        array.setflags(write=False)
        return array
