"""The measurement table: its cells as what they mean, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from petab.v1 import C
from petab.v2 import C as C2

from amijax.problems.findings import Findings
from amijax.problems.linting.observables import Formulas
from amijax.problems.names import nearest, quoted
from amijax.problems.tables import (
    MISSING,
    Table,
    check_names,
    check_valid,
    not_numbers,
    number,
    number_or_text,
    numbers,
    optional_text,
    require,
    texts,
)

DEFAULT_CONDITION = "default"
_REQUIRED = (C.OBSERVABLE_ID, C.SIMULATION_CONDITION_ID, C.MEASUREMENT, C.TIME)
_OVERRIDES = (C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS)
# Columns that pyPESTO adds to PEtab's, and what it calls the kinds of measurements.
_TYPE, _CATEGORY, _CENSORING_BOUNDS = "measurementType", "measurementCategory", "censoringBounds"
_CENSORED = ("censored", "left-censored", "right-censored", "interval-censored")
_NOT_MEASURED = ("ordinal", "semiquantitative", "nonlinear_monotone")


@dataclass(frozen=True)
class Known:
    """What measurements may refer to.

    Attributes:
        observables: what their formulas refer to, by id.
        conditions: ids; None without a condition table.
        parameters: ids of the parameter table, columns of the condition table, and parameters
            of the model that no rule determines.
        what: what a simulation is called: condition, or experiment in PEtab v2.
        starts: when simulations begin, if not at time 0.
        columns: with a meaning.
    """

    observables: dict[str, Formulas]
    conditions: tuple[str, ...] | None
    parameters: frozenset[str]
    what: str = "condition"
    starts: Mapping[str, float] = field(default_factory=dict)
    columns: tuple[str, ...] = tuple(C.MEASUREMENT_DF_COLS)

    @property
    def column(self) -> str:
        """The column that names simulations, as the file has it."""
        return C2.EXPERIMENT_ID if self.what == "experiment" else C.SIMULATION_CONDITION_ID


def with_default_condition(table: Table, conditions: object) -> Table:
    """The table with a condition in each row where there is no condition table."""
    if conditions is not None:
        return table
    given = table.column(C.SIMULATION_CONDITION_ID)
    named = texts([cell or DEFAULT_CONDITION for cell in given])
    return replace(table, columns={**table.columns, C.SIMULATION_CONDITION_ID: named})


def default_conditions(ids: Collection[str]) -> pd.DataFrame:
    """A condition table that sets nothing."""
    return pd.DataFrame(index=pd.Index(sorted(ids), name=C.CONDITION_ID, dtype=object))


def read_measurements(
    table: Table, known: Known, findings: Findings
) -> tuple[pd.DataFrame, set[str], set[str]] | None:
    """The measurement table as PEtab's own, without rows that hold no measurement.

    Args:
        table: as text.
        known: what it may refer to.
        findings: where mistakes are noted.

    Returns:
        The table, the parameters that are overrides, and the conditions; None if a column is
        missing or there is no measurement.
    """
    if not require(table, _REQUIRED, findings):
        return None
    extended = (*known.columns, C.SIMULATION_CONDITION_ID, _TYPE, _CATEGORY, _CENSORING_BOUNDS)
    check_names(table, extended, findings)
    empty = np.array([cell in MISSING for cell in table.column(C.MEASUREMENT)], dtype=bool)
    if empty.all():
        table.error(
            findings, "no_measurement", "the table has no measurement.", column=C.MEASUREMENT
        )
        return None
    # What a row without a measurement refers to is referred to all the same.
    overrides = _check_overrides(table, known, findings)
    if empty.any():
        place, rows = table.where(np.flatnonzero(empty))
        findings.warning(
            f"{empty.sum():,} row{'s' if empty.sum() > 1 else ''} without a measurement "
            f"{'are' if empty.sum() > 1 else 'is'} left out.",
            "missing_measurement", place, rows, C.MEASUREMENT,
        )  # fmt: skip
        table = table.without(empty)
    _check_known(table, C.OBSERVABLE_ID, known.observables, "observable", findings)
    conditions = _conditions(table, known, findings)
    time = numbers(table, C.TIME, findings)
    _check_time(table, time, known, findings)
    values = numbers(table, C.MEASUREMENT, findings)
    _check_values(table, values, known, findings)
    _check_extensions(table, findings)
    frame: dict[str, np.ndarray] = {}
    for name in table.columns:
        if name == C.TIME:
            frame[name] = time
        elif name == C.MEASUREMENT:
            frame[name] = values
        elif name == C.PREEQUILIBRATION_CONDITION_ID:
            frame[name] = _preequilibration(table, known)
        elif name in _OVERRIDES:
            frame[name] = number_or_text(table.column(name), known.parameters)
        elif name in _REQUIRED:
            frame[name] = table.column(name)
        else:
            frame[name] = optional_text(table, name)
    result = pd.DataFrame(frame)
    # Optional columns without any value mean nothing, and pandas warns about them.
    optional = (C.PREEQUILIBRATION_CONDITION_ID, *_OVERRIDES)
    return (
        result.drop(columns=[n for n in optional if n in result and result[n].isna().all()]),
        overrides,
        conditions,
    )


def _check_known(
    table: Table, column: str, known: Collection[str], what: str, findings: Findings,
    shown: str = "",
) -> None:  # fmt: skip
    """Note cells that are not among what is known; `shown` is the column's name in the file."""
    cells = table.column(column)
    bad = np.array([cell not in known for cell in cells], dtype=bool)
    for value, rows in table.each(column, bad):
        message = (
            f"the {what} {value} is not in the {what} table{nearest(value, known)}."
            if value
            else f"the {what} is missing."
        )
        table.error(findings, f"unknown_{what}", message, rows, shown or column)


def _preequilibration(table: Table, known: Known) -> np.ndarray:
    """Preequilibration conditions, NaN where there is none; one may be called NA."""
    cells = table.column(C.PREEQUILIBRATION_CONDITION_ID)
    ids = known.conditions or ()
    return np.array([np.nan if c in MISSING and c not in ids else c for c in cells], dtype=object)


def _conditions(table: Table, known: Known, findings: Findings) -> set[str]:
    simulated = set(table.column(C.SIMULATION_CONDITION_ID))
    before = {c for c in _preequilibration(table, known) if isinstance(c, str)}
    if known.conditions is None:
        for column in (C.SIMULATION_CONDITION_ID, C.PREEQUILIBRATION_CONDITION_ID):
            check_valid(table, column, "condition id", findings, or_missing=True)
    else:
        _check_known(
            table, C.SIMULATION_CONDITION_ID, known.conditions, known.what, findings, known.column
        )
        named = {*known.conditions, *MISSING}
        _check_known(table, C.PREEQUILIBRATION_CONDITION_ID, named, "condition", findings)
    return simulated | before


def _check_time(table: Table, time: np.ndarray, known: Known, findings: Findings) -> None:
    cells = table.column(C.TIME)
    missing = np.array([cell in MISSING for cell in cells], dtype=bool)
    for _, rows in table.each(C.TIME, missing):
        table.error(findings, "time", "the time is missing.", rows, C.TIME)
    simulations = table.column(C.SIMULATION_CONDITION_ID)
    starts = np.array([known.starts.get(name, 0.0) for name in simulations], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        early = time < starts
    for start in np.unique(starts[early]):
        for value, rows in table.each(C.TIME, early & (starts == start)):
            message = (
                f"the time {value} is before the experiment begins, at time {start:g}."
                if known.what == "experiment"
                else f"the time {value} is negative; simulations begin at time 0."
            )
            table.error(findings, "time", message, rows, C.TIME)


def _check_values(table: Table, values: np.ndarray, known: Known, findings: Findings) -> None:
    for value, rows in table.each(C.MEASUREMENT, np.isinf(values)):
        table.error(findings, "measurement", f"{value} is not finite.", rows, C.MEASUREMENT)
    logarithmic = {
        name: formulas.transformation
        for name, formulas in known.observables.items()
        if formulas.transformation != C.LIN
    }
    observables = table.column(C.OBSERVABLE_ID)
    with np.errstate(invalid="ignore"):
        bad = np.isin(observables, list(logarithmic)) & (values <= 0)
    for name in dict.fromkeys(observables[bad]):
        rows = np.flatnonzero(bad & (observables == name))
        table.error(
            findings, "measurement",
            f"the measurement {values[rows[0]]:g} of {name} has no logarithm, but the observable's "
            f"transformation is {logarithmic[name]}.",
            rows, C.MEASUREMENT,
        )  # fmt: skip


def _check_extensions(table: Table, findings: Findings) -> None:
    """Data that pyPESTO takes for more, or less, than numbers.

    A censored value is still one on the observable's scale, so what comes out is a log-likelihood,
    if of other data; that of a category or of an unknown monotone scale would mean nothing.
    """
    types = np.array([cell.lower() for cell in table.column(_TYPE)], dtype=object)
    categories = np.array([cell not in MISSING for cell in table.column(_CATEGORY)], dtype=bool)
    censored = np.array([c not in MISSING for c in table.column(_CENSORING_BOUNDS)], dtype=bool)
    for kind in _NOT_MEASURED:
        mask = types == kind
        if kind == "ordinal":
            mask |= categories & (types == "")
        if mask.any():
            table.error(
                findings, "data_type",
                f"{kind} data are not supported: the numbers are not values of the observable.",
                np.flatnonzero(mask), _TYPE if _TYPE in table else _CATEGORY,
            )  # fmt: skip
    censored = (censored | np.isin(types, _CENSORED)) & ~np.isin(types, _NOT_MEASURED)
    if censored.any():
        place, rows = table.where(np.flatnonzero(censored))
        count = int(censored.sum())
        findings.warning(
            f"{count:,} censored measurement{'s are' if count > 1 else ' is'} evaluated as if the "
            "value had been measured.",
            "censored", place, rows, _TYPE if _TYPE in table else _CENSORING_BOUNDS,
        )  # fmt: skip


def _check_overrides(table: Table, known: Known, findings: Findings) -> set[str]:
    """Note overrides that are too few, too many, or unknown; return the parameters among them."""
    found: set[str] = set()
    observables = table.column(C.OBSERVABLE_ID)
    for column, kind in zip(_OVERRIDES, ("observable", "noise"), strict=True):
        cells = table.column(column)
        pairs: dict[tuple[str, str], list[int]] = {}
        for row, pair in enumerate(zip(observables, cells, strict=True)):
            pairs.setdefault(pair, []).append(row)
        for (observable, cell), rows in pairs.items():
            formulas = known.observables.get(observable)
            empty = cell in MISSING and cell not in known.parameters
            parts = [] if empty else [part.strip() for part in cell.split(C.PARAMETER_SEPARATOR)]
            found.update(part for part in parts if part in known.parameters)
            if formulas is None or not formulas.readable:
                continue
            expected = formulas.n_observable if kind == "observable" else formulas.n_noise
            plain = kind == "noise" and formulas.plain_noise
            for message in _wrong(observable, kind, parts, expected, plain, known.parameters):
                table.error(findings, "override", message, rows, column)
    return found


def _wrong(
    observable: str, kind: str, parts: list[str], expected: int, plain: bool,
    parameters: Collection[str],
) -> list[str]:  # fmt: skip
    """What is wrong with a cell's overrides, in sentences."""
    if len(parts) != expected:
        return [
            f"{observable} has {expected} {kind} parameter{'' if expected == 1 else 's'} in its "
            f"formulas, but {len(parts)} {'value is' if len(parts) == 1 else 'values are'} given "
            f"for {'it' if expected == 1 else 'them'} here."
        ]
    wrong = []
    for part in parts:
        value = number(part)
        if value is None and part not in parameters:
            decimal_comma = number(part.replace(",", ".")) is not None
            wrong.append(
                not_numbers([part])
                if decimal_comma
                else f"{quoted(part)} is neither a number nor a parameter"
                f"{nearest(part, parameters)}."
            )
        elif value is not None and not np.isfinite(value):
            wrong.append(f"the {kind} parameter {part} of {observable} is not finite.")
        elif value is not None and plain and value <= 0:
            wrong.append(f"the noise of {observable} is {part} here; it must be above 0.")
    return wrong
