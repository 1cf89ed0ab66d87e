"""PEtab's observable and noise formulas as numbers, by PEtab's own parser and likelihood."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sympy as sp
from petab.v1 import C
from petab.v1 import measurements as petab_measurements
from petab.v1.calculate import calculate_single_llh
from petab.v1.math import sympify_petab

from amijax.problems.placeholders import Kind, placeholders
from amijax.scales import FloatArray

_KINDS: tuple[Kind, ...] = ("observable", "noise")


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements of one observable with the same overrides.

    Attributes:
        rows: positions in the measurement table.
        observable: its id.
        value, noise: the formulas, overrides filled in.
        symbols: what they refer to.
    """

    rows: np.ndarray
    observable: str
    value: Callable[[Mapping[str, Any]], Any]
    noise: Callable[[Mapping[str, Any]], Any]
    symbols: frozenset[str]


def measured_groups(measurements: pd.DataFrame, observables: pd.DataFrame) -> tuple[Measured, ...]:
    """Formulas with what the measurement table puts in, one for each set of overrides.

    Args:
        measurements: PEtab's measurement table.
        observables: PEtab's observable table.
    """
    formulas = {
        str(name): (
            sympify_petab(row[C.OBSERVABLE_FORMULA]), sympify_petab(row[C.NOISE_FORMULA])
        )
        for name, row in observables.iterrows()
    }  # fmt: skip
    groups: dict[tuple[str, ...], list[int]] = {}
    columns = [
        [_text(cell, "") for cell in measurements[column]]
        if column in measurements
        else [""] * len(measurements)
        for column in (C.OBSERVABLE_ID, C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS)
    ]
    for i, key in enumerate(zip(*columns, strict=True)):
        groups.setdefault(key, []).append(i)
    return tuple(
        _group(name, np.array(rows), overrides, observables.loc[name], formulas)
        for (name, *overrides), rows in groups.items()
    )


def _text(cell: Any, default: str) -> str:
    """A cell's text, or what an empty one means."""
    return default if pd.isna(cell) or str(cell).strip() == "" else str(cell)


def _group(
    name: str,
    rows: np.ndarray,
    overrides: Sequence[str],
    row: Mapping[str, Any],
    formulas: Mapping[str, tuple[sp.Expr, sp.Expr]],
) -> Measured:
    value, noise = formulas[name]
    replaced: dict[sp.Symbol, sp.Expr] = {}
    symbols = [str(s) for s in value.free_symbols | noise.free_symbols]
    for kind, text in zip(_KINDS, overrides, strict=True):
        names = placeholders(name, kind, row, symbols)
        values = petab_measurements.split_parameter_replacement_list(text)
        for placeholder_id, given in zip(names, values, strict=True):
            placeholder = sp.Symbol(placeholder_id, real=True)
            is_number = isinstance(given, float | int)
            replaced[placeholder] = (
                sp.Float(given, 17) if is_number else sp.Symbol(given, real=True)
            )
    value = value.subs(replaced)
    # A noise formula may name observables: the value, before any transformation.
    known = {sp.Symbol(other, real=True): formula for other, (formula, _) in formulas.items()}
    noise = noise.subs(replaced).subs(known).subs(replaced)
    left = value.free_symbols | noise.free_symbols
    return Measured(rows, name, _function(value), _function(noise), frozenset(str(s) for s in left))


def _function(formula: sp.Expr) -> Callable[[Mapping[str, Any]], Any]:
    symbols = sorted(formula.free_symbols, key=str)
    compiled = sp.lambdify(symbols, formula, modules=["numpy", "scipy"], cse=True, dummify=True)
    names = [str(symbol) for symbol in symbols]
    return lambda values: compiled(*(values[name] for name in names))


def row_llhs(
    measurements: pd.DataFrame,
    observables: pd.DataFrame,
    values: FloatArray,
    noise: FloatArray,
) -> Iterator[float]:
    """PEtab's log-likelihood of each measurement.

    Args:
        measurements: PEtab's measurement table.
        observables: PEtab's observable table.
        values: the simulated observable of each row, shape (n_rows,).
        noise: its noise scale, shape (n_rows,).
    """
    kinds = {
        str(name): (
            _text(row.get(C.OBSERVABLE_TRANSFORMATION), C.LIN),
            _text(row.get(C.NOISE_DISTRIBUTION), C.NORMAL),
        )
        for name, row in observables.iterrows()
    }
    for name, measured, value, sigma in zip(
        measurements[C.OBSERVABLE_ID].astype(str),
        measurements[C.MEASUREMENT].astype(float),
        values,
        noise,
        strict=True,
    ):
        with np.errstate(all="ignore"):  # the logarithm of 0, say, whose llh is -inf
            yield float(calculate_single_llh(measured, value, *kinds[name], sigma))
