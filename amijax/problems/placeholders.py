"""Placeholders of an observable's formulas, whose values the measurement table gives."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from petab.v1 import C as C1
from petab.v2 import C as C2

Kind = Literal["observable", "noise"]

# Columns of PEtab v2's observable table that name placeholders; PEtab v1 has them numbered.
COLUMNS: dict[Kind, str] = {
    "observable": C2.OBSERVABLE_PLACEHOLDERS,
    "noise": C2.NOISE_PLACEHOLDERS,
}
OVERRIDES: dict[Kind, str] = {
    "observable": C1.OBSERVABLE_PARAMETERS,
    "noise": C1.NOISE_PARAMETERS,
}


def listed(cell: Any) -> tuple[str, ...]:
    """The placeholders that a cell of PEtab v2 names, in order."""
    if not isinstance(cell, str):
        return ()
    return tuple(name for part in cell.split(C2.PARAMETER_SEPARATOR) if (name := part.strip()))


def placeholders(
    observable: str, kind: Kind, row: Mapping[str, Any], symbols: Collection[str]
) -> tuple[str, ...]:
    """The placeholders of a kind, in the order of the values that measurements give.

    Args:
        observable: its id.
        kind: those of the observable formula or of the noise formula.
        row: of the observable table; it has PEtab v2's columns, or the numbered names of v1 count.
        symbols: ids in the formulas.
    """
    if COLUMNS[kind] in row:
        return listed(row[COLUMNS[kind]])
    pattern = re.compile(rf"{kind}Parameter(\d+)_{re.escape(observable)}")
    numbers = [int(match[1]) for s in symbols if (match := pattern.fullmatch(str(s))) is not None]
    return tuple(f"{kind}Parameter{i}_{observable}" for i in range(1, max(numbers, default=0) + 1))
