"""Linting on opening: a problem's tables are read and checked against each other and the model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd
import petab.v1 as petab
from petab.v1 import C

from amijax.problems.experiments import Experiment
from amijax.problems.findings import Findings
from amijax.problems.linting.conditions import (
    check_cells,
    check_columns,
    condition_columns,
    read_conditions,
)
from amijax.problems.linting.experiments import ConditionTable, check_changes
from amijax.problems.linting.mappings import name_local_parameters
from amijax.problems.linting.measurements import (
    Known,
    default_conditions,
    read_measurements,
    with_default_condition,
)
from amijax.problems.linting.model import check_values, model_ids, read_model
from amijax.problems.linting.observables import (
    Formulas,
    check_symbols,
    read_formulas,
    read_observables,
)
from amijax.problems.linting.parameters import check_parameter_ids, read_parameters
from amijax.problems.linting.petab_linter import run_petab_linter
from amijax.problems.petab_v2 import MEASUREMENT_COLUMNS, OBSERVABLE_COLUMNS, PARAMETER_COLUMNS
from amijax.problems.tables import Table

__all__ = ["Checked", "ExperimentTables", "ProblemTables", "lint"]


@dataclass(frozen=True)
class ProblemTables:
    """The tables of a problem as text; conditions may be left out.

    Of a PEtab v2 problem they have v1's columns, as `petab_v2` gives them.

    Attributes:
        experiments: PEtab v2's tables of conditions and experiments, and what a measurement's
            experiment is called where it names none; None in PEtab v1.
    """

    parameters: Table
    conditions: Table | None
    measurements: Table
    observables: Table
    experiments: ExperimentTables | None = None


@dataclass(frozen=True)
class ExperimentTables:
    """What PEtab v2 says of simulations.

    Attributes:
        table: the condition table.
        conditions: the same, read.
        experiments: by id.
        default: what stands for no experiment.
        mappings: the mapping table.
    """

    table: Table | None
    conditions: ConditionTable
    experiments: Mapping[str, Experiment]
    default: str
    mappings: Table | None


@dataclass(frozen=True)
class Checked:
    """A problem in which no mistake was found.

    Attributes:
        problem: PEtab's object.
        experiments: of PEtab v2, those that are measured.
    """

    problem: petab.Problem
    experiments: tuple[Experiment, ...] = ()


def lint(tables: ProblemTables, sbml: str, model_file: str, findings: Findings) -> Checked | None:
    """Check a problem as a whole and make PEtab's object of it.

    Its tables hold text as ids, numbers as numbers, and NaN where a cell is empty; rows without
    a measurement are left out, and a problem without conditions gets empty ones.

    Args:
        tables: as text.
        sbml: the model.
        model_file: its name.
        findings: where everything is noted.

    Returns:
        None if a mistake was found.
    """
    model = read_model(sbml, model_file, findings)
    if model is None:
        return None
    v2 = tables.experiments
    if v2 is not None:
        name_local_parameters(model.sbml_model, v2.mappings, findings)
    ids = model_ids(model.sbml_model)
    parameter_df = read_parameters(
        tables.parameters, findings, C.PARAMETER_DF_COLS if v2 is None else PARAMETER_COLUMNS
    )
    observable_df = read_observables(
        tables.observables, findings, C.OBSERVABLE_DF_COLS if v2 is None else OBSERVABLE_COLUMNS
    )
    if parameter_df is None or observable_df is None:
        return None
    parameters = frozenset(parameter_df.index)
    condition_df = None
    if tables.conditions is not None:
        condition_df = read_conditions(tables.conditions, parameters, findings)
        if condition_df is None:
            return None
    columns = frozenset(condition_columns(tables.conditions))
    known_simulations = None if condition_df is None else tuple(condition_df.index)
    if v2 is not None:
        columns = v2.conditions.targets
        known_simulations = (*v2.experiments, v2.default)
    formulas = read_formulas(tables.observables, findings)
    check_symbols(tables.observables, formulas, ids, parameters | columns, findings)
    measured = read_measurements(
        with_default_condition(tables.measurements, known_simulations),
        Known(
            formulas, known_simulations,
            parameters | columns | (ids.of_kind("parameter") - set(ids.rules)),
            *(
                ()
                if v2 is None
                else (
                    "experiment",
                    {name: experiment.start for name, experiment in v2.experiments.items()},
                    tuple(MEASUREMENT_COLUMNS),
                )
            ),
        ),
        findings,
    )  # fmt: skip
    if measured is None:
        return None
    measurement_df, overrides, conditions = measured
    symbols = frozenset[str]().union(*(f.symbols for f in formulas.values()))
    used = symbols | overrides
    if v2 is not None:
        outputs = symbols - set(ids.kinds)
        applied = {
            condition
            for name in conditions & v2.experiments.keys()
            for period in v2.experiments[name].periods
            for condition in period.conditions
        }
        check_changes(v2.table, applied, ids, parameters, outputs, findings)
        used = used.union(*v2.conditions.symbols.values())
        condition_df = default_conditions(conditions)
    elif tables.conditions is not None:
        looked_at = tuple(columns)
        if all(f.readable for f in formulas.values()):
            outputs = symbols - set(ids.kinds)
            looked_at = check_columns(tables.conditions, ids, outputs, findings)
        used |= check_cells(tables.conditions, looked_at, ids, parameters, conditions, findings)
    else:
        condition_df = default_conditions(conditions)
    # A misspelt id elsewhere would make a parameter look superfluous.
    known_use = None if findings.errors else used
    check_parameter_ids(
        tables.parameters, known_use, condition_columns(tables.conditions), ids, findings
    )  # what conditions of PEtab v2 change was compared with the parameter table above
    check_values(ids, parameters | columns, model_file, findings)
    if findings.errors:
        return None
    problem = petab.Problem(
        model=model,
        parameter_df=parameter_df,
        condition_df=condition_df,
        observable_df=observable_df,
        measurement_df=measurement_df,
    )
    if v2 is None:
        run_petab_linter(problem, findings)
        return None if findings.errors else Checked(problem)
    measured_experiments = _measured(v2, measurement_df, formulas, columns - ids.kinds.keys())
    experiments = tuple(experiment for experiment, _ in measured_experiments)
    for experiment, missing in measured_experiments:
        for output in missing:
            findings.error(
                f"{output} has no value in the experiment {experiment.experiment_id}: neither the "
                "model nor the conditions of its first period give one.",
                "no_value", v2.table.name if v2.table is not None else "",
            )  # fmt: skip
    return None if findings.errors else Checked(problem, experiments)


def _measured(
    v2: ExperimentTables, measurements: pd.DataFrame, formulas: Mapping[str, Formulas],
    outputs: Collection[str],
) -> list[tuple[Experiment, list[str]]]:  # fmt: skip
    """Experiments that are measured, and what of their observables has no value there.

    Args:
        v2: all experiments.
        measurements: the measurement table.
        formulas: of observables.
        outputs: what conditions give values and the model does not have.
    """
    rows = measurements.groupby(C.SIMULATION_CONDITION_ID)[C.OBSERVABLE_ID]
    found = []
    for name, observables in sorted(rows.unique().items()):
        experiment = v2.experiments.get(name, Experiment(name))
        given = {change.target for period in experiment.periods[:1] for change in period.changes}
        needed = frozenset[str]().union(*(formulas[o].symbols for o in observables))
        found.append((experiment, sorted((needed & set(outputs)) - given)))
    return found
