"""Numbers on a page, never cut: figures in a row that wraps, grids as wide as their content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from amijax.html_tables import Column, Number, Row
from amijax.ui.html_tables import draw_cards

# Of the grid's font, widest digit and letter, in pixels, with what a cell keeps free at its sides.
_DIGIT, _LETTER, _SIDES = 8.0, 7.7, 26
_HEADER_SIDES = 44  # the menu's mark
_WIDEST_TEXT = 260
_BORDERS = 4
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
    name: str,
    frame: pd.DataFrame,
    formats: Mapping[str, str],
    *,
    alt: str,
    help: Mapping[str, str] | None = None,
    texts: Mapping[str, int] | None = None,
    rows: int = _MANY_ROWS,
) -> None:
    """A table whose number columns are as wide as their longest number.

    Streamlit measures columns once, so that a number that gets longer loses its beginning, which
    may be the minus. Where there is no room for all columns of numbers, rows become cards: a
    column that ends at the window's edge shows a part of its numbers.

    Args:
        name: key of the container.
        frame: with ids as its index.
        formats: of number columns, printf's `%.<n>g`, `%.<n>f` or `%.<n>e`.
        alt: what the table shows, for those who can't see it.
        help: of columns.
        texts: widths of columns of text, in pixels; as wide as Streamlit makes them where none
            is given.
        rows: how many are shown; more than that scroll.
    """
    explained = help or {}
    widths = {
        column: column_width(frame[column], form, column)
        for column, form in formats.items()
        if column in frame
    }
    columns: dict[str, Any] = {
        column: st.column_config.NumberColumn(
            column, format=formats[column], width=width, help=explained.get(column)
        )
        for column, width in widths.items()
    }
    for column in frame.columns.difference(list(columns), sort=False):
        widths[column] = (texts or {}).get(column) or _text_width(frame[column], column)
        columns[column] = st.column_config.Column(
            column, width=widths[column], help=explained.get(column)
        )
    index = str(frame.index.name)
    widths[index] = _text_width(frame.index.to_series(), index)
    columns[index] = st.column_config.Column(width=widths[index])
    with st.container(key=name):
        with st.container(key=f"{name}_grid"):
            st.dataframe(
                frame, column_config=columns, height=(min(max(len(frame), 1), rows) + 1) * _ROW + 3,
                placeholder="—", alt=alt,
            )  # fmt: skip
        # Text behind the numbers may scroll.
        last = max((i for i, column in enumerate(frame) if column in formats), default=-1)
        draw_cards(
            name,
            [Column(str(column), explained.get(column, "")) for column in frame],
            _cards(frame, formats),
            below=sum(widths[c] for c in [index, *frame.columns[: last + 1]]) + _BORDERS,
        )


def _text_width(values: pd.Series, header: str) -> int:
    longest = max((len(str(entry)) for entry in values), default=0)
    wide = max(longest * _LETTER + _SIDES, len(header) * _LETTER + _HEADER_SIDES)
    return int(min(wide, _WIDEST_TEXT))


def _cards(frame: pd.DataFrame, formats: Mapping[str, str]) -> list[Row]:
    """A card for each row; what is missing is left out of the text, but has its line."""

    def cell(column: str, entry: Any) -> Number | str:
        if pd.isna(entry):
            return "—"
        if column in formats:
            return Number(float(entry), drawn(float(entry), formats[column]))
        return str(entry)

    return [
        Row(str(title), [cell(column, frame[column].iloc[i]) for column in frame])
        for i, title in enumerate(frame.index)
    ]


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
