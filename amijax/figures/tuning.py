"""What a search for settings tried: error against time, and what came of it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from amijax.figures.gradient import AMICI_COLOUR, JAX_COLOUR, OTHER_COLOUR, top_legend
from amijax.figures.work_precision import TIME_TICKS
from amijax.tuning.record import Tried, Tuning


def tuning_figure(tuning: Tuning) -> go.Figure:
    """Error of the gradient at the worst point against CPU time, log-log, for all that was tried.

    What failed or was not timed is left out; settings that missed the target were not tried at
    every point. Hovering shows settings.

    Args:
        tuning: from `amijax.tuned`.
    """
    figure = go.Figure()
    found = [tried for tried in tuning.table if tried.settings == tuning.settings]
    before = [tried for tried in tuning.table if tried.settings == tuning.baseline]
    others = [tried for tried in tuning.table if tried not in (*found, *before)]
    marks = (
        ("tried", others, OTHER_COLOUR, "circle", 8),
        ("AMICI's defaults", before, AMICI_COLOUR, "square", 12),
        ("found", found, JAX_COLOUR, "star", 17),
    )
    for name, tries, colour, symbol, size in marks:
        known = [each for each in tries if np.isfinite(each.seconds) and np.isfinite(worst(each))]
        figure.add_scatter(
            x=[1e3 * each.seconds for each in known], y=[worst(each) for each in known],
            customdata=[str(each.settings) for each in known],
            hovertemplate="%{customdata}: error %{y:.1e}, %{x:.3g} ms<extra>" + name + "</extra>",
            mode="markers", name=name, marker={"color": colour, "symbol": symbol, "size": size},
        )  # fmt: skip
    if tuning.asked is not None:
        figure.add_hline(
            y=10.0**-tuning.asked, line={"width": 1.5, "dash": "dash", "color": OTHER_COLOUR}
        )
        figure.add_annotation(  # whose place on a logarithmic axis is its logarithm
            x=1, xref="paper", xanchor="right", y=-tuning.asked, yanchor="bottom",
            text=f"{tuning.asked:g} digits", showarrow=False, font={"size": 11},
        )  # fmt: skip
    figure.update_xaxes(
        type="log", title="CPU time of a gradient, ms", tickvals=TIME_TICKS,
        ticktext=[f"{tick:g}" for tick in TIME_TICKS],
    )  # fmt: skip
    figure.update_yaxes(
        type="log", title="relative error of the gradient, in norm", exponentformat="power", dtick=1
    )
    figure.update_layout(height=420, margin={"l": 8, "r": 8, "t": 56, "b": 8}, legend=top_legend())
    return figure


def worst(tried: Tried) -> float:
    """The largest error at the points where settings were tried; infinite where they failed."""
    return max(tried.errors, default=np.inf)
