"""The condition table: its cells as what they mean, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from petab.v1 import C

from amijax.problems.findings import Findings
from amijax.problems.linting.model import ModelIds
from amijax.problems.names import nearest, quoted
from amijax.problems.tables import (
    MISSING,
    Table,
    check_ids,
    is_id,
    number,
    number_or_text,
    optional_text,
    require,
)


def condition_columns(table: Table | None) -> tuple[str, ...]:
    """What a condition table sets."""
    if table is None:
        return ()
    return tuple(c for c in table.columns if c not in (C.CONDITION_ID, C.CONDITION_NAME))


def read_conditions(
    table: Table, parameter_ids: Collection[str], findings: Findings
) -> pd.DataFrame | None:
    """The condition table as PEtab's own.

    Args:
        table: as text.
        parameter_ids: those of the parameter table.
        findings: where mistakes are noted.

    Returns:
        None if a column is missing.
    """
    if not require(table, (C.CONDITION_ID,), findings):
        return None
    check_ids(table, C.CONDITION_ID, findings)
    values = {
        name: optional_text(table, name)
        if name == C.CONDITION_NAME
        else number_or_text(table.column(name), parameter_ids)
        for name in table.columns
        if name != C.CONDITION_ID
    }
    index = pd.Index(table.column(C.CONDITION_ID), name=C.CONDITION_ID, dtype=object)
    return pd.DataFrame(values, index=index)


def check_columns(
    table: Table, model: ModelIds, output_parameters: Collection[str], findings: Findings
) -> tuple[str, ...]:
    """Note columns that set nothing, or what can't be set; return the others.

    Args:
        table: as text.
        model: its ids.
        output_parameters: ids in formulas and overrides that are not the model's.
        findings: where mistakes are noted.
    """
    good = []
    settable = model.of_kind("parameter", "species", "compartment")
    for column in condition_columns(table):
        if column in settable:
            if model.rules.get(column) == "an assignment rule":
                table.error(
                    findings, "condition_column",
                    f"{column} is determined by an assignment rule of the model, so no condition "
                    "can set it.",
                    column=column,
                )  # fmt: skip
            else:
                good.append(column)
        elif column in output_parameters:
            good.append(column)
        else:
            what = (
                f"a {model.kinds[column]} of the model, which no condition can set"
                if column in model.kinds
                else "neither in the model nor in a formula"
                f"{nearest(column, (*settable, *output_parameters))}"
            )
            table.error(findings, "condition_column", f"{column} is {what}.", column=column)
    return tuple(good)


def check_cells(
    table: Table, columns: Collection[str], model: ModelIds, parameter_ids: Collection[str],
    used: Collection[str], findings: Findings,
) -> set[str]:  # fmt: skip
    """Note cells that are neither numbers nor parameters; return the parameters.

    Args:
        table: as text.
        columns: those to look at.
        model: its ids.
        parameter_ids: those of the parameter table.
        used: the conditions that are simulated.
        findings: where mistakes are noted.
    """
    referred: set[str] = set()
    is_used = np.isin(table.column(C.CONDITION_ID), list(used))
    own = model.of_kind("parameter") - set(model.rules)
    for column in columns:
        cells = table.column(column)
        text = np.array([number(cell) is None for cell in cells], dtype=bool)
        for value, rows in table.each(column, text):
            if value in parameter_ids:
                referred.add(value)
            elif value in MISSING:
                rows = rows[is_used[rows]]
                if rows.size and column not in model.kinds:
                    table.error(
                        findings, "condition_cell",
                        f"{column} has no value here, and none in the model.", rows, column,
                    )  # fmt: skip
            elif value not in own:
                what = (
                    "is neither a number nor in the parameter table"
                    if is_id(value)
                    else "is neither a number nor the id of a parameter"
                )
                table.error(
                    findings, "condition_cell",
                    f"{quoted(value)} {what}{nearest(value, parameter_ids)}.", rows, column,
                )  # fmt: skip
    return referred
