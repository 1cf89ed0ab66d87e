"""A figure as a web page of its own, which says what it shows, of which problem, at which point."""

from __future__ import annotations

import datetime as dt
import json
from html import escape

import plotly.graph_objects as go

_LINE = 17  # pixels of a line below the title
_TITLE = 44
_ABOVE = 18  # pixels above the title


def web_page(figure: go.Figure, title: str, lines: tuple[str, ...], name: str) -> str:
    """A figure as HTML that needs no network, with title and buttons that save PNG and SVG.

    Args:
        figure: with its height set; not changed.
        title: what it shows, with the problem's id.
        lines: what else is to be known of it: the point, the solver's settings.
        name: of the files that its buttons save, without extension.
    """
    other = titled(figure, title, (*lines, f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"))
    buttons = "".join(
        f"<button onclick=\"Plotly.downloadImage('figure', {escape(json.dumps(_file(form, name)))}"
        f')">{form.upper()}</button> '
        for form in ("png", "svg")
    )
    plot = other.to_html(
        include_plotlyjs=True, full_html=False, div_id="figure", config={"displaylogo": False}
    )
    return (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{escape(title)}</title></head>"
        f"<body>{buttons}{plot}</body></html>"
    )


def titled(figure: go.Figure, title: str, lines: tuple[str, ...]) -> go.Figure:
    """A copy with a title, lines below it, and room for them and for the axes' labels.

    Args:
        figure: with its height and upper margin set.
        title: one line.
        lines: small ones below.
    """
    other = go.Figure(figure)
    more = _TITLE + _LINE * len(lines)
    top = int(figure.layout.margin.t) + more
    small = "".join(f"<br><span style='font-size:12px'>{escape(line)}</span>" for line in lines)
    height = int(figure.layout.height) + more
    other.update_layout(
        title={
            "text": f"<b>{escape(title)}</b>{small}", "font": {"size": 16},
            "x": 0.0, "xref": "container", "xanchor": "left", "pad": {"l": 10},
            "y": 1.0 - _ABOVE / height, "yref": "container", "yanchor": "top",
        },
        height=height,
        margin={"t": top, "l": 20, "r": 20, "b": max(int(figure.layout.margin.b or 0), 40)},
        paper_bgcolor="white", template="plotly_white",
    )  # fmt: skip
    legend = figure.layout.legend
    if legend.yref == "container":
        other.update_layout(legend={"y": 1.0 - (more - 4) / other.layout.height})
    other.update_xaxes(automargin=True)
    other.update_yaxes(automargin=True)
    return other


def _file(form: str, name: str) -> dict[str, object]:
    return {"format": form, "filename": name, "scale": 2}
