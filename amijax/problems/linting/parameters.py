"""The parameter table: its cells as what they mean, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

import numpy as np
import pandas as pd
from petab.v1 import C
from petab.v2 import C as C2

from amijax.problems.distributions import read_distribution
from amijax.problems.findings import Findings
from amijax.problems.linting.model import ModelIds
from amijax.problems.names import nearest, quoted
from amijax.problems.priors import read_prior
from amijax.problems.problem import ProblemError
from amijax.problems.tables import (
    MISSING,
    Table,
    check_ids,
    check_names,
    number,
    numbers,
    optional_text,
    require,
)
from amijax.scales import Scale, to_scaled

_REQUIRED = (C.PARAMETER_ID, C.ESTIMATE, C.LOWER_BOUND, C.UPPER_BOUND)
_BOOLEAN = {"true": 1, "false": 0}
_NUMERIC = (C.LOWER_BOUND, C.UPPER_BOUND, C.NOMINAL_VALUE)


def read_parameters(
    table: Table, findings: Findings, known: Collection[str] = C.PARAMETER_DF_COLS
) -> pd.DataFrame | None:
    """The parameter table as PEtab's own; parameterScale and nominalValue are always there.

    Args:
        table: as text.
        findings: where mistakes are noted.
        known: columns with a meaning.

    Returns:
        None if a column is missing.
    """
    if not require(table, _REQUIRED, findings):
        return None
    check_names(table, known, findings)
    check_ids(table, C.PARAMETER_ID, findings)
    estimate = _estimate(table, findings)
    scales = _scales(table, findings)
    lower, upper, nominal = (numbers(table, column, findings) for column in _NUMERIC)
    _check_bounds(table, estimate == 1, scales, lower, upper, findings)
    _check_nominal(table, estimate, nominal, findings)
    _check_priors(table, estimate == 1, scales, (lower, upper), findings)
    _check_distributions(table, estimate == 1, (lower, upper), findings)
    if not (estimate == 1).any() and not findings.errors:
        table.error(
            findings, "nothing_estimated",
            "no parameter is estimated, so there is no gradient to look at.",
        )  # fmt: skip
    values = {
        C.PARAMETER_SCALE: np.array(scales, dtype=object),
        C.LOWER_BOUND: lower,
        C.UPPER_BOUND: upper,
        C.NOMINAL_VALUE: nominal,
        C.ESTIMATE: estimate,
    }
    others = [name for name in table.columns if name not in (*values, C.PARAMETER_ID)]
    values.update({name: optional_text(table, name) for name in others})
    index = pd.Index(table.column(C.PARAMETER_ID), name=C.PARAMETER_ID, dtype=object)
    return pd.DataFrame(values, index=index)


def _estimate(table: Table, findings: Findings) -> np.ndarray:
    cells = table.column(C.ESTIMATE)
    read = {cell: _BOOLEAN.get(cell.lower(), number(cell)) for cell in set(cells)}
    bad = np.array([read[cell] not in (0, 1) for cell in cells], dtype=bool)
    ids = table.column(C.PARAMETER_ID)
    for value, rows in table.each(C.ESTIMATE, bad):
        whose = ", ".join(ids[rows][:3])
        said = "is empty" if value in MISSING else f"is {quoted(value)}"
        table.error(
            findings, "estimate",
            f"estimate of {whose} {said}; it must be 1 (estimated) or 0 (fixed).",
            rows, C.ESTIMATE,
        )  # fmt: skip
    return np.array([read[cell] == 1 for cell in cells], dtype=np.int64)


def _scales(table: Table, findings: Findings) -> list[str]:
    cells = table.column(C.PARAMETER_SCALE)
    scales = ["lin" if cell in MISSING else cell for cell in cells]
    unknown = np.array([scale not in get_args(Scale) for scale in scales], dtype=bool)
    for value, rows in table.each(C.PARAMETER_SCALE, unknown):
        table.error(
            findings, "scale",
            f"parameterScale {quoted(value)} is unknown; PEtab v1 has lin, log and log10.",
            rows, C.PARAMETER_SCALE,
        )  # fmt: skip
    return [scale if scale in get_args(Scale) else "lin" for scale in scales]


def _check_bounds(
    table: Table, free: np.ndarray, scales: list[str], lower: np.ndarray, upper: np.ndarray,
    findings: Findings,
) -> None:  # fmt: skip
    ids = table.column(C.PARAMETER_ID)
    for row in np.flatnonzero(free).tolist():
        low, high, what = lower[row], upper[row], ids[row]
        texts = {name: table.column(name)[row] for name in (C.LOWER_BOUND, C.UPPER_BOUND)}
        for name, text in texts.items():
            if text in MISSING:
                table.error(
                    findings, "bounds", f"{what} is estimated but has no {name}.", [row], name
                )
        if np.isnan(low) or np.isnan(high):
            continue
        if low > high or low == np.inf or high == -np.inf:
            table.error(
                findings, "bounds",
                f"{what} has lowerBound {low:g} and upperBound {high:g}; the lower one must come "
                "first.",
                [row], C.LOWER_BOUND,
            )  # fmt: skip
        elif scales[row] != "lin" and (low < 0 or high <= 0):
            table.error(
                findings, "bounds",
                f"{what} has the bounds {low:g} and {high:g}, which are not on its scale "
                f"{scales[row]}: logarithms are of numbers above 0.",
                [row], C.LOWER_BOUND if low < 0 else C.UPPER_BOUND,
            )  # fmt: skip


def _check_nominal(
    table: Table, estimate: np.ndarray, nominal: np.ndarray, findings: Findings
) -> None:
    ids, cells = table.column(C.PARAMETER_ID), table.column(C.NOMINAL_VALUE)
    empty = np.array([cell in MISSING for cell in cells], dtype=bool)
    for row in np.flatnonzero((estimate == 0) & empty).tolist():
        # What is empty may also be an estimate that was noted already.
        if table.column(C.ESTIMATE)[row] not in MISSING:
            table.error(
                findings, "nominal",
                f"{ids[row]} is fixed (estimate 0) but has no nominalValue.",
                [row], C.NOMINAL_VALUE,
            )  # fmt: skip
    for row in np.flatnonzero((estimate == 1) & np.isinf(nominal)).tolist():
        table.error(
            findings, "nominal",
            f"{ids[row]} is estimated but its nominalValue {cells[row]} is not a finite number.",
            [row], C.NOMINAL_VALUE,
        )  # fmt: skip


def _check_priors(
    table: Table, free: np.ndarray, scales: list[str], bounds: tuple[np.ndarray, np.ndarray],
    findings: Findings,
) -> None:  # fmt: skip
    ids = table.column(C.PARAMETER_ID)
    for name, kind_column, column in (
        ("objective", C.OBJECTIVE_PRIOR_TYPE, C.OBJECTIVE_PRIOR_PARAMETERS),
        ("initialization", C.INITIALIZATION_PRIOR_TYPE, C.INITIALIZATION_PRIOR_PARAMETERS),
    ):
        kinds, parameters = table.column(kind_column), table.column(column)
        for row in np.flatnonzero(free).tolist():
            if kinds[row] in MISSING:
                continue
            shown = "" if parameters[row] in MISSING else parameters[row]
            low, high = (float(to_scaled([b[row]], [scales[row]])[0]) for b in bounds)  # type: ignore[list-item]
            try:
                read_prior(f"the {name} prior of {ids[row]}", kinds[row], shown, low, high)
            except ProblemError as error:
                table.error(findings, "prior", str(error), [row], column)


def _check_distributions(
    table: Table, free: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], findings: Findings
) -> None:
    """Note priors of PEtab v2 that can't be used."""
    kinds, parameters = table.column(C2.PRIOR_DISTRIBUTION), table.column(C2.PRIOR_PARAMETERS)
    ids = table.column(C.PARAMETER_ID)
    for row in np.flatnonzero(free).tolist():
        if kinds[row] in MISSING:
            continue
        shown = "" if parameters[row] in MISSING else parameters[row]
        try:
            low, high = (float(b[row]) for b in bounds)
            read_distribution(f"the prior of {ids[row]}", kinds[row], shown, low, high)
        except ProblemError as error:
            table.error(findings, "prior", str(error), [row], C2.PRIOR_PARAMETERS)


def check_parameter_ids(
    table: Table, used: Collection[str] | None, condition_columns: Collection[str], model: ModelIds,
    findings: Findings,
) -> None:  # fmt: skip
    """Note parameters that nothing refers to, or that something else determines.

    Args:
        table: as text.
        used: ids that formulas, overrides and conditions refer to; None where that is not known.
        condition_columns: what the condition table sets.
        model: its ids.
        findings: where mistakes are noted.
    """
    for row, name in enumerate(table.column(C.PARAMETER_ID)):
        kind = model.kinds.get(name)
        if name in condition_columns:
            message = f"{name} has a column in the condition table as well; only one can set it."
        elif name in model.rules:
            message = f"{name} is determined by {model.rules[name]} of the model."
        elif kind is not None and kind != "parameter":
            message = (
                f"{name} is a {kind} of the model, not a parameter; only parameters can be here."
            )
        elif used is not None and kind is None and name not in used:
            known = (*model.of_kind("parameter"), *used)
            message = (
                f"{name} is neither a parameter of the model nor used in a formula, an override or "
                f"a condition{nearest(name, known)}."
            )
        else:
            continue
        table.error(findings, "parameter_id", message, [row], C.PARAMETER_ID)
