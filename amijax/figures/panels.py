"""Several panels in a figure: rows with room between them, whatever their number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLUMNS = 3
_TOP, _BOTTOM = 76, 44  # pixels for the legend and the first titles, and for the last ticks
_LONGEST = 30  # characters of a title
_BETWEEN = 84  # pixels between rows: ticks and title of one axis, and the next panel's title


def panels(names: Sequence[str], height: int, single: int | None = None) -> go.Figure:
    """A figure with a titled panel for each name and a legend on top.

    Args:
        names: the panels' titles, at least one.
        height: of a panel, in pixels.
        single: of the panels where there is one row only; like the others if not given.
    """
    rows = math.ceil(len(names) / COLUMNS)
    if rows == 1 and single is not None:
        height = single
    drawn = rows * height + (rows - 1) * _BETWEEN
    figure = make_subplots(
        rows=rows, cols=min(len(names), COLUMNS), subplot_titles=[_fitting(name) for name in names],
        vertical_spacing=_BETWEEN / drawn if rows > 1 else 0.0, horizontal_spacing=0.09,
    )  # fmt: skip
    figure.update_annotations(font={"size": 12})
    figure.update_layout(
        height=_TOP + drawn + _BOTTOM,
        margin={"l": 8, "r": 8, "t": _TOP, "b": _BOTTOM},
        legend={"orientation": "h", "x": 0.0, "y": 0.998, "yanchor": "top", "yref": "container"},
    )
    return figure


def place(k: int) -> dict[str, int]:
    """Row and column of a panel, counted from 0."""
    return {"row": k // COLUMNS + 1, "col": k % COLUMNS + 1}


def name_each_once(figure: go.Figure) -> None:
    """Let the legend name each group of traces once, whichever panel it is in first."""
    named: set[str] = set()
    for trace in figure.data:
        if trace.legendgroup and trace.showlegend is not False:
            trace.showlegend = trace.legendgroup not in named
            named.add(trace.legendgroup)


def _fitting(name: str) -> str:
    """A title that does not reach into the next panel; hovering shows the whole name."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"
