"""Figures of the lesson: what pulls at a gradient entry, and what tightening tolerances brings."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, NAN_COLOUR, OTHER_COLOUR, top_legend
from amijax.lesson.accuracy import Accuracy
from amijax.lesson.cancellation import Terms
from amijax.lesson.texts import digits_text
from amijax.lesson.tight import Tight
from amijax.scales import FloatArray

_PAIR = 34  # pixels, of an entry's two bars
_BELOW = 1e-17  # what is exactly 0 lies here on a logarithmic axis


def terms_figure(terms: Terms, parameter: str) -> go.Figure:
    """What each measurement adds to a gradient entry, ascending, and what is left of it all.

    Args:
        terms: the entry's.
        parameter: its id.
    """
    values = np.sort(terms.values)
    figure = go.Figure()
    for name, colour, chosen in (
        (f"downwards, together {terms.lowering:.6g}", JAX_COLOUR, values < 0),
        (f"upwards, together +{terms.raising:.6g}", AMICI_COLOUR, values >= 0),
    ):
        figure.add_bar(
            x=np.flatnonzero(chosen) + 1, y=values[chosen], name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y:.4g}<extra></extra>",
        )  # fmt: skip
    figure.add_bar(
        x=[len(values) + 2], y=[terms.entry], name=f"left of it: {terms.entry:.4g}",
        marker={"color": NAN_COLOUR, "line": {"width": 2, "color": NAN_COLOUR}},
        hovertemplate="%{y:.4g}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=320, margin={"l": 8, "r": 8, "t": 48, "b": 8}, legend=top_legend(),
        barmode="overlay", bargap=0.15,
    )  # fmt: skip
    figure.update_xaxes(title="measurements, by what they add", showticklabels=False)
    figure.update_yaxes(title=f"part of ∂llh/∂θ of {parameter}", zeroline=True)
    return figure


def accuracy_figure(result: Accuracy) -> go.Figure:
    """Digits in which AMICI and float64 JAX agree beside those that are right, for each entry.

    Args:
        result: of step 5.
    """
    names = [entry.quantity for entry in result.entries]
    figure = go.Figure()
    for name, colour, values in (
        ("AMICI and JAX agree", OTHER_COLOUR, [e.digits_agreement for e in result.entries]),
        ("right", AMICI_COLOUR, result.right),
    ):
        figure.add_bar(
            y=names, x=values, orientation="h", name=name,
            marker={"color": colour, "line": {"width": 0}},
            text=["" if np.isnan(x) else digits_text(x) for x in values], textposition="outside",
            cliponaxis=False, constraintext="none",
            hovertemplate="%{y}: %{x:.1f} digits<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_layout(
        height=110 + _PAIR * len(names), margin={"l": 8, "r": 8, "t": 48, "b": 8},
        legend=top_legend(), barmode="group", bargap=0.25, bargroupgap=0.0,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", automargin=True)
    figure.update_xaxes(title="decimal digits", range=[0, 17.5], dtick=4)
    return figure


def tight_figure(result: Tight) -> go.Figure:
    """How far an entry is from AMICI's own tightest value and from the witness, by rtol.

    Args:
        result: of step 7.
    """
    i = result.position
    entry = result.audit.gradient[i]
    values = result.gradients[:, i]
    figure = go.Figure()
    if len(values) > 1:
        own = np.abs(values[:-1] - values[-1]) / max(abs(values[-1]), np.finfo(float).tiny)
        _line(figure, result.rtols[:-1], own, "from AMICI's own tightest value", AMICI_COLOUR)
    if entry.witness_value:
        off = np.abs(values - entry.witness_value) / abs(entry.witness_value)
        _line(figure, result.rtols, off, f"from the witness: {entry.witness}", JAX_COLOUR)
    figure.update_xaxes(
        type="log", autorange="reversed", exponentformat="power", dtick=1, title="rtol"
    )
    figure.update_yaxes(
        type="log", exponentformat="power", dtick=1, title=f"relative distance of {entry.quantity}"
    )
    figure.update_layout(height=340, margin={"l": 8, "r": 8, "t": 48, "b": 8}, legend=top_legend())
    return figure


def _line(
    figure: go.Figure, rtols: tuple[float, ...], sizes: FloatArray, name: str, colour: str
) -> None:
    figure.add_scatter(
        x=list(rtols), y=np.maximum(sizes, _BELOW), mode="lines+markers", name=name,
        line={"color": colour, "width": 3}, marker={"size": 10},
        hovertemplate="rtol %{x:.0e}: %{y:.1e}<extra>" + name + "</extra>",
    )  # fmt: skip
