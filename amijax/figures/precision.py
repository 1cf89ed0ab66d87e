"""Figures of a precision study: one for each panel of the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, NAN_COLOUR, OTHER_COLOUR, top_legend
from amijax.precision.bits import BitSweep
from amijax.precision.budget import STAGES, ErrorBudget
from amijax.precision.curvature import UNIT_ROUNDOFF, PredictedError
from amijax.precision.noise import NoiseFloor
from amijax.precision.tolerances import Measure, ToleranceSweep, combined
from amijax.precision.verdicts import QuantityPrecision
from amijax.precisions import PRECISIONS, Precision
from amijax.scales import FloatArray

# Okabe and Ito's palette, as in the gradient figure.
STAGE_COLOURS = {
    "input": JAX_COLOUR,
    "transform": "#C9A227",
    "result": "#2FA58A",
    "chain rule": "#B46FA0",
}
_SYMBOLS = {"input": "circle", "transform": "square", "result": "triangle-up", "chain rule": "x"}
_ROW_HEIGHT = 26
_PAIR_HEIGHT = 32  # of two bars with a number
_LESS = 9  # where there are many rows
_MANY = 40
_LEAST = 1e-18  # what is exactly 0 lies here on a logarithmic axis
_LINE = {"width": 1.5, "dash": "dash", "color": OTHER_COLOUR}


def budget_figure(
    parameter_ids: Sequence[str], budget: ErrorBudget, *, cumulative: bool = False
) -> go.Figure:
    """The float32 error of each gradient entry by stage, on a logarithmic axis.

    Args:
        parameter_ids: of the entries.
        budget: their error budget.
        cumulative: errors up to and with a stage, rather than what each stage adds.
    """
    errors = budget.errors()[:, 1:]
    sizes = np.abs(np.cumsum(errors, axis=0) if cumulative else errors)
    figure = go.Figure()
    for stage, row in zip(STAGES, sizes, strict=True):
        figure.add_scatter(
            y=list(parameter_ids),
            x=np.where(row == 0, _LEAST, row),
            mode="markers",
            name=f"… to {stage}" if cumulative and stage != STAGES[0] else stage,
            marker={"color": STAGE_COLOURS[stage], "symbol": _SYMBOLS[stage], "size": 10},
            customdata=[f"{value:.2e}" for value in row],
            hovertemplate="%{y}: %{customdata}<extra>" + stage + "</extra>",
        )
    _vertical(figure, UNIT_ROUNDOFF, "2⁻²⁴")
    _rows(figure, len(parameter_ids), top=44)
    _log_axis(figure, sizes, "relative error of the gradient entry", least=1e-9)
    return figure


def digits_figure(entries: Sequence[QuantityPrecision], precision: Precision) -> go.Figure:
    """Digits of agreement beside digits of accuracy, and the noise floor, for each entry.

    Args:
        entries: llh or gradient entries.
        precision: of JAX.
    """
    names = [entry.quantity for entry in entries]
    float64 = precision == "float64"
    agreement = [e.digits_agreement if float64 else e.digits_float32 for e in entries]
    accuracy = [e.digits_accuracy if float64 else e.digits_accuracy_float32 for e in entries]
    agreed = "JAX and AMICI agree" if float64 else "float32 and float64 agree"
    figure = go.Figure()
    figure.add_bar(
        y=names, x=agreement, orientation="h", name=agreed,
        marker={"color": OTHER_COLOUR, "line": {"width": 0}},
        hovertemplate="%{y}: %{x:.1f} digits of agreement<extra></extra>",
    )  # fmt: skip
    figure.add_bar(
        y=names, x=accuracy, orientation="h", name=f"{precision} is confirmed",
        marker={"color": AMICI_COLOUR if float64 else JAX_COLOUR, "line": {"width": 0}},
        text=["" if np.isnan(x) else f"{x:.1f}" for x in accuracy],
        textposition="outside", cliponaxis=False,
        constraintext="none", textfont={"size": 11},
        hovertemplate="%{y}: %{x:.1f} digits confirmed<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        y=names, x=[e.digits_noise for e in entries], mode="markers",
        name="significant when theta moves by its last bits",
        marker={"symbol": "line-ns-open", "size": 14, "color": NAN_COLOUR, "line": {"width": 3}},
        hovertemplate="%{y}: %{x:.1f} significant digits<extra></extra>",
    )  # fmt: skip
    _rows(figure, len(names), top=44, height=_PAIR_HEIGHT)
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.0)
    figure.update_xaxes(title="decimal digits", range=[-0.2, 16.4], tickvals=[0, 4, 7.2, 12, 15.95])
    figure.update_xaxes(ticktext=["0", "4", "7.2<br>float32", "12", "16<br>float64"], zeroline=True)
    return figure


def bits_figure(
    parameter_ids: Sequence[str],
    sweep: BitSweep,
    noise: NoiseFloor | None,
    highlighted: str,
    float64: FloatArray,
) -> go.Figure:
    """Relative gradient errors against mantissa bits, one parameter strong, the others faint.

    Args:
        parameter_ids: of the entries.
        sweep: their errors.
        noise: their noise floor, drawn for the highlighted entry.
        highlighted: id of the parameter.
        float64: the gradient itself, shape (n,), to which the noise is relative.
    """
    chosen = list(parameter_ids).index(highlighted)
    bits = sweep.mantissa_bits
    figure = go.Figure()
    for i, name in enumerate(parameter_ids):
        if i != chosen:
            figure.add_scatter(
                x=bits, y=_positive(sweep.errors[:, i + 1]), mode="lines", name=name,
                line={"color": OTHER_COLOUR, "width": 1}, opacity=0.5, showlegend=False,
                hovertemplate=name + ": %{y:.1e} at %{x} bits<extra></extra>",
            )  # fmt: skip
    figure.add_scatter(
        x=bits, y=_positive(sweep.errors[:, chosen + 1]), mode="lines+markers", name=highlighted,
        line={"color": JAX_COLOUR, "width": 3}, marker={"size": 5},
        hovertemplate=highlighted + ": %{y:.1e} at %{x} bits<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=bits, y=2.0 ** -(bits + 1.0), mode="lines", name="2⁻ᵖ, p = bits + 1", line=_LINE,
        hoverinfo="skip",
    )  # fmt: skip
    floor = np.nan
    if noise is not None and float64[chosen]:
        floor = float(noise.spread[chosen + 1] / abs(float64[chosen]))
    if np.isfinite(floor) and floor > 0:
        figure.add_scatter(
            x=[bits.max(), bits.min()], y=[floor, floor], mode="lines",
            name=f"noise floor of {highlighted}",
            line={"color": NAN_COLOUR, "width": 1.5, "dash": "dot"}, hoverinfo="skip",
        )  # fmt: skip
    for i, (form, errors) in enumerate(zip(sweep.formats, sweep.format_errors, strict=True)):
        _vertical(figure, form.mantissa_bits, form.name, to_the="left", level=i % 2)
        if errors[chosen + 1] > 0 and np.isfinite(errors[chosen + 1]):
            figure.add_scatter(
                x=[form.mantissa_bits], y=[errors[chosen + 1]], mode="markers",
                marker={"symbol": "diamond", "size": 12, "color": AMICI_COLOUR},
                name="real formats", showlegend=form.name == "float32",
                hovertemplate=f"{form.name}, its own exponents: " + "%{y:.1e}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(title="mantissa bits", range=[56, 5.5])
    shown = [errors for errors in (sweep.errors[:, 1:], np.array([2.0**-53, 1.0])) if errors.size]
    _log_axis(figure, np.concatenate([np.ravel(x) for x in shown]), "relative error", "y", 1e-17)
    figure.update_layout(height=440, margin={"l": 8, "r": 8, "t": 40, "b": 8}, legend=top_legend())
    return figure


def tolerances_figure(sweep: ToleranceSweep, which: int | Measure) -> go.Figure:
    """Error and run time against rtol, a line for each precision in either.

    Args:
        sweep: the errors.
        which: an entry (0 is llh), or the median or the worst of the gradient's entries.
    """
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.62, 0.38]
    )
    lines = []
    for i, name in enumerate(PRECISIONS):
        colour = (JAX_COLOUR, AMICI_COLOUR)[i]
        errors = combined(sweep.errors[i], which)
        lines.append(errors)
        knee = sweep.enough(name, which)
        figure.add_scatter(
            x=sweep.rtols, y=_positive(errors), mode="lines+markers", name=name,
            line={"color": colour, "width": 2.5},
            hovertemplate="rtol %{x:.0e}: error %{y:.1e}<extra>" + name + "</extra>",
            row=1, col=1,
        )  # fmt: skip
        figure.add_scatter(
            x=sweep.rtols, y=sweep.seconds[i] * 1e3, mode="lines+markers", name=name,
            line={"color": colour, "width": 2.5}, showlegend=False,
            hovertemplate="rtol %{x:.0e}: %{y:.3g} ms<extra>" + name + "</extra>",
            row=2, col=1,
        )  # fmt: skip
        if knee is not None:
            figure.add_scatter(
                x=[sweep.rtols[knee]], y=_positive(errors[knee : knee + 1]), mode="markers",
                name=f"enough for {name}: {sweep.rtols[knee]:.0e}",
                marker={
                    "symbol": "circle-open", "size": 20, "color": colour, "line": {"width": 3}
                },
                hovertemplate="tighter brings less than a factor of 2<extra></extra>",
                cliponaxis=False,
                row=1, col=1,
            )  # fmt: skip
    _log_axis(figure, np.concatenate(lines), "relative error", "y", 1e-16)
    figure.update_xaxes(
        type="log", autorange="reversed", exponentformat="power", dtick=1, tickangle=0
    )
    figure.update_xaxes(title="rtol", row=2, col=1)
    figure.update_yaxes(title="time, ms", rangemode="tozero", row=2, col=1)
    figure.update_layout(height=480, margin={"l": 8, "r": 8, "t": 48, "b": 8}, legend=top_legend())
    return figure


def curvature_figure(
    parameter_ids: Sequence[str], curvature: PredictedError, *, input_alone: bool = False
) -> go.Figure:
    """Measured against predicted float32 error of each gradient entry, with the diagonal.

    Args:
        parameter_ids: of the entries.
        curvature: the prediction.
        input_alone: of rounding theta only, without the transformation and what follows.
    """
    colours = {
        "predicted": ("predicted", AMICI_COLOUR, "circle"),
        "noise floor": ("the solver's noise rules", NAN_COLOUR, "x"),
        "result": ("rounding of the result rules", STAGE_COLOURS["result"], "triangle-up"),
        "higher order": ("higher derivatives rule", JAX_COLOUR, "square"),
    }
    predicted, measured = np.abs(curvature.predicted), np.abs(curvature.measured)
    if input_alone:
        predicted, measured = np.abs(curvature.predicted_input), np.abs(curvature.measured_input)
    every = np.concatenate([predicted, measured])
    every = every[np.isfinite(every) & (every > 0)]
    low, high = (every.min(), every.max()) if every.size else (1e-8, 1.0)
    figure = go.Figure()
    ends = np.array([low / 3, high * 3])
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="measured = predicted", line=_LINE, hoverinfo="skip"
    )
    for outcome, (label, colour, symbol) in colours.items():
        where = np.array([entry == outcome for entry in curvature.outcomes])
        if where.any():
            names = np.array(parameter_ids)[where]
            few = len(parameter_ids) <= 15
            figure.add_scatter(
                x=_positive(predicted[where]), y=_positive(measured[where]),
                mode="markers+text" if few else "markers", name=label,
                text=names, textposition=_around(predicted[where]), textfont={"size": 11},
                customdata=curvature.condition[where],
                marker={"color": colour, "symbol": symbol, "size": 11},
                hovertemplate="%{text}: predicted %{x:.2e}, measured %{y:.2e}, condition number "
                "%{customdata:.1e}<extra></extra>",
            )  # fmt: skip
    for axis, title in (("x", "|Hessian × rounding|"), ("y", "|float32 − float64|")):
        _log_axis(figure, ends, title, axis, 0.0)
    figure.update_layout(height=440, margin={"l": 8, "r": 8, "t": 48, "b": 8}, legend=top_legend())
    return figure


def _around(values: FloatArray) -> list[str]:
    """Where the labels of points stand: neighbours' in turn above, below, left and right."""
    turns = ("top center", "bottom center", "middle left", "middle right")
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return [turns[rank % len(turns)] for rank in ranks]


def _positive(values: FloatArray) -> FloatArray:
    """What a logarithmic axis can draw; 0 and NaN leave a gap."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _vertical(
    figure: go.Figure, x: float, label: str, to_the: str = "right", level: int = 0
) -> None:
    """A dotted line with a label at its lower end, lines higher where neighbours are close; a
    float lies on a logarithmic axis.
    """
    figure.add_vline(x=x, line={"color": OTHER_COLOUR, "width": 1, "dash": "dot"})
    side = {"right": {"xanchor": "left", "xshift": 3}, "left": {"xanchor": "right", "xshift": -3}}
    figure.add_annotation(
        x=x if isinstance(x, int) else np.log10(x), y=0.0, yref="paper", yanchor="bottom",
        text=label, showarrow=False, font={"size": 11}, yshift=16 * level, **side[to_the],
    )  # fmt: skip


def _rows(figure: go.Figure, n: int, top: int, height: int = _ROW_HEIGHT) -> None:
    """A row of some height for each parameter, the first one on top."""
    many = n >= _MANY
    height = n * (height - _LESS if many else height)
    figure.update_layout(
        height=top + height + 62,
        margin={"l": 8, "r": 8, "t": top, "b": 62},
        legend={**top_legend(), "y": 1 + 24 / max(height, 1) if many else 1.0},
        hoverlabel={"namelength": -1},
    )
    figure.update_yaxes(
        range=[n - 0.5, -0.5], type="category", automargin=True, showgrid=True, dtick=1,
        tickfont={"size": 10 if many else 12},
    )  # fmt: skip


def _log_axis(
    figure: go.Figure, values: FloatArray, title: str, axis: str = "x", least: float = 1e-9
) -> None:
    """A logarithmic axis over the values, from `least` at the smallest."""
    shown = values[np.isfinite(values) & (values > 0)]
    low = max(float(shown.min()), least) if shown.size else least or 1e-9
    high = max(float(shown.max()), low * 100) if shown.size else 1.0
    first, last = np.log10(low) - 0.3, np.log10(high) + 0.3
    step = max(1, int(np.ceil((last - first) / 8)))
    options = {
        "type": "log",
        "range": [first, last],
        "dtick": step,
        "exponentformat": "power",
        "title": title,
    }
    if axis == "x":
        figure.update_xaxes(**options)
    else:
        figure.update_yaxes(**options, selector=0)
