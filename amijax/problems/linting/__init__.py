"""Linting on opening: a problem's tables are read and checked against each other and the model."""

from __future__ import annotations

from dataclasses import dataclass

import petab.v1 as petab

from amijax.problems.findings import Findings
from amijax.problems.linting.conditions import (
    check_cells,
    check_columns,
    condition_columns,
    read_conditions,
)
from amijax.problems.linting.measurements import (
    Known,
    default_conditions,
    read_measurements,
    with_default_condition,
)
from amijax.problems.linting.model import check_values, model_ids, read_model
from amijax.problems.linting.observables import check_symbols, read_formulas, read_observables
from amijax.problems.linting.parameters import check_parameter_ids, read_parameters
from amijax.problems.linting.petab_linter import run_petab_linter
from amijax.problems.tables import Table

__all__ = ["ProblemTables", "lint"]


@dataclass(frozen=True)
class ProblemTables:
    """The tables of a problem as text; conditions may be left out."""

    parameters: Table
    conditions: Table | None
    measurements: Table
    observables: Table


def lint(
    tables: ProblemTables, sbml: str, model_file: str, findings: Findings
) -> petab.Problem | None:
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
    ids = model_ids(model.sbml_model)
    parameter_df = read_parameters(tables.parameters, findings)
    observable_df = read_observables(tables.observables, findings)
    if parameter_df is None or observable_df is None:
        return None
    parameters = frozenset(parameter_df.index)
    condition_df = None
    if tables.conditions is not None:
        condition_df = read_conditions(tables.conditions, parameters, findings)
        if condition_df is None:
            return None
    columns = frozenset(condition_columns(tables.conditions))
    formulas = read_formulas(tables.observables, findings)
    check_symbols(tables.observables, formulas, ids, parameters | columns, findings)
    measured = read_measurements(
        with_default_condition(tables.measurements, condition_df),
        Known(
            formulas, None if condition_df is None else tuple(condition_df.index),
            parameters | columns | (ids.of_kind("parameter") - set(ids.rules)),
        ),
        findings,
    )  # fmt: skip
    if measured is None:
        return None
    measurement_df, overrides, conditions = measured
    symbols = frozenset[str]().union(*(f.symbols for f in formulas.values()))
    used = symbols | overrides
    if tables.conditions is not None:
        looked_at = tuple(columns)
        if all(f.readable for f in formulas.values()):
            outputs = symbols - set(ids.kinds)
            looked_at = check_columns(tables.conditions, ids, outputs, findings)
        used |= check_cells(tables.conditions, looked_at, ids, parameters, conditions, findings)
    else:
        condition_df = default_conditions(conditions)
    # A misspelt id elsewhere would make a parameter look superfluous.
    known_use = None if findings.errors else used
    check_parameter_ids(tables.parameters, known_use, columns, ids, findings)
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
    run_petab_linter(problem, findings)
    return None if findings.errors else problem
