"""The what-if page's views: time courses, the step, slices, shares of llh."""

from __future__ import annotations

import numpy as np
import streamlit as st

from amijax.digits import digits
from amijax.figures import (
    prediction_figure,
    residuals_figure,
    slices_figure,
    states_figure,
    trajectories_figure,
)
from amijax.sharing.points import point_in_words
from amijax.ui import charts, numbers, zoom
from amijax.ui.cluster import cluster_errors
from amijax.ui.context import Context
from amijax.ui.memo import is_remembered, point, remembered
from amijax.ui.sliders import strongest_first
from amijax.ui.whatif import WhatIf, prediction
from amijax.whatif.points import compare_shares
from amijax.whatif.slices import Slice, parameter_slices
from amijax.whatif.trajectories import Trajectories

_AT_FIRST = 4  # observables
_MOST_PANELS = 12
_MOST_SHARES = 10  # rows without scrolling
_SLICES_AT_FIRST = 3
_SLICE_POINTS = 41
_WIDTHS = {"bounds": None, "± 1": 1.0, "± 0.1": 0.1}  # on the parameter's scale
_OWN = "own"
_PROMPT = 5.0  # seconds; slices that take longer wait for a click


def trajectories(context: Context, whatif: WhatIf) -> None:
    """Observables or states of one condition, measurements, the baseline behind."""
    name = context.session.name
    labels = whatif.objective.condition_labels
    simulator = whatif.simulator
    with st.container(horizontal=True, vertical_alignment="bottom"):
        condition = 0
        if len(labels) > 1:
            condition = labels.index(
                st.selectbox(
                    f"Condition ({len(labels)})", labels, key=f"condition_{name}",
                    help="condition+preequilibration, where there is one", width=300,
                    persist_state="session",
                )
            )  # fmt: skip
        what = st.segmented_control(
            "Show", ["observables", "states"], default="observables", required=True,
            key="trajectories_of", persist_state="session", wrap=True,
        )  # fmt: skip
        log_time = st.toggle("log time", key="log_time", persist_state="session")
        log_value = st.toggle("log values", key="log_value", persist_state="session")
    states = what == "states"
    current = simulator.simulate(whatif.theta, conditions=[condition], states=states)
    baseline = _baseline_courses(whatif, condition, states)
    course = current.conditions[0]
    if course.failure is not None:
        st.error(f"Now: {course.failure}")
    measured: tuple[str, ...] = ()
    if states:
        ids, default = simulator.state_ids, simulator.state_ids[: _AT_FIRST - 1]
    else:
        measured = current.measured
        ids = (*measured, *(name for name in current.observable_ids if name not in measured))
        default = (measured or ids)[:_AT_FIRST]
    total = f"{len(ids)}" if states else f"{len(measured)} of {len(ids)} measured here"
    chosen = st.multiselect(
        f"{what.capitalize()} ({total})", ids, default=list(default),
        max_selections=_MOST_PANELS, key=f"{what}_{name}_{condition}",
        persist_state="session", wrap=True,
    )  # fmt: skip
    if not chosen:
        st.info(f"Choose some of the {what}.")
        return
    draw = states_figure if states else trajectories_figure
    figure = draw(current, baseline, chosen, log_time=log_time, log_value=log_value)
    view = (name, condition, what, tuple(chosen), log_time, log_value)
    zoom.keep(figure, "trajectories_chart", view)
    charts.draw(
        figure,
        "trajectories_chart",
        f"Time courses in {labels[condition]}",
        at=_at(context, whatif),
    )
    if course.preequilibration:
        st.caption(
            f"Preequilibrated in condition `{course.preequilibration}` before time 0."
            if course.preequilibration != course.condition
            else "Begins at a steady state."
        )
    if np.isinf(course.times).any():
        st.caption("The steady state, time ∞, is the last point on the right.")
    if course.note:
        st.caption(course.note)


def step(context: Context, whatif: WhatIf) -> None:
    """Prediction against fact along the edited direction."""
    if np.array_equal(whatif.theta, context.session.baseline):
        st.info("Move a slider: the step from the baseline is then held against its prediction.")
        return
    with st.spinner("Following the step", show_time=True):
        analysed = prediction(whatif)
    st.markdown(f"**{analysed.text}**")
    charts.draw(
        prediction_figure(analysed),
        "prediction_chart",
        "llh along the step",
        at=_at(context, whatif),
    )
    moved = analysed.frame(context.problem)
    numbers.grid(
        "step_table", moved, dict.fromkeys(moved.columns, "%.6g"),
        alt="Each parameter's part of the prediction",
    )  # fmt: skip
    st.caption(
        f"Noise floor of the change: {analysed.noise:.1g} (the solver's scatter when theta moves "
        "in its last bits)."
    )


def slices(context: Context, whatif: WhatIf) -> None:
    """Llh along single parameters, in one batch on all cores."""
    problem, name = context.problem, context.session.name
    first = strongest_first(whatif)[0][:_SLICES_AT_FIRST]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reach = st.segmented_control(
            "Range", [*_WIDTHS, _OWN], default="bounds", required=True,
            key="slice_reach", persist_state="session", wrap=True,
            help="On the parameter's scale, about the current value",
        )  # fmt: skip
        own = 0.5
        if reach == _OWN:
            own = st.number_input(
                "±", min_value=1e-9, value=own, format="%g", key="slice_width", width=140,
                persist_state="session",
            )  # fmt: skip
        derivative = st.toggle(
            "gradient", key="slice_gradient", help="∂llh/∂θ instead of llh", persist_state="session"
        )
    chosen = st.multiselect(
        "Along", problem.parameter_ids, default=[problem.parameter_ids[i] for i in first],
        key=f"slices_{name}", max_selections=_MOST_PANELS, persist_state="session", wrap=True,
    )  # fmt: skip
    positions = [problem.parameter_ids.index(parameter) for parameter in chosen]
    if not positions:
        st.info("Choose at least one parameter.")
        return
    evaluation = whatif.baseline.evaluation
    one = evaluation.cpu_seconds / (1 if derivative else 1 + len(whatif.theta))
    seconds = len(positions) * _SLICE_POINTS * one / whatif.objective.batch_threads
    width = own if reach == _OWN else _WIDTHS[reach]
    at = point(
        problem, whatif.objective.solver, whatif.theta, view=(tuple(positions), width, derivative)
    )
    is_prompt = seconds <= _PROMPT or is_remembered("slices", at)
    if not (is_prompt or st.button(f"Evaluate (about {seconds:.0f} s)", key="run_slices")):
        return
    cut = remembered("slices", at, lambda: _cut(whatif, positions, width, derivative, seconds))
    st.caption(
        "Along each parameter alone: all others stay fixed at their current values. A profile, "
        "which fits the others anew at each value, is never lower than its slice."
    )
    charts.draw(
        slices_figure(cut, gradient=derivative),
        "slices_chart",
        "llh along parameters",
        at=_at(context, whatif),
    )
    failed = sum(failure is not None for entry in cut for failure in entry.failures)
    if failed:
        st.caption(f"{failed} points could not be simulated; they are gaps in the lines.")


def _cut(
    whatif: WhatIf,
    positions: list[int],
    width: float | None,
    derivative: bool,
    seconds: float,
) -> tuple[Slice, ...]:
    """The slices, with a bar while they take long."""
    ranges = None
    if width is not None:
        ranges = {i: (whatif.theta[i] - width, whatif.theta[i] + width) for i in positions}
    total = len(positions) * _SLICE_POINTS
    bar = st.progress(0.0, "Evaluating") if seconds > 1 else None

    def show(done: int) -> None:
        if bar is not None:
            bar.progress(min(done / total, 1.0), f"{done} points")

    with cluster_errors():
        cut = parameter_slices(
            whatif.objective, whatif.theta, positions, ranges=ranges, points=_SLICE_POINTS,
            gradient=derivative, on_chunk=show,
        )  # fmt: skip
    if bar is not None:
        bar.empty()
    return cut


def shares(context: Context, whatif: WhatIf) -> None:
    """Residuals, and what each observable and condition contributes to llh."""
    with st.spinner("Simulating", show_time=True):
        # With sensitivities, as on the first page: the shares are to add up to its llh.
        everything, start = (
            whatif.simulator.simulate(theta, gradient=True)
            for theta in (whatif.theta, whatif.baseline.evaluation.theta)
        )
    for failure in everything.failures[:3]:
        st.error(str(failure))
    now, before = everything.points, start.points
    by_observable, by_condition = st.columns(2)
    for column, table in (
        (by_observable, compare_shares(now.by_observable(), before.by_observable())),
        (by_condition, compare_shares(now.by_condition(), before.by_condition())),
    ):
        title = str(table.index.name)
        with column:
            numbers.grid(
                f"shares_{title}", table.rename(columns={"llh": "share of llh"}),
                {"share of llh": "%.6g", "change": "%.3g", "measurements": "%.0f"},
                alt=f"Share of llh by {title}", rows=_MOST_SHARES,
                help={"change": "Since the baseline"},
            )  # fmt: skip
    st.caption(
        "The largest change since the baseline first; a click on a column's head sorts anew."
    )
    total = everything.points.llh.sum()
    st.caption(
        f"The shares add up to {total:.10g}, llh as on the first page: with sensitivities, for "
        f"which the solver takes other steps. llh now, above, is {whatif.now.llh:.10g} without "
        f"them; the two agree in {float(digits(total, whatif.now.llh)):.1f} digits."
        if np.isfinite(total)
        else "There is no sum: where a condition failed, its measurements have no share."
    )
    charts.draw(
        residuals_figure(everything), "residuals_chart", "Residuals against time",
        at=_at(context, whatif),
    )  # fmt: skip


def _at(context: Context, whatif: WhatIf) -> tuple[str, ...]:
    """What an exported figure says of the state that it shows."""
    return (
        f"{point_in_words(context.problem, whatif.theta)}; llh {whatif.now.llh:.9g}",
        f"Baseline: {context.session.baseline_name}; {whatif.objective.solver}",
    )


def _baseline_courses(whatif: WhatIf, condition: int, states: bool) -> Trajectories:
    """The baseline's time courses, kept until it or the view changes."""
    theta = whatif.baseline.evaluation.theta
    at = point(whatif.objective.problem, whatif.objective.solver, theta, view=(condition, states))
    return remembered(
        "baseline_courses",
        at,
        lambda: whatif.simulator.simulate(theta, conditions=[condition], states=states),
    )
