"""PEtab v2's condition and experiment tables: what they say, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from petab.v2 import C

from amijax.problems.experiments import Change, Experiment, Period
from amijax.problems.findings import Findings
from amijax.problems.linting.model import ModelIds
from amijax.problems.linting.observables import symbols_of
from amijax.problems.names import nearest, quoted
from amijax.problems.tables import (
    MISSING,
    Table,
    check_names,
    check_valid,
    number,
    require,
)

MOST_TIMES = 1000  # at which anything is changed; each is compiled
_IN_FORMULAS = ("parameter", "species", "compartment")


@dataclass(frozen=True)
class ConditionTable:
    """Changes by condition, and what they refer to.

    Attributes:
        changes: for each condition.
        targets: ids of what is changed.
        symbols: ids in the formulas of new values, by condition.
    """

    changes: Mapping[str, tuple[Change, ...]]
    targets: frozenset[str]
    symbols: Mapping[str, frozenset[str]]


def read_changes(table: Table | None, findings: Findings) -> ConditionTable:
    """The condition table.

    Args:
        table: as text; None if there is none.
        findings: where mistakes are noted.
    """
    changes: dict[str, list[Change]] = {}
    symbols: dict[str, set[str]] = {}
    if table is None or not require(table, C.CONDITION_DF_REQUIRED_COLS, findings):
        return ConditionTable({}, frozenset(), {})
    check_names(table, C.CONDITION_DF_COLS, findings)
    check_valid(table, C.CONDITION_ID, "condition id", findings)
    check_valid(table, C.TARGET_ID, "target id", findings)
    columns = (table.column(name) for name in (C.CONDITION_ID, C.TARGET_ID, C.TARGET_VALUE))
    for row, (condition, target, value) in enumerate(zip(*columns, strict=True)):
        mine = changes.setdefault(condition, [])
        if any(change.target == target for change in mine):
            table.error(
                findings, "change_twice", f"{condition} changes {target} twice.",
                [row], C.TARGET_ID,
            )  # fmt: skip
        found = symbols_of(value) if value else "it is empty"
        if isinstance(found, str):
            table.error(
                findings, "formula",
                f"{quoted(value)} is not a formula that PEtab allows: {found}.",
                [row], C.TARGET_VALUE,
            )  # fmt: skip
            continue
        mine.append(Change(target, value))
        symbols.setdefault(condition, set()).update(found)
    return ConditionTable(
        {name: tuple(of_condition) for name, of_condition in changes.items()},
        frozenset(change.target for mine in changes.values() for change in mine),
        {name: frozenset(found) for name, found in symbols.items()},
    )


def check_changes(
    table: Table | None, used: Collection[str], model: ModelIds, parameters: Collection[str],
    outputs: Collection[str], findings: Findings,
) -> None:  # fmt: skip
    """Note changes of what can't be changed, and values of what is unknown.

    Args:
        table: as text.
        used: the conditions that are simulated; others may refer to what is not there.
        model: its ids.
        parameters: ids of the parameter table.
        outputs: ids in observables' formulas that are not the model's.
        findings: where mistakes are noted.
    """
    if table is None or not {*C.CONDITION_DF_REQUIRED_COLS} <= {*table.columns}:
        return
    settable = model.of_kind(*_IN_FORMULAS)
    is_used = np.isin(table.column(C.CONDITION_ID), list(used))
    for target, rows in table.each(C.TARGET_ID, is_used & (table.column(C.TARGET_ID) != "")):
        if target in parameters:
            why = "is in the parameter table; only what is not there can be changed"
        elif model.rules.get(target) == "an assignment rule":
            why = "is determined by an assignment rule of the model, so no condition can change it"
        elif target in settable or target in outputs:
            continue
        elif target in model.kinds:
            why = f"is a {model.kinds[target]} of the model, which no condition can change"
        else:
            known = (*settable, *outputs)
            why = f"is neither in the model nor in a formula{nearest(target, known)}"
        table.error(findings, "change", f"{target} {why}.", rows, C.TARGET_ID)
    targets = set(table.column(C.TARGET_ID))
    known_symbols = {*settable, *parameters, *targets, "time"}
    for value, rows in table.each(C.TARGET_VALUE, is_used):
        found = symbols_of(value)
        for name in sorted(found - known_symbols) if isinstance(found, frozenset) else ():
            what = (
                f"a {model.kinds[name]} of the model, which no value can depend on"
                if name in model.kinds
                else "neither in the model nor in the parameter table"
                f"{nearest(name, known_symbols)}"
            )
            table.error(
                findings, "unknown_symbol", f"{name} in {quoted(value)} is {what}.",
                rows, C.TARGET_VALUE,
            )  # fmt: skip
        if isinstance(found, frozenset) and "time" in found and (
            "time" in parameters or "time" in model.kinds
        ):  # fmt: skip
            table.error(
                findings, "ambiguous",
                f"time in {quoted(value)} may mean the model's time or what is called so; call "
                "that something else.",
                rows, C.TARGET_VALUE,
            )  # fmt: skip


def read_experiments(
    table: Table | None, conditions: ConditionTable, findings: Findings
) -> dict[str, Experiment]:
    """The experiment table.

    Args:
        table: as text; None if there is none.
        conditions: what is changed.
        findings: where mistakes are noted.
    """
    if table is None or not require(table, C.EXPERIMENT_DF_REQUIRED_COLS, findings):
        return {}
    check_names(table, C.EXPERIMENT_DF_REQUIRED_COLS, findings)
    check_valid(table, C.EXPERIMENT_ID, "experiment id", findings)
    times = _times(table, findings)
    ids, named = table.column(C.EXPERIMENT_ID), table.column(C.CONDITION_ID)
    known = conditions.changes
    bad = np.array([c not in known and c not in MISSING for c in named], dtype=bool)
    for value, rows in table.each(C.CONDITION_ID, bad):
        table.error(
            findings, "unknown_condition",
            f"the condition {value} is not in the condition table{nearest(value, known)}.",
            rows, C.CONDITION_ID,
        )  # fmt: skip
    found: dict[str, dict[float, list[int]]] = {}
    for row, (name, time) in enumerate(zip(ids, times, strict=True)):
        if not math.isnan(time):
            found.setdefault(name, {}).setdefault(time, []).append(row)
    experiments = {}
    for name, by_time in found.items():
        periods = []
        for time in sorted(by_time):
            rows_here = by_time[time]
            applied = [named[row] for row in rows_here if named[row] in known]
            changes = tuple(change for c in dict.fromkeys(applied) for change in known[c])
            targets = [change.target for change in changes]
            for twice in sorted({t for t in targets if targets.count(t) > 1}):
                table.error(
                    findings, "change_twice",
                    f"{name} changes {twice} twice at time {time:g}, by different conditions.",
                    rows_here, C.CONDITION_ID,
                )  # fmt: skip
            periods.append(Period(float(time), tuple(dict.fromkeys(applied)), changes))
        experiments[name] = Experiment(name, tuple(periods))
    different = {p.time for e in experiments.values() for p in e.simulated[1:] if p.changes}
    if len(different) > MOST_TIMES:
        table.error(
            findings, "too_many_times",
            f"something is changed at {len(different):,} different times, each of which would be "
            f"compiled; at most {MOST_TIMES:,} are taken.",
        )  # fmt: skip
    return experiments


def _times(table: Table, findings: Findings) -> np.ndarray:
    """The times of periods; what is none is noted, and NaN."""
    cells = table.column(C.TIME)
    found = {}
    for cell in set(cells):
        value = number(cell)
        found[cell] = math.nan if value is None or value == math.inf else value
    bad = np.array([math.isnan(found[cell]) for cell in cells], dtype=bool)
    for text, rows in table.each(C.TIME, bad):
        table.error(
            findings, "time",
            f"{quoted(text)} is not the time of a period: a number or -inf was expected."
            if text
            else "the time of a period is missing.",
            rows, C.TIME,
        )  # fmt: skip
    return np.array([found[cell] for cell in cells], dtype=np.float64)
