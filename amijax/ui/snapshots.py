"""Snapshots on the what-if page: keep a state, return, compare two, export and import."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from amijax.figures import trajectories_figure
from amijax.problems import Problem, ProblemError
from amijax.sharing.snapshots import (
    Snapshot,
    SnapshotError,
    clean_name,
    compare_snapshots,
    export_snapshots,
    import_snapshots,
)
from amijax.ui import charts, numbers, picker
from amijax.ui.context import Context
from amijax.ui.solver_settings import apply_choice
from amijax.ui.whatif import WhatIf

_MOST_PANELS = 6
_MOST_ROWS = 8  # of a table, without scrolling


def show(context: Context, whatif: WhatIf) -> None:
    """Keep the current state under a name; list, compare, return, delete; files."""
    session = context.session
    _keep(context, whatif)
    here = [s for s in session.snapshots if s.problem == session.name]
    if here:
        names = [snapshot.name for snapshot in here]
        numbers.grid(
            "snapshots_table",
            pd.DataFrame(
                {
                    "llh": [s.llh for s in here],
                    "precision": [s.precision for s in here],
                    "created": [s.created for s in here],
                    "moved": [_moved(s, context.problem) for s in here],
                },
                index=pd.Index(names, name="snapshot"),
            ),
            {"llh": "%.9g", "moved": "%.0f"},
            alt="Snapshots of this problem",
            help={"moved": "Parameters that differ from nominal"},
        )
        _one(context, here)
        if len(here) > 1:
            _compare(context, whatif, here)
    elsewhere = len(session.snapshots) - len(here)
    if elsewhere:
        st.caption(f"{elsewhere} more of other problems.")
    _files(context)


def _moved(snapshot: Snapshot, problem: Problem) -> float:
    """How many parameters differ from nominal; NaN if the problem's are others by now."""
    try:
        return float((snapshot.theta_for(problem) != problem.nominal_theta).sum())
    except SnapshotError:
        return float("nan")


def _keep(context: Context, whatif: WhatIf) -> None:
    session = context.session

    def keep() -> None:
        taken = {s.name for s in session.snapshots if s.problem == session.name}
        typed = st.session_state.get("snapshot_name", "")
        name = _free_name(clean_name(typed) if typed.strip() else "snapshot", taken)
        evaluation = whatif.objective.evaluate(session.theta)
        assert evaluation.gradient is not None
        session.snapshots.append(
            Snapshot(
                name=name,
                problem=session.name,
                parameter_ids=context.problem.parameter_ids,
                theta=session.theta.copy(),
                precision=context.precision,
                choice=context.choice,
                llh=evaluation.llh,
                gradient=evaluation.gradient,
                repair=context.problem.repair,
                scales=context.problem.chosen_scales,
            )
        )
        st.session_state["snapshot_name"] = ""

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name", key="snapshot_name", placeholder="for example: fast export")
        st.button(
            "Keep this state", key="snapshot_keep", icon=":material/photo_camera:", on_click=keep,
            help="Kept for this browser session, with llh and gradient.",
        )  # fmt: skip


def _one(context: Context, here: list[Snapshot]) -> None:
    session = context.session
    names = [snapshot.name for snapshot in here]

    def delete() -> None:
        session.snapshots = [kept for kept in session.snapshots if kept is not snapshot]

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Snapshot", names, key="snapshot_chosen", width=260)
        snapshot = here[names.index(name)]
        st.button("Return to it", key="snapshot_return", on_click=_return, args=(context, snapshot))
        st.button(
            "Take as baseline", key="snapshot_baseline", on_click=_baseline,
            args=(context, snapshot), help="Its curves are then drawn behind the current ones.",
        )  # fmt: skip
        st.button(
            "Delete", key="snapshot_delete", on_click=delete, icon=":material/delete:",
        )  # fmt: skip


def _return(context: Context, snapshot: Snapshot) -> None:
    try:
        problem = picker.opened(
            context.session, snapshot.problem, snapshot.repair, snapshot.scales or None
        )
        context.session.move_to(snapshot.theta_for(problem))
    except (SnapshotError, ProblemError) as error:
        context.session.link_notes = (str(error),)
        return
    apply_choice(snapshot.choice)
    context.session.unrepaired = "" if snapshot.repair else snapshot.problem
    context.session.ask_for_scales(snapshot.problem, snapshot.scales)
    st.session_state["x64"] = snapshot.precision == "float64"


def _baseline(context: Context, snapshot: Snapshot) -> None:
    try:
        context.session.start_from(snapshot.theta_for(context.problem), snapshot.name)
    except SnapshotError as error:
        context.session.link_notes = (str(error),)


def _compare(context: Context, whatif: WhatIf, here: list[Snapshot]) -> None:
    names = [snapshot.name for snapshot in here]
    st.markdown("##### Compare two")
    with st.container(horizontal=True):
        first = st.selectbox("a", names, key="snapshot_a", width=260)
        second = st.selectbox("b", names, index=1, key="snapshot_b", width=260)
    a, b = here[names.index(first)], here[names.index(second)]
    try:
        difference = compare_snapshots(a, b)
        thetas = [s.theta_for(context.problem) for s in (a, b)]
    except SnapshotError as error:
        st.error(str(error))
        return
    tables = {
        "Parameters that differ": difference.parameters,
        "Log-likelihood": difference.llh,
        "Gradient": difference.gradient,
        "Settings that differ": difference.settings,
    }
    left, right = st.columns([3, 2])
    for i, (title, table) in enumerate(tables.items()):
        with right if i % 2 else left, st.container(key=f"difference_{i}"):
            st.markdown(title if len(table) else f"{title}: none")
            if len(table):
                is_text = title.startswith("Settings")
                numbers.grid(
                    f"difference_table_{i}", table.astype(str) if is_text else table,
                    {} if is_text else dict.fromkeys(table.columns, "%.6g"),
                    alt=title, rows=_MOST_ROWS,
                )  # fmt: skip
    labels = whatif.objective.condition_labels
    label = labels[0]
    if len(labels) > 1:
        label = st.selectbox("Condition", labels, key="snapshots_condition", width=300)
    condition = labels.index(label)
    courses = [whatif.simulator.simulate(theta, conditions=[condition]) for theta in thetas]
    measured = np.unique(courses[1].points.observable)[:_MOST_PANELS]
    ids = [courses[1].observable_ids[i] for i in measured] or [courses[1].observable_ids[0]]
    st.caption(f"Condition `{label}`.")
    figure = trajectories_figure(courses[1], courses[0], ids, names=(b.name, a.name))
    charts.draw(figure, "snapshots_chart", f"Time courses of snapshots {a.name} and {b.name}")


def _files(context: Context) -> None:
    session = context.session
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.download_button(
            "All snapshots as a file", lambda: export_snapshots(session.snapshots),
            file_name="amijax_snapshots.json", mime="application/json", key="snapshots_export",
            on_click="ignore", icon=":material/download:", disabled=not session.snapshots,
            help="Keep a state first." if not session.snapshots else "JSON; numbers keep all bits.",
        )  # fmt: skip
    file = st.file_uploader("A file of snapshots", type=["json"], key="snapshots_import")
    if file is None or st.session_state.get("snapshots_imported") == file.file_id:
        return
    try:
        read = import_snapshots(file.getvalue())
    except SnapshotError as error:
        st.error(f"Nothing was imported. {error}")
        return
    for snapshot in read:
        taken = {s.name for s in session.snapshots if s.problem == snapshot.problem}
        session.snapshots.append(replace(snapshot, name=_free_name(snapshot.name, taken)))
    st.session_state["snapshots_imported"] = file.file_id
    st.rerun()


def _free_name(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    if name not in taken:
        return name
    return next(f"{name} {n}" for n in range(2, len(taken) + 3) if f"{name} {n}" not in taken)
