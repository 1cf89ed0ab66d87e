"""Figures of uncertainty: profiles with their intervals, and the spectrum of the curvature."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, NAN_COLOUR, OTHER_COLOUR, top_legend
from amijax.figures.panels import name_each_once, panels, place
from amijax.identifiability.profile_record import Profile, ProfileResult
from amijax.identifiability.record import Identifiability

_PANEL = 210
_HEIGHT = 360
_BETWEEN = 9  # points of a curve between two that were computed, both included
_LEAST = 1e-16  # of the largest eigenvalue: below it nothing is drawn


def profiles_figure(
    result: ProfileResult,
    local: Identifiability | None = None,
    profiles: Sequence[Profile] | None = None,
) -> go.Figure:
    """Each profile with its threshold and interval, as llh + log prior below the optimum.

    Args:
        result: of which they are.
        local: the quadratic approximation at the same optimum, drawn behind.
        profiles: those that are drawn; all if not given. At least one.
    """
    shown = result.profiles if profiles is None else profiles
    figure = panels([each.parameter for each in shown], _PANEL)
    top = result.optimum.value
    for k, each in enumerate(shown):
        x, y = each.points, top - each.values
        if local is not None:
            _parabola(figure, k, each, local)
        figure.add_scatter(
            **_curve(each, top), mode="lines", name="profile", legendgroup="profile",
            line={"color": AMICI_COLOUR, "width": 2}, hoverinfo="skip", **place(k),
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=y, mode="markers", name="profile's points", legendgroup="points",
            marker={"size": 6, "color": AMICI_COLOUR},
            hovertemplate=f"{each.parameter} = %{{x:.6g}}<br>%{{y:.4g}} below<extra></extra>",
            **place(k),
        )  # fmt: skip
        figure.add_scatter(
            x=[each.optimum], y=[0.0], mode="markers", name="optimum", legendgroup="optimum",
            marker={"color": NAN_COLOUR, "size": 10, "symbol": "x"}, hoverinfo="skip", **place(k),
        )  # fmt: skip
        ends = each.interval[np.isfinite(each.interval)]
        figure.add_scatter(
            x=ends, y=np.full(len(ends), result.threshold), mode="markers+lines",
            name="interval", legendgroup="interval",
            line={"color": JAX_COLOUR, "width": 4}, marker={"symbol": _symbols(each), "size": 11},
            hovertemplate="%{x:.6g}<extra>end of the interval</extra>", **place(k),
        )  # fmt: skip
        i = result.parameter_ids.index(each.parameter)
        seen = np.concatenate([x, ends]) if len(x) else ends
        width = max(float(np.ptp(seen)), 1e-9) if len(seen) else 1.0
        for bound in (result.lower[i], result.upper[i]):
            if len(seen) and seen.min() - 0.1 * width <= bound <= seen.max() + 0.1 * width:
                figure.add_vline(
                    x=float(bound), line={"color": OTHER_COLOUR, "dash": "dot"}, **place(k)
                )
        title = each.scale if each.scale == "lin" else f"{each.scale}(value)"
        figure.update_xaxes(title="value" if title == "lin" else title, **place(k))
    figure.update_yaxes(range=[-0.12 * result.threshold, 1.7 * result.threshold])
    for k in range(0, len(shown), 3):
        figure.update_yaxes(title="below the optimum", **place(k))
    name_each_once(figure)
    return figure


def spectrum_figure(result: Identifiability) -> go.Figure:
    """Eigenvalues of the curvature, each with its noise, on a logarithmic axis."""
    values, noise = result.eigenvalues, result.eigenvalue_noise
    least = _LEAST * max(float(np.abs(values).max()), 1.0)
    number = np.arange(1, len(values) + 1)
    figure = go.Figure()
    groups = (
        ("counts", values > result.noise, AMICI_COLOUR, "circle"),
        ("not above the noise", (values <= result.noise) & (values >= -noise), OTHER_COLOUR,
         "circle-open"),
        ("negative, its size", values < -noise, NAN_COLOUR, "x"),
    )  # fmt: skip
    for name, members, colour, symbol in groups:
        if members.any():
            figure.add_scatter(
                x=number[members], y=np.maximum(np.abs(values[members]), least), mode="markers",
                name=name, marker={"color": colour, "size": 11, "symbol": symbol},
                customdata=values[members],
                hovertemplate="eigenvalue %{x}: %{customdata:.4g}<extra></extra>",
            )  # fmt: skip
    figure.add_scatter(
        x=number, y=np.maximum(noise, least), mode="markers", name="its noise",
        marker={"color": JAX_COLOUR, "symbol": "line-ew-open", "size": 16, "line": {"width": 2}},
        customdata=noise, hovertemplate="noise %{customdata:.2g}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(type="log", title="curvature per unit²", exponentformat="power")
    figure.update_xaxes(title="eigenvalues, the largest first", dtick=_tick(len(values)))
    figure.update_layout(
        height=_HEIGHT, margin={"l": 8, "r": 8, "t": 60, "b": 8}, legend=top_legend(),
        showlegend=True,
    )  # fmt: skip
    return figure


def correlations_figure(result: Identifiability) -> go.Figure:
    """Correlations of the estimates; parameters that are not determined have none."""
    names = list(result.parameter_ids)
    figure = go.Figure()
    figure.add_heatmap(
        z=result.correlations, x=names, y=names, zmin=-1.0, zmax=1.0, colorscale="RdBu",
        colorbar={"title": "", "thickness": 12},
        hovertemplate="%{y} and %{x}: %{z:.4f}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True, dtick=1)
    figure.update_xaxes(automargin=True, dtick=1, tickangle=-60)
    figure.update_layout(
        height=max(_HEIGHT, 150 + 22 * len(names)), margin={"l": 8, "r": 8, "t": 20, "b": 8}
    )
    return figure


def _curve(profile: Profile, top: float) -> dict[str, np.ndarray]:
    """The cubic through a profile's points with its slopes there."""
    from scipy.interpolate import CubicHermiteSpline  # which the first page waits for in vain

    x, first = np.unique(profile.points, return_index=True)
    y = top - profile.values[first]
    if len(x) < 2:
        return {"x": x, "y": y}
    fine = np.concatenate([np.linspace(a, b, _BETWEEN) for a, b in pairwise(x)])
    return {"x": fine, "y": CubicHermiteSpline(x, y, -profile.slopes[first])(fine)}


def _parabola(figure: go.Figure, k: int, profile: Profile, local: Identifiability) -> None:
    error = local.standard_errors[local.parameter_ids.index(profile.parameter)]
    if not np.isfinite(error) or not len(profile.points):
        return
    low, high = float(profile.points.min()), float(profile.points.max())
    reach = 2.2 * error
    x = np.linspace(
        max(low, profile.optimum - reach), min(high, profile.optimum + reach), 60
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=0.5 * ((x - profile.optimum) / error) ** 2, mode="lines",
        name="quadratic approximation", legendgroup="quadratic", hoverinfo="skip",
        line={"color": OTHER_COLOUR, "dash": "dash", "width": 1.5}, **place(k),
    )  # fmt: skip


def _symbols(profile: Profile) -> list[str]:
    """A bar at an end that is a crossing, an arrow at one that is open."""
    names = ("lower", "upper")
    arrows = {"lower": "triangle-left", "upper": "triangle-right"}
    return [
        arrows[name] if name in profile.open_ends else "line-ns-open"
        for name, end in zip(names, profile.interval, strict=True)
        if np.isfinite(end)
    ]


def _tick(n: int) -> int:
    return 1 if n <= 20 else 5 if n <= 60 else 10
