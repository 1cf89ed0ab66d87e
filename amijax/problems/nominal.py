"""Nominal values that a problem leaves open, or that have no logarithm: where to start instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
from petab.v1 import C

from amijax.problems.findings import Findings
from amijax.scales import LN10, Scale, to_linear, to_scaled

# An infinite bound counts as one this far from 0 on the scale, or from the other bound if that is
# beyond: ten decades on logarithmic scales, where 0 is minus infinity.
_FAR: dict[Scale, float] = {"lin": 10.0, "log": 10.0 * LN10, "log10": 10.0}


def settle_nominal_values(table: pd.DataFrame, findings: Findings) -> None:
    """Give each estimated parameter a nominal value on its scale; say where that was needed.

    A missing one becomes the middle of the bounds on the parameter's scale, one without a
    logarithm the bound that is nearest to it, the lower one.

    Args:
        table: PEtab's parameter table, checked; changed in place.
        findings: where it is said.
    """
    free = table[C.ESTIMATE] == 1
    missing = {i: _middle(table.loc[i]) for i in table.index[free & table[C.NOMINAL_VALUE].isna()]}
    outside = free & (table[C.PARAMETER_SCALE] != "lin") & (table[C.NOMINAL_VALUE] <= 0)
    moved = {i: _ends(table.loc[i])[0] for i in table.index[outside]}
    for values, code, why in (
        (missing, "nominal_missing", "has no nominalValue; the middle of its bounds is taken"),
        (moved, "nominal_moved", "has a nominalValue without a logarithm; a bound is taken"),
    ):
        linear = {i: _linear(value, table.loc[i, C.PARAMETER_SCALE]) for i, value in values.items()}
        if linear:
            given = ", ".join(f"{i} = {value:.6g}" for i, value in list(linear.items())[:10])
            more = f" and {len(linear) - 10} more" if len(linear) > 10 else ""
            who = "A parameter" if len(linear) == 1 else "Each of some parameters"
            findings.warning(f"{who} {why}: {given}{more}.", code, parameters=linear)
        for i, value in linear.items():
            table.loc[i, C.NOMINAL_VALUE] = value


def _ends(row: pd.Series) -> tuple[float, float]:
    """A parameter's bounds on its scale, both finite."""
    scale = row[C.PARAMETER_SCALE]
    low, high = to_scaled([row[C.LOWER_BOUND], row[C.UPPER_BOUND]], (scale, scale))
    far = _FAR[scale]
    if not np.isfinite(low):
        low = -far if not np.isfinite(high) or high > -far else high - far
    if not np.isfinite(high):
        high = far if low < far else low + far
    return float(low), float(high)


def _middle(row: pd.Series) -> float:
    low, high = _ends(row)
    return low + (high - low) / 2


def _linear(value: float, scale: Scale) -> float:
    return float(to_linear([value], (scale,))[0])
