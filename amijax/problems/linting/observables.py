"""The observable table: its formulas, their symbols, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from petab.v1 import C
from petab.v1.math import sympify_petab

from amijax.problems.findings import Findings
from amijax.problems.linting.model import ModelIds
from amijax.problems.names import nearest, quoted
from amijax.problems.placeholders import COLUMNS, Kind, listed
from amijax.problems.tables import (
    MISSING,
    Table,
    check_ids,
    check_names,
    optional_text,
    require,
)

_REQUIRED = (C.OBSERVABLE_ID, C.OBSERVABLE_FORMULA, C.NOISE_FORMULA)
_PLACEHOLDER = re.compile(r"(observable|noise)Parameter(\d+)_(\w+)", re.ASCII)
_IN_FORMULAS = ("parameter", "species", "compartment", "reaction", "species reference")


@dataclass(frozen=True)
class Formulas:
    """What an observable's two formulas refer to.

    Attributes:
        symbols: ids, those of placeholders not among them.
        n_observable, n_noise: how many placeholders of each kind there are.
        transformation: of the observable.
        plain_noise: the noise formula is a placeholder and nothing else.
        readable: both formulas could be read; if not, the rest says less than they do.
    """

    symbols: frozenset[str]
    n_observable: int
    n_noise: int
    transformation: str
    plain_noise: bool
    readable: bool


@lru_cache(maxsize=10_000)
def symbols_of(formula: str) -> frozenset[str] | str:
    """The symbols of a formula in PEtab's grammar; a text that says why it is none."""
    try:
        expression = sympify_petab(formula)
    except Exception as error:  # its parser raises what it likes
        words = " ".join(str(error).split()).rpartition(f"{formula!r}: ")[2][:150]
        return words.rstrip(".") or "it can't be parsed"
    if expression.is_finite is False or (expression.is_number and not expression.is_finite):
        return "it has no finite value"
    return frozenset(symbol.name for symbol in expression.free_symbols)


@lru_cache(maxsize=1000)
def _constant(formula: str) -> float | None:
    """The number that a formula without symbols is; None if it is none."""
    return None if symbols_of(formula) else float(sympify_petab(formula))


def read_observables(
    table: Table, findings: Findings, known: Collection[str] = C.OBSERVABLE_DF_COLS
) -> pd.DataFrame | None:
    """The observable table as PEtab's own.

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
    check_ids(table, C.OBSERVABLE_ID, findings)
    _check_words(table, C.OBSERVABLE_TRANSFORMATION, C.OBSERVABLE_TRANSFORMATIONS, findings)
    _check_words(table, C.NOISE_DISTRIBUTION, C.NOISE_MODELS, findings)
    values: dict[str, np.ndarray] = {}
    for name in table.columns:
        if name in (C.OBSERVABLE_FORMULA, C.NOISE_FORMULA):
            values[name] = table.column(name)
        elif name != C.OBSERVABLE_ID:
            values[name] = optional_text(table, name)
    index = pd.Index(table.column(C.OBSERVABLE_ID), name=C.OBSERVABLE_ID, dtype=object)
    return pd.DataFrame(values, index=index)


def _check_words(table: Table, column: str, known: Collection[str], findings: Findings) -> None:
    cells = table.column(column)
    bad = np.array([cell not in MISSING and cell not in known for cell in cells], dtype=bool)
    for value, rows in table.each(column, bad):
        table.error(
            findings, "word",
            f"{column} {quoted(value)} is unknown; PEtab v1 has {', '.join(known)}.", rows, column,
        )  # fmt: skip


def read_formulas(table: Table, findings: Findings) -> dict[str, Formulas]:
    """What each observable's formulas refer to; those that can't be read are noted.

    Args:
        table: as text, with the columns that are required.
        findings: where mistakes are noted.
    """
    found: dict[str, Formulas] = {}
    transformations = table.column(C.OBSERVABLE_TRANSFORMATION)
    for row, observable in enumerate(table.column(C.OBSERVABLE_ID)):
        symbols: set[str] = set()
        readable = True
        for column in (C.OBSERVABLE_FORMULA, C.NOISE_FORMULA):
            formula = table.column(column)[row]
            found_there = _formula_symbols(table, row, column, observable, formula, findings)
            symbols |= found_there or frozenset()
            readable &= found_there is not None
        of_value, of_noise = (
            _placeholders(table, row, kind, observable, symbols, findings) for kind in COLUMNS
        )
        found[observable] = Formulas(
            frozenset(symbols.difference(of_value, of_noise)), len(of_value), len(of_noise),
            "lin" if transformations[row] in MISSING else transformations[row],
            (table.column(C.NOISE_FORMULA)[row],) == of_noise,
            readable,
        )  # fmt: skip
    return found


def _formula_symbols(
    table: Table, row: int, column: str, observable: str, formula: str, findings: Findings
) -> frozenset[str] | None:
    """A formula's symbols; None, and a note, if it is none."""
    if not formula:
        table.error(findings, "formula", f"the {column} of {observable} is empty.", [row], column)
        return None
    symbols = symbols_of(formula)
    if isinstance(symbols, str):
        table.error(
            findings, "formula",
            f"{quoted(formula)} is not a formula that PEtab allows: {symbols}.", [row], column,
        )  # fmt: skip
        return None
    sigma = _constant(formula) if column == C.NOISE_FORMULA else None
    if sigma is not None and not sigma > 0:
        table.error(
            findings, "noise", f"the noise of {observable} is {formula}; it must be above 0.",
            [row], column,
        )  # fmt: skip
    return symbols


def _placeholders(
    table: Table, row: int, kind: Kind, observable: str, symbols: Collection[str],
    findings: Findings,
) -> tuple[str, ...]:  # fmt: skip
    if COLUMNS[kind] in table:
        return listed(table.column(COLUMNS[kind])[row])
    matches = [_PLACEHOLDER.fullmatch(symbol) for symbol in symbols]
    given = {int(m[2]): m[0] for m in matches if m and (m[1], m[3]) == (kind, observable)}
    if sorted(given) != list(range(1, len(given) + 1)):
        table.error(
            findings, "placeholder",
            f"the placeholders of {observable} must be numbered 1, 2 and so on, without a gap, but "
            f"are {', '.join(sorted(given.values()))}.",
            [row],
        )  # fmt: skip
    return tuple(given.values())


def check_symbols(
    table: Table, formulas: dict[str, Formulas], model: ModelIds, known: Collection[str],
    findings: Findings,
) -> None:  # fmt: skip
    """Note symbols that mean nothing or too much.

    Args:
        table: as text.
        formulas: from `read_formulas`.
        model: its ids.
        known: ids of the parameter table and columns of the condition table.
        findings: where mistakes are noted.
    """
    in_model = model.of_kind(*_IN_FORMULAS)
    ids = table.column(C.OBSERVABLE_ID)
    for row, observable in enumerate(ids):
        if observable in model.kinds:
            place, line = table.where([row])
            findings.warning(
                f"{observable} is also the id of a {model.kinds[observable]} of the model, which "
                "is what formulas mean by it; better call the observable something else.",
                "observable_id", place, line, C.OBSERVABLE_ID,
            )  # fmt: skip
        formula = formulas.get(observable)
        if formula and "time" in formula.symbols and ("time" in known or "time" in model.kinds):
            table.error(
                findings, "ambiguous",
                f"time in a formula of {observable} may mean the model's time or what is called "
                "so; call that something else.",
                [row],
            )  # fmt: skip
        for symbol in sorted(formula.symbols - in_model - {"time", *known} if formula else ()):
            in_observable = symbols_of(table.column(C.OBSERVABLE_FORMULA)[row])
            is_there = isinstance(in_observable, frozenset) and symbol in in_observable
            column = C.OBSERVABLE_FORMULA if is_there else C.NOISE_FORMULA
            if symbol == observable and not is_there and COLUMNS["noise"] in table:
                continue  # PEtab v2 has it mean the formula
            if symbol in ids and not is_there and formulas[symbol].n_observable == 0:
                place, line = table.where([row])
                findings.warning(
                    f"{symbol} in the noise of {observable} is an observable, which PEtab does "
                    "not allow; it is taken for the observable's formula.",
                    "observable_in_noise", place, line, column,
                )  # fmt: skip
                continue
            if symbol in ids:
                why = "an observable, which PEtab does not allow in formulas"
            elif _PLACEHOLDER.fullmatch(symbol):
                why = "a placeholder of another observable"
            elif symbol in model.kinds:
                why = f"an id of the model, but that of a {model.kinds[symbol]}"
            else:
                why = (
                    "neither in the model nor in the parameter table"
                    f"{nearest(symbol, (*in_model, *known))}"
                )
            table.error(
                findings, "unknown_symbol", f"{symbol} in a formula of {observable} is {why}.",
                [row], column,
            )  # fmt: skip
