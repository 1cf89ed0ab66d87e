"""Observables, their noise and their overrides, in the form that AMICI computes rightly.

PEtab's overrides give each measurement its own parameters. AMICI has one formula for an observable
in a simulation, so an observable is compiled as often as one simulation has different overrides of
it. A noise scale is handed to AMICI as a number only where the formula holds nothing but numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sympy as sp
from petab.v1 import C
from petab.v1.math import sympify_petab

from amijax.models.draft import Draft
from amijax.models.neutral_ids import OBSERVABLE
from amijax.models.plan import Free, ModelObservable, Value
from amijax.models.sbml_tree import ci
from amijax.models.symbolic import TIME, amici_text, symbol, to_sympy
from amijax.problems.placeholders import OVERRIDES, Kind, placeholders
from amijax.problems.problem import ProblemError

_OVERRIDES: dict[str, Kind] = {column: kind for kind, column in OVERRIDES.items()}
MOST_COPIES = 2000  # of one observable; each is compiled


@dataclass(frozen=True, eq=False)
class Observation:
    """What is observed.

    Attributes:
        observables: of the compiled model.
        columns: for each row of the measurement table the position of its observable.
        sigma: for each row its noise scale where it is a number, else NaN.
        has_value, has_scale: for each simulation and observable, whether measurements give all
            overrides of the formula and of the noise formula.
    """

    observables: tuple[ModelObservable, ...]
    columns: np.ndarray
    sigma: np.ndarray
    has_value: np.ndarray
    has_scale: np.ndarray


def observe(draft: Draft) -> Observation:
    """Compile observables for all overrides; new parameters are added to the draft.

    Raises:
        ProblemError: a formula or an override can't be used.
    """
    table = draft.problem.measurements
    columns = np.zeros(len(table), dtype=np.intp)
    sigma = np.full(len(table), np.nan)
    compiled: list[ModelObservable] = []
    given: dict[str, list[np.ndarray]] = {column: [] for column in _OVERRIDES}
    rows_of = table.groupby(table[C.OBSERVABLE_ID].astype(str), sort=False).indices
    for name in draft.problem.observables.index:
        rows = np.sort(rows_of.get(str(name), np.empty(0, dtype=np.intp)))
        observable = _Observable(draft, str(name), rows)
        columns[rows] = len(compiled) + observable.copies
        sigma[rows] = observable.sigma
        compiled += observable.compile(first=len(compiled))
        for column, known in given.items():
            known += observable.given(column)
    has_value, has_scale = (np.stack(known, axis=1) for known in given.values())
    return Observation(tuple(compiled), columns, sigma, has_value, has_scale)


class _Observable:
    """One observable of PEtab's, with the overrides of its measurements."""

    def __init__(self, draft: Draft, name: str, rows: np.ndarray) -> None:
        self._draft = draft
        self._name = name
        self._row = draft.problem.observables.loc[name]
        self._formula = self._parsed(C.OBSERVABLE_FORMULA)
        self._noise = self._parsed(C.NOISE_FORMULA)
        self._placeholders = {
            column: self._placeholders_of(formula, kind)
            for (column, kind), formula in zip(
                _OVERRIDES.items(), (self._formula, self._noise), strict=True
            )
        }
        overrides, which = self._overrides(rows)
        numbers = [self._number(values) for values in overrides]
        self.sigma = np.array(numbers)[which] if overrides else np.empty(0)
        keys = [self._key(*pair) for pair in zip(overrides, numbers, strict=True)]
        # By simulation, as each has its own values of the copies' parameters.
        self._values: list[dict[int, tuple[Value | None, ...]]] = []  # by copy, by simulation
        self.copies = np.zeros(rows.size, dtype=np.intp)
        place = np.searchsorted(rows, np.arange(rows[-1] + 2)) if rows.size else rows
        for i, planned in enumerate(draft.simulations):
            mine = np.intersect1d(planned.rows, rows, assume_unique=True)
            here = place[mine] if mine.size else mine
            self._place(i, here, which, keys)

    def compile(self, first: int) -> list[ModelObservable]:
        """The model's observables, the first of which has a given position."""
        n = max(len(self._values), 1)
        made = []
        for copy in range(n):
            values = self._values[copy] if self._values else {}
            by = dict(zip(self._all_placeholders, self._arguments(values, copy), strict=True))
            own = symbol(f"{OBSERVABLE}_{first + copy}")
            label = self._name if n == 1 else f"{self._name} #{copy + 1}"
            self._draft.own_ids[own.name] = label
            formula = self._resolved(self._formula, by, None)
            sigma = self._sigma(self._resolved(self._noise, by, own), formula, own)
            made.append(
                ModelObservable(
                    own.name, self._name, label, amici_text(formula), amici_text(sigma),
                    self._distribution(),
                )
            )  # fmt: skip
        return made

    def given(self, column: str) -> list[np.ndarray]:
        """For each copy: in which simulations measurements give all overrides of a column."""
        slots = [s for s, p in enumerate(self._all_placeholders) if p in self._placeholders[column]]
        return [
            np.array(
                [
                    not slots or (i in values and all(values[i][s] is not None for s in slots))
                    for i in range(len(self._draft.simulations))
                ]
            )
            for values in self._values or [{}]
        ]

    @property
    def _all_placeholders(self) -> tuple[str, ...]:
        return tuple(name for group in self._placeholders.values() for name in group)

    def _parsed(self, column: str) -> sp.Expr:
        text = self._row.get(column)
        try:
            if isinstance(text, str) and text.strip():
                return sympify_petab(text)
            if text is not None and not isinstance(text, str) and not pd.isna(text):
                return sp.Float(float(text))
        except Exception as error:  # its parser raises what it likes
            raise ProblemError(
                f"{self._draft.problem.problem_id}: {column} {str(text)[:120]!r} of "
                f"{self._name} is not a formula that PEtab allows: {str(error)[:200]}"
            ) from error
        raise ProblemError(
            f"{self._draft.problem.problem_id}: observable {self._name} has no {column}; give one."
        )

    def _placeholders_of(self, formula: sp.Expr, kind: Kind) -> tuple[str, ...]:
        return placeholders(self._name, kind, self._row, [str(s) for s in formula.free_symbols])

    def _overrides(self, rows: np.ndarray) -> tuple[list[tuple[Value, ...]], np.ndarray]:
        """The different overrides of the observable, and which of them each row has."""
        if not rows.size:
            return [], np.empty(0, dtype=np.intp)
        table = self._draft.problem.measurements
        cells = [
            table[column].to_numpy(dtype=object)[rows] if column in table else [None] * rows.size
            for column in self._placeholders
        ]
        texts = pd.Series(list(zip(*(map(_text, cell) for cell in cells), strict=True)))
        which, different = pd.factorize(texts)
        return [self._read(pair) for pair in different], which

    def _read(self, texts: Sequence[str]) -> tuple[Value, ...]:
        values: list[Value] = []
        for text, (column, expected) in zip(texts, self._placeholders.items(), strict=True):
            parts = [part.strip() for part in text.split(C.PARAMETER_SEPARATOR)] if text else []
            if len(parts) != len(expected):
                raise ProblemError(
                    f"{self._draft.problem.problem_id}: {self._name} takes {len(expected)} "
                    f"{column}, but a row of the measurement table gives {len(parts)} ({text!r})."
                )
            for part in parts:
                where = f"{column} of {self._name}, measurement table"
                value = self._draft.tables.value(part, where, self._named)
                if value is None:
                    raise ProblemError(
                        f"{self._draft.problem.problem_id}: one of {column} of {self._name} in "
                        "the measurement table is empty."
                    )
                values.append(value)
        return tuple(values)

    def _named(self, name: str) -> Value | None:
        """What an override that names something means: a parameter of a table or of the model."""
        value = self._draft.tables.parameter(name)
        if value is None and (made := self._draft.neutral.get(name)) is not None:
            known = self._draft.values.get(made)
            if known is not None and all(pair == known[0] for pair in known):
                return known[0][1]
            if known is None and self._draft.entities.is_plain_parameter(made):
                return self._draft.entities.number_of(made)
        return value

    def _number(self, values: tuple[Value, ...]) -> float:
        """The noise scale, where the noise formula holds nothing but numbers that a row gives."""
        noise = self._placeholders[C.NOISE_PARAMETERS]
        given = values[len(values) - len(noise) :] if noise else ()
        if not noise or any(isinstance(value, Free) for value in given):
            return float("nan")
        if {str(s) for s in self._noise.free_symbols} - set(noise):
            return float("nan")
        if self._noise == symbol(noise[0]):
            return float(given[0])  # type: ignore[arg-type]
        by = {symbol(name): v for name, v in zip(noise, given, strict=True)}
        return float(self._noise.subs(by))

    def _key(self, values: tuple[Value, ...], sigma: float) -> tuple[Value | None, ...]:
        """What distinguishes the copies: without noise parameters that ended in a number."""
        if np.isnan(sigma):
            return values
        kept = len(self._placeholders[C.OBSERVABLE_PARAMETERS])
        return (*values[:kept], *[None] * (len(values) - kept))

    def _place(
        self, i: int, here: np.ndarray, which: np.ndarray, keys: list[tuple[Value | None, ...]]
    ) -> None:
        """Give the measurements of a simulation copies: one for each of their overrides."""
        taken: dict[tuple[Value | None, ...], int] = {}
        waiting = []
        for key in dict.fromkeys(keys[k] for k in which[here]):
            known = next(
                (
                    c
                    for c, values in enumerate(self._values)
                    if c not in taken.values() and key in values.values()
                ),
                None,
            )
            if known is None:
                waiting.append(key)
            else:
                taken[key] = known
        for key in waiting:
            free = (c for c in range(len(self._values)) if c not in taken.values())
            taken[key] = next(free, len(self._values))
            if taken[key] == len(self._values):
                self._values.append({})
        if len(self._values) > MOST_COPIES:
            raise self._draft.refuse(
                f"observable {self._name} has more than {MOST_COPIES} different overrides in one "
                "simulation, each of which would be compiled."
            )
        for key, copy in taken.items():
            self._values[copy][i] = key
        for k in here:
            self.copies[k] = taken[keys[which[k]]]

    def _arguments(self, values: dict[int, tuple[Value | None, ...]], copy: int) -> list[sp.Basic]:
        """What stands in the place of each placeholder of a copy."""
        arguments: list[sp.Basic] = []
        for slot, placeholder in enumerate(self._all_placeholders):
            given = {i: key[slot] for i, key in values.items() if key[slot] is not None}
            different = set(given.values())
            if not different:
                arguments.append(sp.Integer(1))  # nothing is measured with it
            elif len(different) == 1:
                (value,) = different
                arguments.append(
                    symbol(self._draft.of_theta(value.position))
                    if isinstance(value, Free)
                    else sp.Float(value)
                )
            else:
                everywhere: list[tuple[Value, Value]] = [
                    (given.get(i, 1.0),) * 2  # type: ignore[misc]
                    for i in range(len(self._draft.simulations))
                ]
                meaning = f"{placeholder} #{copy + 1}" if len(self._values) > 1 else placeholder
                arguments.append(symbol(self._draft.add_parameter(everywhere, meaning)))
        return arguments

    def _resolved(
        self, formula: sp.Expr, by: dict[str, sp.Basic], own: sp.Symbol | None
    ) -> sp.Expr:
        """A PEtab formula in neutral ids.

        Args:
            formula: as PEtab's parser gives it.
            by: what placeholders stand for.
            own: the symbol of the observable itself, which a noise formula may use.
        """
        # Sorted: a parameter that is added gets the next number, and sets have no order.
        symbols = sorted(formula.free_symbols, key=str)
        replaced = {s: self._meaning(str(s), by, own) for s in symbols}
        return formula.xreplace(replaced)

    def _meaning(self, name: str, by: dict[str, sp.Basic], own: sp.Symbol | None) -> sp.Basic:
        draft = self._draft
        if name in by:
            return by[name]
        if (made := draft.neutral.get(name)) is not None:
            return symbol(made)
        value = draft.tables.parameter(name)
        if isinstance(value, Free):
            return symbol(draft.of_theta(value.position))
        if value is not None:
            return sp.Float(value)
        if name == "time":
            return TIME
        if name == self._name and own is not None:
            return own
        if name in draft.problem.observables.index and name != self._name:
            other = _Observable(draft, name, np.empty(0, dtype=np.intp))
            if not other._all_placeholders:
                return other._resolved(other._formula, {}, None)
        raise ProblemError(
            f"{draft.problem.problem_id}: the formulas of observable {self._name} use {name}, "
            "which is neither in the model nor in the parameter table."
        )

    def _sigma(self, noise: sp.Expr, formula: sp.Expr, own: sp.Symbol) -> sp.Expr:
        """A noise formula without states, which AMICI can't have there.

        Raises:
            ProblemError: it depends on states in another way than through the observable.
        """
        entities = self._draft.entities
        if not self._states(noise):
            return noise
        noise = noise.subs(formula, own)
        written = {s: to_sympy(entities.written_out(ci(str(s)))) for s in formula.free_symbols}
        out = formula.xreplace(written)
        noise = noise.xreplace(
            {s: self._written_out(str(s)) for s in noise.free_symbols - {own, TIME}}
        )
        noise = noise.subs(out, own)
        out = out.xreplace({s: self._written_out(str(s)) for s in out.free_symbols - {TIME}})
        noise = noise.subs(out, own)
        states = self._states(noise)
        if len(states) == 1:
            (state,) = states
            slope = sp.diff(out, state)
            if slope != 0 and not slope.has(state) and not self._states(slope):
                noise = noise.subs(state, (own - out.subs(state, 0)) / slope)
        if states := self._states(noise):
            shown = ", ".join(self._draft.own(*sorted(str(s) for s in states)))
            raise self._draft.refuse(
                f"the noise formula of {self._name} depends on {shown} other than through its "
                "observable, which AMICI can't express: write it as a formula of the observable "
                "and of parameters."
            )
        return noise

    def _written_out(self, name: str) -> sp.Basic:
        entities = self._draft.entities
        if name in self._draft.own_ids and not entities.is_plain_parameter(name):
            if name in entities.assignment_rules:
                inner = to_sympy(entities.written_out(ci(name)))
                return inner.xreplace(
                    {
                        s: self._written_out(str(s))
                        for s in inner.free_symbols - {TIME}
                        if str(s) not in entities.assignment_rules
                    }
                )
            if not entities.changes(name):
                return to_sympy(entities.initial(name))
        return symbol(name)

    def _states(self, formula: sp.Expr) -> set[sp.Symbol]:
        """What of a formula is neither a parameter, nor time, nor an observable."""
        entities = self._draft.entities
        return {
            s
            for s in formula.free_symbols
            if s != TIME
            and not str(s).startswith(f"{OBSERVABLE}_")
            and not entities.is_plain_parameter(str(s))
        }

    def _distribution(self) -> str:
        """AMICI's name of the noise distribution."""
        names = []
        for column, default in (
            (C.OBSERVABLE_TRANSFORMATION, C.LIN),
            (C.NOISE_DISTRIBUTION, C.NORMAL),
        ):
            value = self._row.get(column)
            names.append(value if isinstance(value, str) and value else default)
        return "-".join(names)


def _text(cell: Any) -> str:
    """A cell of overrides as text, numbers to the last bit; empty if there is none."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    return repr(float(cell)) if isinstance(cell, int | float | np.number) else str(cell).strip()
