"""The fit page's views of a fit: warnings, waterfall, points, trajectories, starts, export."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from amijax.figures import (
    growth_figure,
    points_figure,
    progress_figure,
    trajectories_figure,
    waterfall_figure,
)
from amijax.fit.files import fit_text
from amijax.fit.findings import fit_findings
from amijax.fit.optima import SAME_OPTIMUM
from amijax.fit.pypesto_hdf5 import export_pypesto
from amijax.fit.record import FitResult, Start
from amijax.objective import AmiciObjective
from amijax.problems import ProblemError
from amijax.problems.points import on_bounds_of
from amijax.sharing.exports import parameter_table
from amijax.ui import charts, numbers
from amijax.ui.context import Context
from amijax.ui.markdown import plain
from amijax.ui.resources import simulator_for
from amijax.ui.results import number

_VIEWS = ("Waterfall", "Growth", "Points", "Trajectories", "Starts", "Export")
_GRAVE = ("no-point", "gradient-wrong")
_MOST_POINTS = 30
_AT_FIRST = 4  # observables
_MOST_PANELS = 12


def draw(context: Context, objective: AmiciObjective, result: FitResult) -> None:
    """All of a fit that is over, or as far as it came."""
    for finding in fit_findings(result):
        show = st.error if finding.code in _GRAVE else st.warning
        show(plain(finding.message))
    if result.best is None:
        _starts(result)
        return
    _figures(result)
    with st.container(horizontal=True, vertical_alignment="bottom", key="fit_chosen_row"):
        start = _chosen(result)
        st.button(
            "Make this the current point", key="fit_take", type="primary",
            icon=":material/my_location:", on_click=_take, args=(context, start),
            help="All pages then show llh, gradient and trajectories there",
        )  # fmt: skip
    view = st.segmented_control(
        "View", _VIEWS, default=_VIEWS[0], required=True, key="fit_view",
        persist_state="session", label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    at = (_settings_in_words(result), str(result.settings.stages[-1]))
    if view == "Waterfall":
        charts.draw(
            waterfall_figure(result, start.index), "fit_waterfall_chart",
            "Starts by how far their value is below the best", at,
        )  # fmt: skip
        st.caption(
            f"Starts within {SAME_OPTIMUM:g} of each other are of one colour. Many starts on one "
            "step say that the optimum is likely to be the best there is."
        )
    elif view == "Growth":
        if result.progress.values.size:
            charts.draw(
                progress_figure(result), "fit_progress_chart",
                "The best value of all starts against time and evaluations", at,
            )  # fmt: skip
        charts.draw(
            growth_figure(result), "fit_growth_chart",
            "How the value of each start grew with time and evaluations", at,
        )  # fmt: skip
    elif view == "Points":
        _points(result, at)
    elif view == "Trajectories":
        _trajectories(context, objective, result, start, at)
    elif view == "Starts":
        _starts(result)
    else:
        _export(context, result, start)


def _figures(result: FitResult) -> None:
    best = result.best
    assert best is not None
    with numbers.row("fit_figures"):
        numbers.figure(
            "best llh", number(best.llh, 9), help="Computed together with its gradient",
            note=None if result.reference_llh is None else _against(best, result.reference_llh),
        )  # fmt: skip
        if best.log_prior is not None:
            numbers.figure("llh + log prior", number(best.value, 9), help="What was maximised")
        numbers.figure(
            "found", "once" if result.n_found == 1 else f"{result.n_found} times",
            help=f"Starts within {SAME_OPTIMUM:g} of the best",
        )  # fmt: skip
        numbers.figure(
            "starts", len(result.starts),
            note=f"{len(result.failed)} failed" if result.failed else None,
        )  # fmt: skip
        numbers.figure(
            "norm of the gradient", number(best.gradient_norm, 3),
            help="At the best point, without entries that push against a bound; at a smooth "
            "optimum it is 0, but for the solver's error",
        )  # fmt: skip
        numbers.figure(
            "evaluations", f"{sum(start.n_evaluations for start in result.starts):,}",
            note=f"{sum(start.seconds for start in result.starts):.0f} s of all starts",
            help="Of llh and gradient together, one simulation of all conditions each",
        )  # fmt: skip
    if result.audit is not None and result.audit.verdict == "right":
        st.caption(f":material/verified: At the best point: {plain(result.audit.summary)}")


def _against(best: Start, reference: float) -> str:
    difference = best.llh - reference
    if abs(difference) <= SAME_OPTIMUM:
        return f"as the stored reference, {reference:.6g}"
    return f"{difference:+.4g} against the stored {reference:.6g}"


def _chosen(result: FitResult) -> Start:
    ordered = result.ordered
    i = st.selectbox(
        "Start", range(len(ordered)), key=f"fit_start_{result.started}", width=360,
        format_func=lambda k: (
            f"{k + 1}. start {ordered[k].index}: {number(ordered[k].value, 8)}, {ordered[k].exit}"
        ),
    )  # fmt: skip
    return ordered[i]


def _take(context: Context, start: Start) -> None:
    context.session.move_to(start.theta)
    st.toast(f"Start {start.index} of the fit is the current point.")


def _points(result: FitResult, at: tuple[str, ...]) -> None:
    ordered = result.ordered
    n = min(len(ordered), _MOST_POINTS)
    if n > 1:
        n = st.slider(
            "Best starts", 1, n, value=min(n, max(result.n_found, 5)), key="fit_points", width=360
        )
    shown = ordered[:n]
    charts.draw(
        points_figure(result, shown), "fit_points_chart",
        "Where the best points lie between the bounds, a line for each start", at,
    )  # fmt: skip
    st.caption(
        "Lines of one colour that run apart have equal values at different points: the data do "
        "not determine those parameters."
    )


def _trajectories(
    context: Context,
    objective: AmiciObjective,
    result: FitResult,
    start: Start,
    at: tuple[str, ...],
) -> None:
    """Observables of one condition at a start's point, against the data."""
    tried = objective.with_solver(result.settings.stages[-1])
    try:
        simulator = simulator_for(tried)
    except ProblemError as error:
        st.error(str(error))
        return
    labels, condition = tried.condition_labels, 0
    if len(labels) > 1:
        condition = labels.index(
            st.selectbox(f"Condition ({len(labels)})", labels, key="fit_condition", width=300)
        )
    current = simulator.simulate(start.theta, conditions=[condition])
    before = simulator.simulate(context.session.theta, conditions=[condition])
    course = current.conditions[0]
    if course.failure is not None:
        st.error(f"Start {start.index}: {course.failure}")
        return
    ids = current.measured or current.observable_ids
    chosen = st.multiselect(
        f"Observables ({len(ids)} measured here)", ids, default=list(ids[:_AT_FIRST]),
        max_selections=_MOST_PANELS, key=f"fit_observables_{condition}", wrap=True,
    )  # fmt: skip
    if not chosen:
        st.info("Choose some of the observables.")
        return
    baseline = None if before.conditions[0].failure is not None else before
    figure = trajectories_figure(
        current, baseline, chosen, names=(f"start {start.index}", "current point")
    )
    charts.draw(
        figure, "fit_trajectories_chart", f"Time courses in {labels[condition]} and measurements",
        at,
    )  # fmt: skip


def _starts(result: FitResult) -> None:
    lower, upper = result.settings.lower, result.settings.upper
    starts = [*result.ordered, *(start for start in result.starts if not start.has_point)]
    frame = pd.DataFrame(
        {
            "llh": [start.llh for start in starts],
            "log prior": [start.log_prior for start in starts],
            "|gradient|": [start.gradient_norm for start in starts],
            "on bounds": [
                int(np.count_nonzero(on_bounds_of(start.theta, lower, upper)))
                if start.has_point
                else None
                for start in starts
            ],
            "evaluations": [start.n_evaluations for start in starts],
            "seconds": [start.seconds for start in starts],
            "exit": [start.state for start in starts],
            "in words": [_in_words(start) for start in starts],
        },
        index=pd.Index([start.index for start in starts], name="start"),
    )
    if not result.has_priors:
        frame = frame.drop(columns="log prior")
    numbers.grid(
        "fit_starts_table", frame,
        {
            "llh": "%.8g", "log prior": "%.6g", "|gradient|": "%.1e", "on bounds": "%.0f",
            "evaluations": "%.0f", "seconds": "%.1f",
        },
        alt="All starts of the fit, the best first", texts={"in words": 560},
        help={
            "|gradient|": "Norm at the end, without entries that push against a bound",
            "on bounds": "Parameters that sit on a bound at the end",
        },
    )  # fmt: skip


def _in_words(start: Start) -> str:
    lost = f"{start.n_lost} processes were lost. " if start.n_lost else ""
    failures = "; ".join(f"{each.count} points: {each.reason}" for each in start.failures)
    tail = f" Failed on the way: {failures}" if failures and start.exit != "failed" else ""
    return f"{lost}{start.message}.{tail}".replace("..", ".")


def _export(context: Context, result: FitResult, start: Start) -> None:
    name = context.session.name
    with st.container(horizontal=True, key="fit_export"):
        st.download_button(
            "The fit (JSON)", lambda: fit_text(result), file_name=f"{name}_fit.json",
            mime="application/json", key="fit_json", on_click="ignore", icon=":material/download:",
            help="Everything, with all digits: `amijax.load_fit` reads it",
        )  # fmt: skip
        if find_spec("h5py") is not None:
            st.download_button(
                "For pyPESTO (HDF5)", lambda: _hdf5(result), file_name=f"{name}_fit.hdf5",
                mime="application/x-hdf5", key="fit_hdf5", on_click="ignore",
                icon=":material/download:",
                help="`pypesto.store.read_result` reads it, for its plots",
            )  # fmt: skip
        st.download_button(
            f"Parameter table with start {start.index}",
            lambda: parameter_table(context.problem, start.theta),
            file_name=f"parameters_{name}.tsv", mime="text/tab-separated-values",
            key="fit_parameters", on_click="ignore", icon=":material/download:",
            help="PEtab's, with this start's point as nominal values",
        )  # fmt: skip
    st.caption(
        f"Fitted with {_settings_in_words(result)}; "
        + ", ".join(f"{package} {version}" for package, version in result.versions.items())
        + "."
    )


def _hdf5(result: FitResult) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.hdf5"
        export_pypesto(result, path)
        return path.read_bytes()


def _settings_in_words(result: FitResult) -> str:
    settings = result.settings
    return (
        f"{settings.optimizer}, {settings.n_starts} starts, seed {settings.seed}, "
        f"{result.workers}, {settings.stages_in_words}, begun {result.started}"
    )
