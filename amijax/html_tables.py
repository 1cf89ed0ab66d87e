"""Tables of numbers as HTML, which never cut a number off: where it is narrow, rows become cards.

Colours are those of the text around, so that tables are read on light and on dark ground alike. All
text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

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
_WRAPPED = """
.NAME td.words { white-space: normal; }
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


def card_style(name: str) -> str:
    """The style that makes cards of the rows below an element of that class."""
    return _CARDS.replace("NAME", name)


def body(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """The rows of a table, each with its title in front; no style."""
    lines = "".join(
        f"<tr{' class=strong' if row.strong else ''}>{_header(row.title, row.help, row.strong)}"
        + "".join(_cell(cell, column) for cell, column in zip(row.cells, columns, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<tbody>{lines}</tbody>"


def table(
    name: str,
    corner: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    cards: bool = True,
    wrap: bool = False,
) -> str:
    """A table with its style.

    Args:
        name: a word; the table's class is this after `amijax-`.
        corner: what the rows are.
        columns: of the cells.
        rows: as many cells each as there are columns.
        cards: whether rows become cards where it is narrow; small tables do without.
        wrap: whether cells of words may take several lines; numbers never do.
    """
    head = "".join(_header(c.title, c.help, c.strong) for c in columns)
    style = _STYLE + (_WRAPPED.replace("NAME", f"amijax-{name}") if wrap else "")
    if cards:
        of_cards = card_style(f"amijax-{name}")
        # In units of the page's type, which may be large.
        needed = needed_width(columns, rows, wrap=wrap) / _PIXELS_PER_REM
        style += f"@container (max-width: {needed:.4g}rem) {{{of_cards}}}"
    return (
        f"<style>{style}</style><div class='amijax-table'><div class='amijax-{name}'><table>"
        f"<thead><tr><th>{escape(corner)}</th>{head}</tr></thead>"
        f"{body(columns, rows)}</table></div></div>"
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
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    with_titles: bool = True,
    wrap: bool = False,
) -> int:
    """Pixels that a table takes with every cell in one line or, wrapped, with words in several."""
    names = max((len(row.title) for row in rows), default=0) if with_titles else 0
    characters = min(names, _HEADER_CHARACTERS)
    for i, column in enumerate(columns):
        words = max(len(word) for word in column.title.split())
        characters += max([words, *(_longest(row.cells[i], wrap) for row in rows)])
    return int(characters * _PIXELS_PER_CHARACTER + (len(columns) + with_titles) * _PADDING)


def _longest(cell: Number | str, wrap: bool) -> int:
    if wrap and isinstance(cell, str):
        return max((len(word) for word in cell.split()), default=0)
    return len(_text(cell))
