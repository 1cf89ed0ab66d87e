"""Figures of results, as plotly figures; no Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from amijax.comparison import Comparison
from amijax.precisions import Precision
from amijax.scales import FloatArray

# Okabe and Ito's blue and vermillion, lightened until both stand out on white and on near-black.
AMICI_COLOUR = "#3A8FC7"
JAX_COLOUR = "#E07B39"
OTHER_COLOUR = "rgba(140, 140, 140, 0.55)"
NAN_COLOUR = "#C2417C"
PRECISION_COLOURS: Mapping[Precision, str] = {"float32": "#E07B39", "float64": "#2E9E83"}

# A row of the figure is as high as one of the parameter table beside it, and begins at its height.
ROW_HEIGHT = 35
HEADER_HEIGHT = 37
AXIS_HEIGHT = 56


@dataclass(frozen=True)
class SignedScale:
    """An axis for numbers of both signs over many magnitudes.

    Linear where all magnitudes lie within a factor of 50; otherwise the sign times the number of
    decades above a floor, which lies just below the smallest non-zero magnitude.

    Attributes:
        floor: exponent of ten that is drawn at 0; None on a linear axis.
        ticks: positions of ticks on the axis.
        labels: what the ticks say.
    """

    floor: int | None
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def __call__(self, values: FloatArray) -> FloatArray:
        """Where values lie on the axis; 0 at 0, NaN at NaN."""
        if self.floor is None:
            return values
        with np.errstate(divide="ignore"):
            decades = np.log10(np.abs(values)) - self.floor
        return np.where(values == 0, 0.0, np.sign(values) * np.maximum(decades, 0.0))


def signed_scale(values: FloatArray) -> SignedScale:
    """The axis that suits some values; zeros, NaN and infinities don't matter."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not sizes.size or sizes.max() / sizes.min() < 50:
        return SignedScale(None, (), ())
    floor = int(np.floor(np.log10(sizes.min()))) - (1 if np.log10(sizes.min()) % 1 < 0.1 else 0)
    top = int(np.ceil(np.log10(sizes.max())))
    both_signs = (values > 0).any() and (values < 0).any()
    step = max(1, -(-(top - floor) // (2 if both_signs else 4)))
    exponents = range(floor + step, top + 1, step)
    positive = [(float(e - floor), f"10<sup>{e}</sup>") for e in exponents]
    finite = values[np.isfinite(values)]
    marks = [(0.0, "0")]
    if (finite > 0).any():
        marks += positive
    if (finite < 0).any():
        marks = [(-x, f"−{label}") for x, label in reversed(positive)] + marks
    return SignedScale(floor, tuple(x for x, _ in marks), tuple(label for _, label in marks))


def gradient_figure(
    comparisons: Mapping[Precision, Comparison],
    precision: Precision,
    order: Sequence[int] | None = None,
    *,
    axis_on_top: bool = False,
) -> go.Figure:
    """Gradient entries of AMICI and JAX as bars, and both precisions' relative differences.

    Args:
        comparisons: the same point in both precisions.
        precision: of JAX's gradient entries.
        order: positions of the parameters from top to bottom; the problem's order if not given.
        axis_on_top: for figures so tall that one has to scroll.
    """
    rows = _Rows(comparisons[precision], order)
    n = len(rows.positions)
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, column_widths=[0.46, 0.54], horizontal_spacing=0.05
    )
    _add_gradients(figure, rows, comparisons[precision])
    _add_rel_diffs(figure, rows, comparisons, precision)
    top = HEADER_HEIGHT + (AXIS_HEIGHT if axis_on_top else 0)
    bottom = 10 if axis_on_top else AXIS_HEIGHT
    height = max(n, 1) * ROW_HEIGHT
    names = [
        # Above its bars, so that names of any length leave the width to the bars.
        {
            "x": 0, "xref": "paper", "xanchor": "left", "y": row - 0.27, "yref": "y",
            "yanchor": "middle", "text": text, "showarrow": False, "font": {"size": 11},
        }
        for row, text in enumerate(rows.labels)
    ]  # fmt: skip
    figure.update_xaxes(side="top" if axis_on_top else "bottom", tickangle=0, title_standoff=4)
    legend_y = 1 + (AXIS_HEIGHT if axis_on_top else 0) / height
    figure.update_layout(
        annotations=names,
        height=top + height + bottom,
        margin={"l": 12, "r": 12, "t": top, "b": bottom},
        barmode="overlay",
        legend={
            "orientation": "h",
            "x": 0.0,
            "xanchor": "left",
            "y": legend_y,
            "yanchor": "bottom",
            "font": {"size": 11},
            "traceorder": "normal",
        },
        hoverlabel={"namelength": -1},
    )
    figure.update_yaxes(range=[n - 0.5, -0.5], showgrid=False, zeroline=False, showticklabels=False)
    return figure


class _Rows:
    """Which parameters are drawn, from top to bottom, and what they are called."""

    def __init__(self, comparison: Comparison, order: Sequence[int] | None) -> None:
        n = len(comparison.parameter_ids)
        self.positions = np.arange(n) if order is None else np.asarray(order, dtype=int)
        self.ids = [comparison.parameter_ids[i] for i in self.positions]
        names = [comparison.parameter_names[i] for i in self.positions]
        # Plotly reads tags in texts, and names come from outside.
        self.labels = [
            f"<b>{escape(each)}</b>" + (f"  {escape(name)}" if name != each else "")
            for each, name in zip(self.ids, names, strict=True)
        ]

    def bar(self, place: int) -> dict[str, Any]:
        """The first or the second bar of each row, below its label."""
        return {
            "y": np.arange(len(self.positions)),
            "offset": (0.0, 0.24)[place],
            "width": 0.23,
            "orientation": "h",
        }


def top_legend() -> dict[str, object]:
    """A legend in one line above the figure."""
    return {"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"}


def _add_gradients(figure: go.Figure, rows: _Rows, comparison: Comparison) -> None:
    sides = {
        "AMICI": (comparison.gradient_amici[rows.positions], AMICI_COLOUR),
        f"JAX {comparison.precision}": (
            comparison.gradient_jax[rows.positions],
            PRECISION_COLOURS[comparison.precision],
        ),
    }
    scale = signed_scale(np.concatenate([values for values, _ in sides.values()]))
    for place, (name, (values, colour)) in enumerate(sides.items()):
        figure.add_bar(
            x=scale(values),
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            customdata=_hover(rows, [f"{value:.10g}" for value in values]),
            hovertemplate=f"%{{customdata[0]}}: %{{customdata[1]}}<extra>{name}</extra>",
            row=1,
            col=1,
            **rows.bar(place),
        )
    either = np.vstack([values for values, _ in sides.values()])
    if not comparison.jax_was_run:
        either = either[:1]
    marks = (
        (~np.isfinite(either).all(axis=0), "not finite", "x", NAN_COLOUR),
        ((either == 0).all(axis=0), "exactly 0", "circle-open", AMICI_COLOUR),
    )
    for where, name, symbol, colour in marks:
        if where.any():
            figure.add_scatter(
                y=np.flatnonzero(where) + 0.23,
                x=np.zeros(where.sum()),
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 9},
                customdata=np.array(rows.ids)[where],
                hovertemplate=f"%{{customdata}}: {name}<extra></extra>",
                row=1,
                col=1,
            )
    figure.update_xaxes(
        title={"text": "∂llh/∂θ" + (", log axis" if scale.floor is not None else "")},
        zeroline=True,
        zerolinewidth=1.5,
        nticks=4,
        row=1,
        col=1,
    )
    if scale.floor is not None:
        figure.update_xaxes(tickvals=scale.ticks, ticktext=scale.labels, row=1, col=1)


def _add_rel_diffs(
    figure: go.Figure,
    rows: _Rows,
    comparisons: Mapping[Precision, Comparison],
    precision: Precision,
) -> None:
    """Bars on a log axis; they begin at a tick of its own for exact agreement."""
    sizes = {
        name: np.abs(c.gradient_rel_diff[rows.positions])
        for name, c in comparisons.items()
        if c.jax_was_run
    }
    every = np.concatenate([np.zeros(1), *sizes.values()])
    shown = every[np.isfinite(every) & (every > 0)]
    low = int(np.floor(np.log10(shown.min()))) if shown.size else -16
    low = min(low, -8)
    high = max(int(np.ceil(np.log10(shown.max()))) if shown.size else 0, 0)
    exact = low - (high - low) / 4  # left of all powers of ten, clear of their labels
    end = high + (high - low) / 20
    for place, (name, size) in enumerate(sizes.items()):
        with np.errstate(divide="ignore", invalid="ignore"):
            position = np.where(size == 0, exact, np.log10(size))
        position[np.isposinf(position)] = end  # AMICI's entry is 0, JAX's isn't
        colour = PRECISION_COLOURS[name]
        signed = comparisons[name].gradient_rel_diff[rows.positions]
        told = _hover(rows, [f"{value:.3e}" if value else "0, exact" for value in signed])
        hover = f"%{{customdata[0]}}: rel_diff %{{customdata[1]}}<extra>{name}</extra>"
        figure.add_bar(
            x=np.nan_to_num(position - exact),
            base=exact,
            name=f"JAX {name}",
            legendgroup=name,
            showlegend=name != precision,  # the other panel's bars of it are there
            marker={"color": colour, "line": {"width": 0}},
            customdata=told,
            hovertemplate=hover,
            row=1,
            col=2,
            **rows.bar(place),
        )
        agree = size == 0
        if agree.any():
            figure.add_scatter(
                y=np.flatnonzero(agree) + (0.115, 0.355)[place],
                x=np.full(agree.sum(), exact),
                mode="markers",
                name=f"{name}, exact",
                showlegend=False,
                marker={"color": colour, "size": 7, "symbol": "diamond"},
                customdata=[told[i] for i in np.flatnonzero(agree)],
                hovertemplate=hover,
                row=1,
                col=2,
            )
    step = max(1, -(-(high - low) // 3))
    exponents = list(range(high, low - 1, -step))[::-1]
    figure.update_xaxes(
        title={"text": "relative difference, log axis"},
        range=[exact - (high - low) / 14, end],
        tickvals=[exact, *exponents],
        ticktext=["exact", *[f"10<sup>{e}</sup>" if e else "1" for e in exponents]],
        zeroline=False,
        row=1,
        col=2,
    )


def _hover(rows: _Rows, texts: list[str]) -> list[tuple[str, str]]:
    return list(zip(rows.labels, texts, strict=True))
