"""The audit drawn: AMICI's value and each witness with its uncertainty, an axis per quantity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from amijax.audit.verdicts import QuantityVerdict
from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, NAN_COLOUR, OTHER_COLOUR, top_legend

_COLOURS = {
    "finite differences": JAX_COLOUR,
    "libRoadRunner": "#2FA58A",
    "closed form": "#B46FA0",
    "AMICI's JAX export": "#8F9B2E",
    "other sensitivities": OTHER_COLOUR,
    "tight tolerances": "#7A8CA3",
}
_ROW_HEIGHT, _BETWEEN = 34, 30  # pixels; ticks lie between the rows
_TOP, _BOTTOM = 64, 36
_MARGIN = 0.15  # of an axis, on both sides
_WIDEST = 50.0  # an uncertainty that is wider than this many distances is cut


def audit_figure(quantities: Sequence[QuantityVerdict]) -> go.Figure:
    """AMICI's value as a line, witnesses as points with bars; a row for each quantity.

    Args:
        quantities: at least one, each with at least one claim.
    """
    rows = len(quantities)
    drawn = rows * _ROW_HEIGHT + (rows - 1) * _BETWEEN
    figure = make_subplots(rows=rows, cols=1, vertical_spacing=_BETWEEN / drawn if rows > 1 else 0)
    named: set[str] = set()
    for row, quantity in enumerate(quantities, start=1):
        claims = sorted(quantity.claims, key=lambda claim: claim.uncertainty)
        for i, claim in enumerate(claims):
            figure.add_scatter(
                x=[claim.value], y=[i], mode="markers", name=claim.witness,
                legendgroup=claim.witness, showlegend=claim.witness not in named,
                marker={"color": _COLOURS[claim.witness], "size": 9},
                error_x={
                    "type": "data", "array": [claim.uncertainty], "thickness": 2, "width": 5,
                    "color": _COLOURS[claim.witness],
                },
                customdata=[f"{claim.value:.10g} ± {claim.uncertainty:.1e}"],
                hovertemplate=f"{quantity.quantity}: %{{customdata}}<extra>{claim.witness}</extra>",
                row=row, col=1,
            )  # fmt: skip
            named.add(claim.witness)
        wrong = quantity.verdict == "wrong"
        figure.add_scatter(
            x=[quantity.value] * 2, y=[-0.7, len(claims) - 0.3], mode="lines", name="AMICI",
            legendgroup="AMICI", showlegend=row == 1,
            line={"color": NAN_COLOUR if wrong else AMICI_COLOUR, "width": 3},
            customdata=[f"{quantity.value:.10g}"] * 2,
            hovertemplate=f"{quantity.quantity}: %{{customdata}}<extra>AMICI</extra>",
            row=row, col=1,
        )  # fmt: skip
        figure.update_xaxes(
            range=_range(quantity), nticks=5, tickangle=0, tickfont={"size": 10},
            exponentformat="e",
            row=row, col=1,
        )  # fmt: skip
        figure.update_yaxes(
            tickvals=[(len(claims) - 1) / 2],
            ticktext=[f"{quantity.quantity} · {quantity.verdict}"],
            range=[-0.9, len(claims) - 0.1], zeroline=False, showgrid=False, row=row, col=1,
        )  # fmt: skip
    figure.update_layout(
        height=drawn + _TOP + _BOTTOM,
        margin={"l": 10, "r": 20, "t": _TOP, "b": _BOTTOM},
        legend={**top_legend(), "y": 1.0 + 24 / drawn},
    )
    figure.update_yaxes(automargin=True)
    return figure


def _range(quantity: QuantityVerdict) -> list[float]:
    """The axis: AMICI's value and the sharpest independent witness, and as much of the bars as
    leaves their distance to be seen.
    """
    values = np.array([quantity.value, *(claim.value for claim in quantity.claims)])
    values = values[np.isfinite(values)]
    spread = float(np.ptp(values))
    sharpest = min(claim.uncertainty for claim in quantity.claims)
    reach = max(spread, min(sharpest, _WIDEST * spread if spread else sharpest))
    if reach == 0:
        reach = max(abs(float(values[0])), 1.0) * 1e-12
    low, high = float(values.min()) - sharpest, float(values.max()) + sharpest
    if high - low > 4 * reach:
        low, high = float(values.min()) - reach, float(values.max()) + reach
    pad = max(_MARGIN * (high - low), reach * _MARGIN)
    return [low - pad, high + pad]
