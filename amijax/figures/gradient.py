"""Figures of results, as plotly figures; no Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

_ROW_HEIGHT = 26
_DENSE_ROW_HEIGHT = 17
_MANY = 40  # rows from which on they are drawn densely


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


def gradient_figure(comparisons: Mapping[Precision, Comparison], precision: Precision) -> go.Figure:
    """Gradient entries of AMICI and JAX as bars, and their relative differences beside them.

    Args:
        comparisons: the same point in both precisions.
        precision: the one to show strongly; the other's relative differences stay faint.
    """
    chosen = comparisons[precision]
    n = len(chosen.parameter_ids)
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, column_widths=[0.5, 0.5], horizontal_spacing=0.03
    )
    _add_bars(figure, chosen)
    _add_rel_diffs(figure, comparisons, precision)
    many = n >= _MANY
    plot_height = n * (_DENSE_ROW_HEIGHT if many else _ROW_HEIGHT)
    top, bottom = (116, 16) if many else (48, 62)  # the x axes are on top where one must scroll
    legend_y = 1 + (top - 40) / plot_height if many else 1.0
    figure.update_xaxes(side="top" if many else "bottom")
    figure.update_layout(
        height=top + plot_height + bottom,
        margin={"l": 8, "r": 8, "t": top, "b": bottom},
        barmode="group",
        bargap=0.25,
        bargroupgap=0.0,
        legend=_legend("left", legend_y),
        legend2=_legend("right", legend_y),
        hoverlabel={"namelength": -1},
    )
    figure.update_yaxes(
        range=[n - 0.5, -0.5],  # the first parameter on top
        type="category",
        automargin=True,
        showgrid=False,
        tickfont={"size": 10 if many else 12},
        dtick=1,
    )
    return figure


def top_legend() -> dict[str, object]:
    """A legend in one line above a figure, from the left."""
    return {"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"}


def _legend(side: str, y: float) -> dict[str, object]:
    x = 0.0 if side == "left" else 1.0
    return {"orientation": "h", "x": x, "xanchor": side, "y": y, "yanchor": "bottom"}


def _add_bars(figure: go.Figure, comparison: Comparison) -> None:
    sides = {
        "AMICI": (comparison.gradient_amici, AMICI_COLOUR),
        f"JAX {comparison.precision}": (comparison.gradient_jax, JAX_COLOUR),
    }
    scale = signed_scale(np.concatenate([values for values, _ in sides.values()]))
    for name, (values, colour) in sides.items():
        figure.add_bar(
            y=comparison.parameter_ids,
            x=scale(values),
            name=name,
            orientation="h",
            marker={"color": colour, "line": {"width": 0}},
            customdata=[f"{value:.10g}" for value in values],
            hovertemplate="%{y}: %{customdata}<extra>" + name + "</extra>",
            row=1,
            col=1,
        )
    either = np.vstack([values for values, _ in sides.values()])
    ids = np.array(comparison.parameter_ids)
    marks = (
        (~np.isfinite(either).all(axis=0), "not finite", "x", NAN_COLOUR),
        ((either == 0).all(axis=0), "exactly 0", "circle-open", AMICI_COLOUR),
    )
    for where, name, symbol, colour in marks:
        if where.any():
            figure.add_scatter(
                y=ids[where],
                x=np.zeros(where.sum()),
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 9},
                hovertemplate="%{y}: " + name + "<extra></extra>",
                row=1,
                col=1,
            )
    figure.update_xaxes(
        title="∂llh/∂θ, signed logarithmic axis" if scale.floor is not None else "∂llh/∂θ",
        zeroline=True,
        zerolinewidth=1.5,
        row=1,
        col=1,
    )
    if scale.floor is not None:
        figure.update_xaxes(tickvals=scale.ticks, ticktext=scale.labels, tickangle=0, row=1, col=1)


def _add_rel_diffs(
    figure: go.Figure, comparisons: Mapping[Precision, Comparison], precision: Precision
) -> None:
    """Relative differences on a log axis; exact agreement gets a tick of its own."""
    sizes = {name: np.abs(c.gradient_rel_diff) for name, c in comparisons.items()}
    every = np.concatenate(list(sizes.values()))
    shown = every[np.isfinite(every) & (every > 0)]
    low = int(np.floor(np.log10(shown.min()))) if shown.size else -16
    low = min(low, -8)
    high = max(int(np.ceil(np.log10(shown.max()))) if shown.size else 0, 0)
    exact = low - (high - low) / 4  # left of all powers of ten, clear of their labels
    for name in sorted(sizes, key=lambda name: name == precision):
        size = sizes[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            position = np.where(size == 0, exact, np.log10(size))
        position[~np.isfinite(position)] = np.nan
        strong = name == precision
        figure.add_scatter(
            y=comparisons[name].parameter_ids,
            x=position,
            mode="markers",
            name=name,
            legend="legend2",
            marker={
                "color": JAX_COLOUR if strong else OTHER_COLOUR,
                "size": 10 if strong else 8,
                "symbol": np.where(size == 0, "diamond-open", "diamond").tolist(),
            },
            customdata=[f"{value:.3e}" for value in comparisons[name].gradient_rel_diff],
            hovertemplate="%{y}: rel_diff %{customdata}<extra>" + name + "</extra>",
            row=1,
            col=2,
        )
    step = max(1, -(-(high - low) // 3))
    exponents = list(range(high, low - 1, -step))[::-1]
    figure.update_xaxes(
        title="|rel_diff|",
        range=[exact - (high - low) / 14, high + (high - low) / 20],
        tickvals=[exact, *exponents],
        ticktext=["exact", *[f"10<sup>{e}</sup>" if e else "1" for e in exponents]],
        tickangle=0,
        zeroline=False,
        row=1,
        col=2,
    )
