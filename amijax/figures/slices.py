"""Figures of llh along a line: one's own step with the gradient's tangent, single parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, NAN_COLOUR, OTHER_COLOUR, top_legend
from amijax.figures.panels import name_each_once, panels, place
from amijax.whatif.prediction import Prediction
from amijax.whatif.slices import Slice

_PANEL_HEIGHT = 250
_PRECIPICE = 10.0  # times what half of the values span


def prediction_figure(prediction: Prediction) -> go.Figure:
    """Llh along the edited direction with the tangent of the baseline's gradient."""
    figure = go.Figure()
    t = prediction.fractions
    figure.add_scatter(
        x=t, y=prediction.llh, mode="lines+markers", name="llh", marker={"size": 5},
        line={"color": AMICI_COLOUR, "width": 2.5},
        hovertemplate="%{x:.3g} of the step: llh %{y:.8g}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=t, y=prediction.tangent(t), mode="lines", name="tangent: what the gradient foretells",
        line={"color": JAX_COLOUR, "width": 2, "dash": "dash"},
        hovertemplate="%{x:.3g} of the step: foretold %{y:.8g}<extra></extra>",
    )  # fmt: skip
    for where, name, colour in ((0.0, "baseline", OTHER_COLOUR), (1.0, "now", NAN_COLOUR)):
        i = int(np.searchsorted(t, where))
        figure.add_scatter(
            x=[t[i]], y=[prediction.llh[i]], mode="markers", name=name,
            marker={"size": 13, "symbol": "diamond", "color": colour},
            hovertemplate=name + ": %{y:.8g}<extra></extra>",
        )  # fmt: skip
    # The tangent may leave the picture, llh may not.
    finite = prediction.llh[np.isfinite(prediction.llh)]
    if finite.size:
        margin = 0.15 * (np.ptp(finite) or 1.0)
        figure.update_yaxes(range=[finite.min() - margin, finite.max() + margin])
    figure.update_layout(height=360, margin={"l": 8, "r": 8, "t": 40, "b": 8}, legend=top_legend())
    figure.update_xaxes(title="fraction of the step from the baseline")
    figure.update_yaxes(title="llh")
    return figure


def slices_figure(slices: Sequence[Slice], *, gradient: bool = False) -> go.Figure:
    """Llh (or its derivative) along single parameters, current and nominal value marked.

    Args:
        slices: at least one.
        gradient: the derivative instead of llh; slices without it are left out.
    """
    figure = panels([entry.parameter for entry in slices], _PANEL_HEIGHT)
    for k, entry in enumerate(slices):
        where = place(k)
        values = entry.gradient if gradient else entry.llh
        if values is None:
            continue
        figure.add_scatter(
            x=entry.values, y=values, mode="lines", line={"color": AMICI_COLOUR, "width": 2},
            name="∂llh/∂θ" if gradient else "llh", legendgroup="line",
            hovertemplate=entry.parameter + " = %{x:.5g}: %{y:.7g}<extra></extra>", **where,
        )  # fmt: skip
        marks = (("now", entry.current, NAN_COLOUR), ("nominal", entry.nominal, OTHER_COLOUR))
        for name, i, colour in marks:
            if i is not None:
                figure.add_scatter(
                    x=[entry.values[i]], y=[values[i]], mode="markers", name=name,
                    marker={
                        "size": 11, "color": colour,
                        "symbol": "diamond" if name == "now" else "circle-open",
                        "line": {"width": 2},
                    },
                    legendgroup=name, hovertemplate=name + ": %{y:.7g}<extra></extra>", **where,
                )  # fmt: skip
        _focus(figure, values, where)
    name_each_once(figure)
    return figure


def _focus(figure: go.Figure, values: np.ndarray, where: dict[str, int]) -> None:
    """Leave the precipices out of the picture: far from nominal llh falls by many magnitudes."""
    finite = values[np.isfinite(values)]
    if finite.size < 3:
        return
    low, high = float(np.median(finite)), float(finite.max())
    half = high - low  # what the better half of the values spans
    low -= half
    if high - finite.min() > _PRECIPICE * half:
        figure.update_yaxes(range=[low, high + 0.08 * (high - low)], **where)
