"""Figures of fits: waterfall, how llh grew, and where the best points lie within the bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, NAN_COLOUR, OTHER_COLOUR, top_legend
from amijax.figures.panels import panels, place
from amijax.fit.optima import SAME_OPTIMUM, Optimum, optima
from amijax.fit.record import FitResult, Start
from amijax.scales import FloatArray

_HEIGHT = 380
_ROW, _AROUND = 26, 110  # pixels: of a parameter, and of axis and legend
# The best optimum's, then of those that more than one start found; all others are grey.
_COLOURS = (AMICI_COLOUR, JAX_COLOUR, "#2E9E83", "#8F6CC0", "#B79F2F")
_LEAST = 1e-3  # distance from the best that the waterfall's logarithmic axis begins with


def waterfall_figure(result: FitResult, chosen: int | None = None) -> go.Figure:
    """Starts by their value, the best first: how far each stayed below the best.

    Args:
        result: with at least one start that has a point.
        chosen: number of a start that is marked.
    """
    ordered = result.ordered
    values = np.array([start.value for start in ordered])
    below = values[0] - values
    what = _what(result)
    figure = go.Figure()
    for group, colour, name in _groups(result, ordered):
        members = list(group.members)
        figure.add_scatter(
            x=[i + 1 for i in members], y=np.maximum(below[members], _LEAST), mode="markers",
            name=name, marker={
                "color": colour, "size": 10,
                "symbol": ["circle" if ordered[i].is_over else "circle-open" for i in members],
                "line": {"width": 2, "color": colour},
            },
            customdata=[_about(ordered[i], below[i], what) for i in members],
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
    numbers = [start.index for start in ordered]
    if chosen in numbers:
        i = numbers.index(chosen)
        figure.add_scatter(
            x=[i + 1], y=[max(below[i], _LEAST)], mode="markers", name="chosen", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 18, "color": NAN_COLOUR, "line": {"width": 2}},
        )  # fmt: skip
    if result.reference_llh is not None and not result.has_priors:
        reference = values[0] - result.reference_llh
        if reference > -SAME_OPTIMUM:
            y = max(reference, _LEAST)
            figure.add_hline(y=y, line={"color": OTHER_COLOUR, "dash": "dash"})
            figure.add_annotation(
                x=1.0, xref="paper", xanchor="right", y=float(np.log10(y)), yanchor="bottom",
                text="stored reference, at nominal", font={"size": 11}, showarrow=False,
            )  # fmt: skip
    top = float(max(below.max(), 10 * _LEAST))
    decades = np.arange(np.ceil(np.log10(_LEAST)), np.ceil(np.log10(top)) + 1)
    step = max(1, len(decades) // 8)
    ticks = 10.0 ** decades[::step]
    figure.update_yaxes(
        type="log", autorange=False,
        range=[float(np.log10(2 * top)), float(np.log10(_LEAST / 2))],
        tickvals=ticks, ticktext=["0" if t <= _LEAST else f"{t:g}" for t in ticks],
        title=f"{what} below the best",
    )  # fmt: skip
    figure.update_xaxes(
        title="starts, the best first", rangemode="tozero", dtick=_tick(len(values))
    )
    figure.update_layout(
        height=_HEIGHT, margin={"l": 8, "r": 8, "t": 60, "b": 8}, legend=top_legend(),
        showlegend=True,
    )  # fmt: skip
    return figure


def progress_figure(result: FitResult) -> go.Figure:
    """The best value of all starts against time and against evaluations of all of them.

    Args:
        result: with at least one start that has a point, of a fit that ran here.
    """
    trace = result.progress
    figure = panels(["best against time", "best against evaluations"], _HEIGHT - 120)
    total = float(sum(start.n_evaluations for start in result.starts))
    for k, (x, end) in enumerate(((trace.seconds, result.seconds), (trace.evaluations, total))):
        figure.add_scatter(
            x=[*x, max(end, *x[-1:])], y=[*trace.values, *trace.values[-1:]],
            mode="lines+markers", marker={"size": 4},
            line={"color": AMICI_COLOUR, "width": 2.5, "shape": "hv"}, showlegend=False,
            hovertemplate="%{x:.4g}: %{y:.8g}<extra></extra>", **place(k),
        )  # fmt: skip
        title = "seconds since the fit began" if k == 0 else "evaluations of all starts"
        figure.update_xaxes(title=title, rangemode="tozero", **place(k))
    values = trace.values
    if values.size:
        figure.update_yaxes(range=_best_part(values), title=_what(result))
    return figure


def growth_figure(result: FitResult) -> go.Figure:
    """How the value of each start grew with time and evaluations; those at the best optimum strong.

    Args:
        result: with at least one start that has a point.
    """
    ordered = result.ordered
    what = _what(result)
    figure = panels(["against time", "against evaluations"], _HEIGHT - 120)
    best = ordered[0].value
    for k, xs in enumerate(("seconds", "evaluations")):
        for name, strong in (("other starts", False), ("at the best optimum", True)):
            x: list[float | None] = []
            y: list[float | None] = []
            for start in ordered:
                if (best - start.value <= SAME_OPTIMUM) is strong:
                    trace = start.trace
                    end = start.seconds if xs == "seconds" else float(start.n_evaluations)
                    x += [*getattr(trace, xs).tolist(), end, None]
                    y += [*trace.values.tolist(), *trace.values[-1:].tolist(), None]
            figure.add_scatter(
                x=x, y=y, mode="lines", name=name, legendgroup=name, showlegend=k == 0,
                line={
                    "shape": "hv", "width": 2.5 if strong else 1,
                    "color": AMICI_COLOUR if strong else OTHER_COLOUR,
                },
                hovertemplate="%{x:.4g}: %{y:.8g}<extra>" + name + "</extra>", **place(k),
            )  # fmt: skip
        figure.update_xaxes(title="seconds of a start" if k == 0 else "evaluations", **place(k))
    figure.update_yaxes(range=_best_part(np.array([start.value for start in ordered])), title=what)
    return figure


def points_figure(result: FitResult, starts: Sequence[Start]) -> go.Figure:
    """Points of some starts in parallel coordinates, each parameter between its bounds.

    Args:
        result: of which they are.
        starts: the best first.
    """
    settings = result.settings
    points = np.array([start.theta for start in starts])
    low, high = _ends(settings.lower, points.min(axis=0)), _ends(settings.upper, points.max(axis=0))
    width = np.where(high > low, high - low, 1.0)
    names = list(result.parameter_ids)
    figure = go.Figure()
    for group, colour, name in reversed(_groups(result, starts)):
        for k, i in enumerate(group.members):
            theta = starts[i].theta
            figure.add_scatter(
                x=(theta - low) / width, y=names, mode="lines+markers", name=name,
                legendgroup=name, showlegend=k == 0,
                line={"color": colour, "width": 2 if i == 0 else 1},
                marker={"size": 7 if i == 0 else 4, "color": colour},
                customdata=np.column_stack([theta, low, high]),
                hovertemplate="%{y} = %{customdata[0]:.6g}, bounds %{customdata[1]:.4g} to "
                f"%{{customdata[2]:.4g}}<extra>start {starts[i].index}</extra>",
            )  # fmt: skip
    for x in (0.0, 1.0):
        figure.add_vline(x=x, line={"color": OTHER_COLOUR, "width": 2})
    figure.update_xaxes(
        range=[-0.04, 1.04], tickvals=[0, 0.5, 1], ticktext=["lower bound", "", "upper bound"]
    )
    figure.update_yaxes(autorange="reversed", automargin=True, dtick=1)
    figure.update_layout(
        height=_AROUND + _ROW * len(names), margin={"l": 8, "r": 8, "t": 60, "b": 8},
        legend={**top_legend(), "traceorder": "reversed"}, showlegend=True,
    )  # fmt: skip
    return figure


def _best_part(values: FloatArray) -> list[float]:
    """A range that leaves out how far below all others some are."""
    best = float(values.max())
    low = float(np.quantile(values, 0.25)) - 0.3 * max(float(np.ptp(values)), 1.0)
    low = max(low, best - 50 * max(best - float(np.median(values)), 1.0))
    return [low, best + 0.05 * (best - low)]


def _groups(result: FitResult, starts: Sequence[Start]) -> list[tuple[Optimum, str, str]]:
    """Starts by optimum, with colour and name; those of single starts together at the end."""
    found = optima(
        [start.value for start in starts], [start.theta for start in starts],
        result.settings.lower, result.settings.upper,
    )  # fmt: skip
    groups: list[tuple[Optimum, str, str]] = []
    rest: list[int] = []
    for i, group in enumerate(found):
        if i and (len(group.members) == 1 or len(groups) >= len(_COLOURS)):
            rest += group.members
        else:
            n = len(group.members)
            times = "once" if n == 1 else f"{n} times"
            groups.append((group, _COLOURS[len(groups)], f"{group.value:.6g}, found {times}"))
    if rest:
        groups.append((Optimum(np.nan, tuple(rest), np.nan, False), OTHER_COLOUR, "others"))
    return groups


def _about(start: Start, below: float, what: str) -> str:
    state = "" if start.is_over else f" ({start.exit})"
    return (
        f"start {start.index}{state}<br>{what} {start.value:.8g}, {below:.3g} below the best<br>"
        f"{start.n_evaluations} evaluations, {start.seconds:.1f} s"
    )


def _what(result: FitResult) -> str:
    return "llh + log prior" if result.has_priors else "llh"


def _ends(bounds: FloatArray, seen: FloatArray) -> FloatArray:
    """Bounds, and where one is infinite the outermost point."""
    return np.where(np.isfinite(bounds), bounds, seen)


def _tick(n: int) -> int:
    return 1 if n <= 20 else 5 if n <= 60 else max(10, 10 * (n // 100))
