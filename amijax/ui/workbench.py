"""The first page's lay-out: places that are there before results are, so that nothing moves."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_SCROLLED_FROM = 17  # parameters from which on table and chart scroll together
_SCROLLED_HEIGHT = 640
# What the chart has above its rows there (amijax/figures/gradient.py), less the gap of the page.
_AXIS_SPACE = 56 - 16

_TABLE, _CHART, _GAP = 328, 304, 16  # pixels: what they need at least, and between them

# Table, details and chart beside each other on a small laptop, and below each other where it is
# narrower; the height of what comes with the results, above the table; rows of the details as high
# as the table's.
_STYLE = """<style>
.stMainBlockContainer { padding: 0.6rem clamp(1rem, 2.5vw, 5rem) 4rem; }
.st-key-lead { min-height: 10.4rem; }
.st-key-summary { min-height: 7.5rem; }
.st-key-verdict { min-height: 2.5rem; }
@media (max-width: 1150px) { .st-key-lead { min-height: 13.6rem; } }
@media (max-width: 768px) { .stMainBlockContainer { padding-top: 3.6rem; } }
@media (max-width: 640px) {
  .st-key-lead { min-height: 23rem; } .st-key-summary { min-height: 15.5rem; }
  .st-key-verdict { min-height: 6rem; }
}
.st-key-workbench { container: bench / inline-size; }
.st-key-workbench [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) {
  flex-wrap: wrap;
}
.st-key-workbench [data-testid="stColumn"]:nth-child(1) {
  flex: 1 1 TABLEpx; min-width: min(100%, TABLEpx); max-width: max(36rem, TABLEpx);
}
.st-key-workbench [data-testid="stColumn"]:nth-child(2) {
  flex: 0 0 DETAILSpx; min-width: DETAILSpx;
}
.st-key-workbench [data-testid="stColumn"]:nth-child(3) {
  flex: 2 1 CHARTpx; min-width: min(100%, CHARTpx);
}
.amijax-table .amijax-details th:first-child { display: none; }
.amijax-table .amijax-details tr { height: 35px; }
.amijax-table .amijax-details thead tr { height: 37px; }
.amijax-table .amijax-details th, .amijax-table .amijax-details td {
  padding-top: 0; padding-bottom: 0; vertical-align: middle;
}
@container bench (max-width: BESIDEpx) {
  .st-key-workbench [data-testid="stColumn"]:nth-child(n) { flex-basis: 100%; max-width: 100%; }
  .amijax-table .amijax-details th:first-child { display: table-cell; }
}
</style>"""


@dataclass(frozen=True)
class Places:
    """Where things go.

    Attributes:
        lead, summary, verdict: above the table, as high without results as with them.
        tools: the row above the table.
        table, details, chart: beside each other.
        notes, values: below them.
        scrolls: whether table and chart scroll together.
    """

    lead: DeltaGenerator
    summary: DeltaGenerator
    verdict: DeltaGenerator
    tools: DeltaGenerator
    table: DeltaGenerator
    details: DeltaGenerator
    chart: DeltaGenerator
    notes: DeltaGenerator
    values: DeltaGenerator
    scrolls: bool


def lay_out(n_parameters: int, details_width: int, order: tuple[int, ...]) -> Places:
    """Make the places.

    Args:
        n_parameters: rows of the table.
        details_width: pixels that the details take.
        order: of the parameters; another one scrolls back to the top.
    """
    beside = _TABLE + _GAP + details_width
    style = _STYLE.replace("TABLE", str(_TABLE)).replace("CHART", str(_CHART))
    st.html(style.replace("DETAILS", str(details_width)).replace("BESIDE", str(beside)))
    lead = st.container(key="lead").empty()
    summary = st.container(key="summary").empty()
    verdict = st.container(key="verdict").empty()
    tools = st.container(key="tools", horizontal=True, vertical_alignment="center", gap="small")
    scrolls = n_parameters >= _SCROLLED_FROM
    with st.container(key="workbench"):
        bench = st.container(
            height=_SCROLLED_HEIGHT if scrolls else "content",
            border=False,
            key=f"bench_{hash(order)}",
        )
        with bench:
            table, details, chart = st.columns(3, gap="small")
    if scrolls:
        table.space(_AXIS_SPACE)
        details.space(_AXIS_SPACE)
    notes, values = st.container(), st.container()
    return Places(lead, summary, verdict, tools, table, details, chart, notes, values, scrolls)
