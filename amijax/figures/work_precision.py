"""The work-precision diagram: error against time, a line for each method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, OTHER_COLOUR, top_legend
from amijax.precision.export_line import ExportLine, ExportPoint
from amijax.precision.work_precision import WorkPoint, WorkPrecision

# Okabe and Ito's palette; symbols tell the lines apart without colours.
_STYLES = (
    (AMICI_COLOUR, "circle"),
    ("#2FA58A", "square"),
    ("#C9A227", "diamond"),
    ("#B46FA0", "x"),
)
# Plotly itself writes 2 and 5 for 20 and 50 where it shortens.
TIME_TICKS = [float(f"{digit}e{power}") for power in range(-3, 7) for digit in (1, 2, 5)]
_MARK_SYMBOLS = ("star", "hexagram", "pentagon", "triangle-up")
_EXPORT_NAME = "AMICI's JAX export (diffrax)"
_EXPORT_STYLE = ("#8C6D46", "cross")


def work_precision_figure(work: WorkPrecision, export: ExportLine | None = None) -> go.Figure:
    """Error of the gradient against time, log-log, as the ODE field draws them.

    Tolerances go along each line from loose (left) to tight; the float32 floor and the reference's
    uncertainty are horizontal lines. Hovering shows settings. What failed is left out.

    Args:
        work: what was measured.
        export: what was measured with AMICI's JAX export; its compile time is in the legend.
    """
    figure = go.Figure()
    lines: list[tuple[str, Sequence[WorkPoint | ExportPoint], tuple[str, str]]] = [
        (name, points, style)
        for (name, points), style in zip(work.lines.items(), _STYLES, strict=False)
    ]
    if export is not None and export.points:
        name = f"{_EXPORT_NAME}, compiled in {export.compile_seconds:.3g} s"
        lines.append((name, export.points, _EXPORT_STYLE))
    for name, points, (colour, symbol) in lines:
        figure.add_scatter(
            **_coordinates(points), mode="lines+markers", name=name,
            line={"color": colour, "width": 2}, marker={"symbol": symbol, "size": 8},
        )  # fmt: skip
    for (name, point), symbol in zip(work.marked.items(), _MARK_SYMBOLS * 3, strict=False):
        figure.add_scatter(
            **_coordinates((point,)), mode="markers", name=name,
            marker={
                "symbol": symbol, "size": 17, "color": JAX_COLOUR,
                "line": {"width": 1.5, "color": OTHER_COLOUR},
            },
        )  # fmt: skip
    _floor(figure, work.float32_floor, "float32")
    _floor(figure, work.uncertainty, "the reference is not known better")
    figure.update_xaxes(
        type="log", title="CPU time of a gradient, ms", tickvals=TIME_TICKS,
        ticktext=[f"{tick:g}" for tick in TIME_TICKS],
    )  # fmt: skip
    figure.update_yaxes(
        type="log", title="relative error of the gradient, in norm", exponentformat="power",
        dtick=1, tickangle=0,
    )  # fmt: skip
    figure.update_layout(height=520, margin={"l": 8, "r": 8, "t": 76, "b": 8}, legend=top_legend())
    return figure


def _coordinates(points: Sequence[WorkPoint | ExportPoint]) -> dict[str, object]:
    known = [point for point in points if np.isfinite(point.error) and np.isfinite(point.seconds)]
    return {
        "x": [1e3 * point.seconds for point in known],
        "y": [point.error for point in known],
        "customdata": [
            str(point.settings if isinstance(point, WorkPoint) else point) for point in known
        ],
        "hovertemplate": "%{customdata}<br>error %{y:.1e}, %{x:.3g} ms<extra></extra>",
    }


def _floor(figure: go.Figure, error: float, label: str) -> None:
    if np.isfinite(error) and error > 0:
        figure.add_hline(y=error, line={"width": 1.5, "dash": "dash", "color": OTHER_COLOUR})
        figure.add_annotation(  # on a logarithmic axis annotations are at exponents
            x=0.0, xref="paper", y=float(np.log10(error)), text=label, showarrow=False,
            xanchor="left", yanchor="bottom", font={"size": 12},
        )  # fmt: skip
