"""Figures of time courses: observables with measurements and noise, or states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, OTHER_COLOUR, top_legend
from amijax.figures.panels import name_each_once, panels, place
from amijax.scales import FloatArray
from amijax.whatif.trajectories import Trajectories

_PANEL_HEIGHT = 250
_SINGLE_HEIGHT = 340
_REPLICATES = ("circle", "square", "diamond", "triangle-up", "cross", "star")


def trajectories_figure(
    current: Trajectories,
    baseline: Trajectories | None,
    observables: Sequence[str],
    *,
    condition: int = 0,
    log_time: bool = False,
    log_value: bool = False,
    names: tuple[str, str] = ("now", "baseline"),
) -> go.Figure:
    """Observables of one condition, a panel for each: now, the baseline behind, measurements.

    Error bars and the band are the noise model's: the simulation at its noise scale, transformed
    back where noise is additive on a logarithmic scale.

    Args:
        current: time courses at the current point.
        baseline: at the point compared with; None draws none.
        observables: ids of those to draw, at least one.
        condition: position among the simulated conditions.
        log_time: logarithmic time axis; time 0 is left out.
        log_value: logarithmic value axis; what is not above 0 is left out.
        names: of the current point and of the one compared with, for the legend.
    """
    figure = panels(observables, _PANEL_HEIGHT, _SINGLE_HEIGHT)
    course, points = current.conditions[condition], current.points
    for k, name in enumerate(observables):
        i = current.observable_ids.index(name)
        where = place(k)
        times = positions(course.times, course.times)
        y, sigma = course.observables[:, i], course.sigmas[:, i]
        known = np.isfinite(sigma)
        if known.sum() > 1:
            lower, upper = current.noise[i].band(y[known], sigma[known])
            _band(figure, times[known], lower, upper, where)
        if baseline is not None:
            other = baseline.conditions[condition]
            figure.add_scatter(
                x=positions(other.times, other.times), y=other.observables[:, i],
                mode=_mode(other.times), name=names[1],
                line={"color": OTHER_COLOUR, "width": 2, "dash": "dash"},
                legendgroup="baseline", hoverinfo="skip", **where,
            )  # fmt: skip
        figure.add_scatter(
            x=times, y=y, mode=_mode(course.times), name=names[0],
            line={"color": AMICI_COLOUR, "width": 2.5}, legendgroup="now",
            hovertemplate=name + " at %{x:.4g}: %{y:.5g}<extra></extra>", **where,
        )  # fmt: skip
        here = (points.condition == condition) & (points.observable == i)
        _measurements(figure, current, here, where)
    _axes(figure, log_time, log_value, "time")
    return figure


def states_figure(
    current: Trajectories,
    baseline: Trajectories | None,
    states: Sequence[str],
    *,
    condition: int = 0,
    log_time: bool = False,
    log_value: bool = False,
    names: tuple[str, str] = ("now", "baseline"),
) -> go.Figure:
    """States of one condition, a panel for each, the baseline behind.

    Args:
        current: time courses with states.
        baseline: likewise; None draws none.
        states: ids of those to draw, at least one.
        condition: position among the simulated conditions.
        log_time: logarithmic time axis.
        log_value: logarithmic value axis.
        names: of the current point and of the one compared with, for the legend.
    """
    figure = panels(states, _PANEL_HEIGHT, _SINGLE_HEIGHT)
    for k, name in enumerate(states):
        i = current.state_ids.index(name)
        where = place(k)
        for label, source, line in (
            (names[1], baseline, {"color": OTHER_COLOUR, "width": 2, "dash": "dash"}),
            (names[0], current, {"color": AMICI_COLOUR, "width": 2.5}),
        ):
            course = None if source is None else source.conditions[condition]
            if course is None or course.states is None:
                continue
            figure.add_scatter(
                x=positions(course.times, course.times), y=course.states[:, i],
                mode=_mode(course.times), name=label,
                line=line, legendgroup=label,
                hovertemplate=name + " at %{x:.4g}: %{y:.5g}<extra></extra>", **where,
            )  # fmt: skip
    _axes(figure, log_time, log_value, "time")
    return figure


def residuals_figure(current: Trajectories) -> go.Figure:
    """Residuals of all measurements against time, a colour for each observable."""
    points = current.points
    figure = go.Figure()
    for i, name in enumerate(current.observable_ids):
        here = points.observable == i
        if here.any():
            figure.add_scatter(
                x=positions(points.time[here], points.time), y=points.residual[here],
                mode="markers", name=name,
                customdata=np.array(points.labels, dtype=object)[points.condition[here]],
                hovertemplate="%{customdata} at %{x:.4g}: %{y:.3g} σ<extra>" + name + "</extra>",
            )  # fmt: skip
    figure.add_hrect(y0=-2, y1=2, fillcolor=OTHER_COLOUR, opacity=0.15, line_width=0)
    figure.update_layout(
        height=420, margin={"l": 8, "r": 8, "t": 60, "b": 8}, showlegend=True, legend=top_legend()
    )
    figure.update_xaxes(title="time")
    figure.update_yaxes(title="residual, in σ of its noise model")
    return figure


def positions(times: FloatArray, every: FloatArray) -> FloatArray:
    """Where times lie on an axis; the steady state, time `inf`, beyond all that are finite.

    Args:
        times: to be placed.
        every: all times of the axis.
    """
    finite = every[np.isfinite(every)]
    edge = 1.15 * float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    return np.where(np.isfinite(times), times, edge)


def _mode(times: FloatArray) -> str:
    """Points where there is no line to draw, or where it ends in the steady state."""
    return "lines" if np.isfinite(times).sum() > 1 and np.isfinite(times).all() else "lines+markers"


def _band(
    figure: go.Figure,
    times: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    where: dict[str, int],
) -> None:
    for values, fill in ((lower, None), (upper, "tonexty")):
        figure.add_scatter(
            x=times, y=values, mode="lines", line={"width": 0}, fill=fill,
            fillcolor="rgba(58, 143, 199, 0.16)", name="noise model, ± σ", legendgroup="band",
            showlegend=None if fill else False, hoverinfo="skip", **where,
        )  # fmt: skip


def _measurements(
    figure: go.Figure, current: Trajectories, here: np.ndarray, where: dict[str, int]
) -> None:
    """Measured points with error bars; replicates have symbols of their own."""
    points = current.points
    course = current.conditions[int(points.condition[here][0])] if here.any() else None
    replicates = list(dict.fromkeys(points.replicate[here]))
    for n, replicate in enumerate(replicates):
        assert course is not None
        shown = here & (points.replicate == replicate)
        name = "measured" if len(replicates) == 1 else f"measured, {replicate or 'no replicate'}"
        model = current.noise[int(points.observable[shown][0])]
        lower, upper = model.band(points.measurement[shown], points.sigma[shown])
        measured = points.measurement[shown]
        figure.add_scatter(
            x=positions(points.time[shown], course.times), y=measured, mode="markers", name=name,
            marker={"color": JAX_COLOUR, "size": 7, "symbol": _REPLICATES[n % len(_REPLICATES)]},
            error_y={
                "type": "data", "symmetric": False, "array": upper - measured,
                "arrayminus": measured - lower, "thickness": 1, "width": 3, "color": JAX_COLOUR,
            },
            customdata=np.column_stack([points.residual[shown], points.llh[shown]]),
            hovertemplate="measured %{y:.5g} at %{x:.4g}<br>residual %{customdata[0]:.3g} σ, "
            "share of llh %{customdata[1]:.4g}<extra>" + name + "</extra>",
            legendgroup=name, **where,
        )  # fmt: skip


def _axes(figure: go.Figure, log_time: bool, log_value: bool, title: str) -> None:
    figure.update_xaxes(type="log" if log_time else "linear")
    figure.update_yaxes(type="log" if log_value else "linear", exponentformat="power")
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title={"text": title, "standoff": 4})
    name_each_once(figure)
