"""Keeps the zoom of a plotly chart while its data change, which Streamlit's own chart forgets."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

_STATE = "amijax_zoom"
_AXIS = re.compile(r"[xy]axis([1-9]\d{0,2})?")

# Streamlit mounts a chart anew whenever its figure changes. This listens to what a person does to
# the axes and tells Python, which puts the same ranges into the next figure.
_JS = r"""
export default function ({ data, setStateValue }) {
  let plot = null;
  const relayout = (event) => {
    const axes = {};
    for (const [key, value] of Object.entries(event)) {
      const parts = key.match(/^([xy]axis\d*)\.(range|autorange)(?:\[([01])\])?$/);
      if (!parts) continue;
      const [, axis, what, end] = parts;
      if (what === "autorange") axes[axis] = null;
      else if (end === undefined) axes[axis] = value;
      else (axes[axis] ??= [null, null])[Number(end)] = value;
    }
    if (Object.keys(axes).length) setStateValue("zoom", { axes, at: Date.now() });
  };
  const timer = setInterval(() => {
    const found = document.querySelector(`.st-key-${data} .js-plotly-plot`);
    if (found && found !== plot && typeof found.on === "function") {
      plot = found;
      plot.on("plotly_relayout", relayout);
    }
  }, 150);
  return () => {
    clearInterval(timer);
    plot?.removeListener?.("plotly_relayout", relayout);
  };
}
"""

_listener = st.components.v2.component("amijax_zoom", js=_JS)


def keep(figure: Any, chart: str, view: tuple[object, ...]) -> None:
    """Give a figure the axis ranges that were zoomed to, and go on listening.

    Args:
        figure: plotly's, changed in place.
        chart: key of the chart.
        view: what the axes are of; another view starts without a zoom.
    """
    key = f"zoom_{chart}"
    known: dict[str, Any] = st.session_state.setdefault(_STATE, {})

    def changed() -> None:
        ranges = dict(known[chart][1]) if known.get(chart, (None,))[0] == view else {}
        ranges.update(_checked(st.session_state[key].get("zoom")))
        known[chart] = (view, {axis: ends for axis, ends in ranges.items() if ends is not None})

    _listener(key=key, data=chart, default={"zoom": None}, on_zoom_change=changed)
    kept = known.get(chart)
    if kept is not None and kept[0] == view:
        figure.update_layout({axis: {"range": list(ends)} for axis, ends in kept[1].items()})


def _checked(event: Any) -> dict[str, tuple[float, float] | None]:
    """Axis ranges that a browser sent; what is none is left out."""
    axes = event.get("axes") if isinstance(event, dict) else None
    found: dict[str, tuple[float, float] | None] = {}
    for name, ends in axes.items() if isinstance(axes, dict) else ():
        if not _AXIS.fullmatch(str(name)):
            continue
        if ends is None:
            found[name] = None
        elif isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends)):
            found[name] = (float(ends[0]), float(ends[1]))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
