"""The first page's small table of what matters, in both precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from amijax.digits import relative_text
from amijax.html_tables import Column, Number, Row
from amijax.precisions import PRECISIONS, Precision
from amijax.ui import html_tables

if TYPE_CHECKING:
    from amijax.comparison import Comparison  # JAX, for which the table doesn't wait

_X64 = {"float32": "x64 off", "float64": "x64 on"}


def draw(comparisons: Mapping[Precision, Comparison] | None, precision: Precision) -> None:
    """What matters, in both precisions whatever is chosen; dots while there is nothing yet."""
    columns = [Column("AMICI alone", "AMICI always computes in float64")]
    columns += [
        Column(
            f"inside JAX, {name} ({_X64[name]})",
            f"The same simulation, with everything around it computed by JAX in {name}",
            strong=name == precision,
        )
        for name in PRECISIONS
    ]
    some = comparisons[precision] if comparisons else None
    every = [comparisons[name] for name in PRECISIONS] if comparisons else []
    dots: list[Number | str] = ["…"] * len(PRECISIONS)
    rows = [
        Row(
            "log-likelihood (llh)",
            [_llh(some.llh_amici) if some else "…"]
            + ([_llh(c.llh_jax) if c.jax_was_run else "not run" for c in every] or dots),
            "How probable the measurements are at these parameters, as a natural logarithm. "
            "Larger is better.",
        ),
        Row(
            "relative difference of llh",
            ["—", *([_relative(c, c.llh_rel_diff) for c in every] or dots)],
            "(AMICI − JAX) / |AMICI|. 0.01 or 1 % means: two digits agree.",
        ),
        Row(
            "largest one of the gradient",
            ["—", *([_worst(c) for c in every] or dots)],
            "The gradient has one entry for each parameter: how llh changes with it. Shown is the "
            "entry whose relative difference is largest.",
        ),
    ]
    html_tables.draw("summary_table", "", columns, rows)


def cell(value: float, digits: int, *, all_of_them: bool = False) -> Number:
    """A number with some significant digits; a dash for what is none.

    Args:
        value: the number.
        digits: how many.
        all_of_them: with zeros at the end, so that numbers to be compared are equally long.
    """
    return Number(
        value, f"{value:{'#' if all_of_them else ''}.{digits}g}" if np.isfinite(value) else "—"
    )


def duration(seconds: float) -> str:
    """A duration in words; "not run" for none."""
    if seconds == 0:
        return "not run"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _llh(value: float) -> Number | str:
    return cell(value, 9, all_of_them=True) if np.isfinite(value) else "no result"


def _relative(comparison: Comparison, value: float) -> Number | str:
    if not comparison.jax_was_run:
        return "not run"
    return Number(value, relative_text(value)) if not np.isnan(value) else "—"


def _worst(comparison: Comparison) -> Number | str:
    if not comparison.jax_was_run:
        return "not run"
    if comparison.failure:
        return "—"
    worst = comparison.worst
    if worst is None:
        return Number(0.0, relative_text(0.0))
    value = comparison.gradient_rel_diff[worst]
    return Number(value, relative_text(value), f"({comparison.parameter_ids[worst]})")
