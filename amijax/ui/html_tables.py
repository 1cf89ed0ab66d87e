"""Tables of numbers as HTML, which never cut a number off: where it is narrow, rows become cards.

Data grids are drawn on a canvas, whose columns clip what is too long; a number without its sign or
its last digits is another number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

_PIXELS_PER_CHARACTER = 7.6  # of 14 px text, digits; words are narrower
_PADDING = 20
_PIXELS_PER_REM = 16
_HEADER_CHARACTERS = 24  # of a row's name; longer ones are wrapped

_STYLE = """
.amijax-table { container-type: inline-size; font-size: 0.875rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.amijax-table table { border-collapse: collapse; width: 100%; margin: 0; }
.amijax-table th, .amijax-table td { padding: 0.28rem 0.6rem; text-align: right; border: none;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.amijax-table td { white-space: nowrap; }
.amijax-table th { font-weight: 400; vertical-align: bottom; }
.amijax-table th:first-child { text-align: left; overflow-wrap: anywhere; padding-left: 0; }
.amijax-table thead th { opacity: 0.75; }
.amijax-table .strong { font-weight: 650; opacity: 1; }
.amijax-table span[title] { text-decoration: underline dotted; text-underline-offset: 3px;
  cursor: help; }
"""
_CARDS = """
  .NAME table, .NAME tbody { display: block; }
  .NAME thead { display: none; }
  .NAME tr { display: block; padding: 0.35rem 0;
    border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
  .NAME tr > th, .NAME tr > td { display: flex; justify-content: space-between; gap: 0.8rem;
    border: none; padding: 0.08rem 0; }
  .NAME tr > th { font-weight: 650; display: block; text-align: left; }
  .NAME tr > td { text-align: right; }
  .NAME tr > td.words { white-space: normal; }
  .NAME tr > td::before { content: attr(data-label); opacity: 0.75; text-align: left; }
"""


@dataclass(frozen=True)
class Number:
    """A number in a cell.

    Attributes:
        value: what it is; all its digits are seen by pointing at it.
        text: how it is written.
        note: a word behind it, for example whose number it is.
    """

    value: float
    text: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column's title and the sentence that explains it, and whether it is emphasized."""

    title: str
    help: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Row:
    """A row's title, the sentence that explains it, its cells, and whether it is emphasized."""

    title: str
    cells: Sequence[Number | str]
    help: str = ""
    strong: bool = False


def draw(
    name: str, corner: str, columns: Sequence[Column], rows: Sequence[Row], *, cards: bool = True
) -> None:
    """Draw a table.

    Args:
        name: a word; the table's class is this after `amijax-`.
        corner: what the rows are.
        columns: of the cells.
        rows: as many cells each as there are columns.
        cards: whether rows become cards where it is narrow; small tables do without.
    """
    st.html(_table(name, corner, columns, rows, cards))


def draw_cards(name: str, columns: Sequence[Column], rows: Sequence[Row], *, below: int) -> None:
    """Draw rows as cards, in a container of that key that is too narrow for its grid.

    Args:
        name: the key of the container; `name_grid` is that of the grid in it.
        columns: of the cells.
        rows: as many cells each as there are columns.
        below: pixels that the grid takes.
    """
    style = (
        f".st-key-{name} {{ container-type: inline-size; }}"
        f"@container (min-width: {below}px) {{ .amijax-{name} {{ display: none; }} }}"
        f"@container (max-width: {below - 0.02}px) {{ .st-key-{name}_grid {{ display: none; }} }}"
        f".amijax-{name} {{ max-height: 80vh; overflow-y: auto; font-size: 0.875rem;"
        " font-variant-numeric: tabular-nums; }" + _CARDS.replace("NAME", f"amijax-{name}")
    )
    table = f"<table>{_body(columns, rows)}</table>"
    st.html(f"<style>{style}</style><div class='amijax-{name}'>{table}</div>")


def _body(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    lines = "".join(
        f"<tr{' class=strong' if row.strong else ''}>{_header(row.title, row.help, row.strong)}"
        + "".join(_cell(cell, column) for cell, column in zip(row.cells, columns, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<tbody>{lines}</tbody>"


def _table(
    name: str, corner: str, columns: Sequence[Column], rows: Sequence[Row], cards: bool
) -> str:
    head = "".join(_header(c.title, c.help, c.strong) for c in columns)
    style = _STYLE
    if cards:
        of_cards = _CARDS.replace("NAME", f"amijax-{name}")
        # In units of the page's type, which may be large.
        needed = needed_width(columns, rows) / _PIXELS_PER_REM
        style += f"@container (max-width: {needed:.4g}rem) {{{of_cards}}}"
    return (
        f"<style>{style}</style><div class='amijax-table'><div class='amijax-{name}'><table>"
        f"<thead><tr><th>{escape(corner)}</th>{head}</tr></thead>"
        f"{_body(columns, rows)}</table></div></div>"
    )


def _header(title: str, explanation: str, strong: bool) -> str:
    shown = f'<span title="{escape(explanation)}">{escape(title)}</span>'
    return f"<th{' class=strong' if strong else ''}>{shown if explanation else escape(title)}</th>"


def _cell(cell: Number | str, column: Column) -> str:
    classes = ["strong"] * column.strong + ["words"] * isinstance(cell, str)
    attributes = f'data-label="{escape(column.title)}" class="{" ".join(classes)}"'
    if isinstance(cell, Number):
        attributes += f' data-value="{float(cell.value)!r}" title="{_all_digits(cell.value)}"'
    return f"<td {attributes}>{escape(_text(cell))}</td>"


def _all_digits(value: float) -> str:
    return f"{float(value):.17g}"


def _text(cell: Number | str) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell.text} {cell.note}".strip()


def needed_width(
    columns: Sequence[Column], rows: Sequence[Row], *, with_titles: bool = True
) -> int:
    """Pixels that a table with every cell in one line takes."""
    names = max((len(row.title) for row in rows), default=0) if with_titles else 0
    characters = min(names, _HEADER_CHARACTERS)
    for i, column in enumerate(columns):
        words = max(len(word) for word in column.title.split())
        characters += max([words, *(len(_text(row.cells[i])) for row in rows)])
    return int(characters * _PIXELS_PER_CHARACTER + (len(columns) + with_titles) * _PADDING)
