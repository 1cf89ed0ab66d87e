"""HTML tables on a page.

Data grids are drawn on a canvas, whose columns clip what is too long; a number without its sign or
its last digits is another number.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from amijax.html_tables import Column, Row, body, card_style, table


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
    st.html(table(name, corner, columns, rows, cards=cards))


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
        " font-variant-numeric: tabular-nums; }" + card_style(f"amijax-{name}")
    )
    rows_only = f"<table>{body(columns, rows)}</table>"
    st.html(f"<style>{style}</style><div class='amijax-{name}'>{rows_only}</div>")
