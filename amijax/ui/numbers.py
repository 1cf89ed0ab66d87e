"""Numbers on a page, never cut: figures in a row that wraps, grids as wide as their content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# Of the grid's font, widest digit and letter, in pixels, with what a cell keeps free at its sides.
_DIGIT, _LETTER, _SIDES = 8.0, 8.5, 26
_HEADER_SIDES = 44  # the menu's mark
_WIDEST_INDEX = 260
_MANY_ROWS = 14
_ROW = 35  # pixels


def row(key: str | None = None) -> DeltaGenerator:
    """A place for `figure`s side by side; those that find no room go to the next line."""
    return st.container(horizontal=True, gap="medium", key=key)


def figure(
    label: str, value: str | int, *, help: str | None = None, note: str | None = None
) -> None:
    """One figure with its label above and a note below, as wide as they are.

    Streamlit's own metrics are as wide as their column, and end in dots where that is too narrow.
    """
    st.metric(
        label, value, help=help, delta=note, delta_color="off", delta_arrow="off", width="content"
    )


def grid(
    frame: pd.DataFrame,
    formats: Mapping[str, str],
    *,
    alt: str,
    help: Mapping[str, str] | None = None,
    texts: Mapping[str, int] | None = None,
    rows: int = _MANY_ROWS,
) -> None:
    """A table whose number columns are as wide as their longest number; it scrolls if need be.

    Streamlit measures columns once, so that a number that gets longer loses its beginning, which
    may be the minus.

    Args:
        frame: with ids as its index.
        formats: of number columns, printf's `%.<n>g`, `%.<n>f` or `%.<n>e`.
        alt: what the table shows, for those who can't see it.
        help: of columns.
        texts: widths of columns of text, in pixels; as wide as Streamlit makes them where none
            is given.
        rows: how many are shown; more than that scroll.
    """
    explained = help or {}
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(
            name, format=form, width=column_width(frame[name], form, name),
            help=explained.get(name),
        )
        for name, form in formats.items()
        if name in frame
    }  # fmt: skip
    for name in frame.columns.difference(list(columns), sort=False):
        columns[name] = st.column_config.Column(
            name, width=(texts or {}).get(name), help=explained.get(name)
        )
    longest = max((len(str(entry)) for entry in (*frame.index, frame.index.name or "")), default=0)
    columns[str(frame.index.name)] = st.column_config.Column(
        width=int(min(longest * _LETTER + _SIDES, _WIDEST_INDEX))
    )
    st.dataframe(
        frame, column_config=columns, height=(min(max(len(frame), 1), rows) + 1) * _ROW + 3,
        placeholder="—", alt=alt,
    )  # fmt: skip


def column_width(values: pd.Series, form: str, header: str) -> int:
    """Pixels that a column's longest number and its header take.

    Args:
        values: numbers; missing ones take none.
        form: how they are shown, see `grid`.
        header: the column's.
    """
    longest = max((len(drawn(float(v), form)) for v in values.dropna()), default=1)
    return int(max(longest * _DIGIT + _SIDES, len(header) * _LETTER + _HEADER_SIDES))


def drawn(value: float, form: str) -> str:
    """A number as the browser shows it: JavaScript writes exponents below 1e-6 and from 1e21 on."""
    if not np.isfinite(value):
        return str(value)
    text = form % value
    if not form.endswith("g"):
        return text
    shortened = float(text)
    if shortened and not 1e-6 <= abs(shortened) < 1e21:
        return np.format_float_scientific(shortened, trim="-", exp_digits=1)
    return np.format_float_positional(shortened, trim="-")
