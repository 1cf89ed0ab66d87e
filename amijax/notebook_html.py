"""Records as HTML for notebooks: a heading, a table, sentences below."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from amijax.digits import confirmed_text
from amijax.html_tables import Column, Number, Row, needed_width, table

MOST_ROWS = 60
_NONE = "—"


def report(
    title: str,
    lines: Sequence[str],
    corner: str = "",
    columns: Sequence[Column | str] = (),
    rows: Sequence[Row] = (),
    *,
    rest: str = "",
) -> str:
    """HTML of a record.

    Args:
        title: what it is.
        lines: sentences below; empty ones are left out.
        corner: what the rows of the table are.
        columns: of the table; without rows there is none.
        rows: of the table; of more than `MOST_ROWS` the first ones are shown.
        rest: where all rows are, for the case that they are not shown.
    """
    parts = [f"<p><strong>{escape(title)}</strong></p>"]
    if rows:
        heads = [each if isinstance(each, Column) else Column(each) for each in columns]
        # The style of a class holds for the whole page: tables as wide have the same one.
        name = f"record-{needed_width(heads, rows[:MOST_ROWS], wrap=True)}"
        parts.append(table(name, corner, heads, rows[:MOST_ROWS], wrap=True))
    if len(rows) > MOST_ROWS:
        lines = (f"The first {MOST_ROWS} of {len(rows)} rows; {rest} has all.", *lines)
    parts += [f"<p>{escape(line)}</p>" for line in lines if line]
    return f"<div class='amijax-report'>{''.join(parts)}</div>"


def number(value: float | None, form: str = ".6g", note: str = "") -> Number | str:
    """A cell with a number, all of whose digits are seen by pointing at it; a dash for none.

    Args:
        value: the number; None and NaN are none.
        form: how it is written, as in `format`.
        note: a word behind it.
    """
    if value is None or np.isnan(value):
        return _NONE
    return Number(float(value), format(float(value), form), note)


def known_digits(value: float | None) -> Number | str:
    """A cell with a number of digits: one decimal, never rounded up; a dash where unknown."""
    if value is None or np.isnan(value):
        return _NONE
    return Number(float(value), confirmed_text(float(value)))
