"""The parameter table: values on their PEtab scale, editable in place."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from amijax.problems import Problem
from amijax.problems.points import random_theta, read_text, read_value
from amijax.ui.session import Session

_VISIBLE_ROWS = 14
_RESET = "reset"


def edit(session: Session, problem: Problem) -> None:
    """Draw buttons and table; set `session.theta` to what they say."""
    _buttons(session, problem)
    for note in session.notes:
        st.warning(note)
    key = f"parameters_{session.name}_{session.version}"
    if key not in st.session_state:
        session.base = session.theta.copy()  # edits made before another page was visited
    complaints = _apply_edits(session, problem, _edited_rows(key))
    table = _table(session, problem)
    st.data_editor(
        table,
        key=key,
        num_rows="fixed",
        disabled=[column for column in table.columns if column != "value"],
        height=min(len(table), _VISIBLE_ROWS) * 35 + 38,
        alt="Parameters of the problem: scale, value, linear value, bounds and nominal value",
        column_config=_columns(session, problem, key),
    )
    for complaint in complaints:
        st.warning(complaint + " The last usable value is simulated instead.")
    changed = int((session.theta != problem.nominal_theta).sum())
    st.caption(
        f"{changed} of {problem.n_parameters} parameters differ from nominal."
        if changed
        else "All parameters are at their nominal values. Double-click a value to change it."
    )


def _edited_rows(key: str) -> dict[int, dict[str, Any]]:
    state = st.session_state.get(key)
    return dict(state["edited_rows"]) if state else {}


def _apply_edits(
    session: Session, problem: Problem, edited: dict[int, dict[str, Any]]
) -> list[str]:
    """Set theta to base with the usable edits; return sentences about the others."""
    theta, complaints = session.base.copy(), []
    for row, cells in edited.items():
        if "value" not in cells:
            continue
        read = read_value(problem, problem.parameter_ids[int(row)], cells["value"])
        if isinstance(read, str):
            complaints.append(read)
        else:
            theta[int(row)] = read
    session.theta = theta
    return complaints


def _table(session: Session, problem: Problem) -> pd.DataFrame:
    changed = session.theta != problem.nominal_theta
    return pd.DataFrame(
        {
            "scale": problem.scales,
            "value": [f"{value:.8g}" for value in session.base],
            # Of one type even if all are empty: the editor forgets its edits when a type changes.
            _RESET: pd.array([":material/undo:" if c else None for c in changed], dtype="string"),
            "linear": problem.linear(session.theta),
            "lower": problem.lower_theta,
            "upper": problem.upper_theta,
            "nominal": problem.nominal_theta,
            "name": problem.parameter_names,
        },
        index=pd.Index(problem.parameter_ids, name="parameter"),
    )


def _columns(session: Session, problem: Problem, key: str) -> dict[str, Any]:
    def reset_one() -> None:
        click = st.session_state[f"{key}_reset"]
        theta = session.theta.copy()
        theta[click["row"]] = problem.nominal_theta[click["row"]]
        session.move_to(theta)

    number = st.column_config.NumberColumn
    return {
        "parameter": st.column_config.TextColumn("parameter", pinned=True, disabled=True),
        "scale": st.column_config.TextColumn("scale", width=48, help="PEtab's parameterScale"),
        "value": st.column_config.TextColumn(
            "value", width=90, alignment="right", help="On the parameter's scale; editable"
        ),
        _RESET: st.column_config.ButtonColumn(
            "↺",
            width=34,
            type="tertiary",
            on_click=reset_one,
            key=f"{key}_reset",
            help="Back to nominal",
        ),
        "linear": number("linear", format="%.6g", width=92, help="The value on linear scale"),
        "lower": number("lower", format="%.4g", width=62, help="Bound, on the parameter's scale"),
        "upper": number("upper", format="%.4g", width=62, help="Bound, on the parameter's scale"),
        "nominal": number("nominal", format="%.6g", width=84, help="On the parameter's scale"),
        "name": st.column_config.TextColumn("name"),
    }


def _buttons(session: Session, problem: Problem) -> None:
    def draw() -> None:
        session.seed += 1
        session.move_to(random_theta(problem, session.seed))

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Nominal",
            key="nominal",
            icon=":material/restart_alt:",
            help="All parameters back to their nominal values",
            on_click=session.move_to,
            args=(problem.nominal_theta,),
        )
        st.button(
            "Random",
            key="random",
            icon=":material/casino:",
            on_click=draw,
            help="A point drawn uniformly within the bounds, on the parameters' scales. The seed "
            "counts up from 1, so the same clicks give the same points.",
        )
        with st.popover("Paste", icon=":material/content_paste:", key="paste"):
            _paste_form(session, problem)
        if session.seed:
            st.caption(f"seed {session.seed}")


def _paste_form(session: Session, problem: Problem) -> None:
    st.markdown("Lines such as `k_phos 4.2`, a JSON object, or all values in the table's order.")
    st.text_area("Parameters", key="paste_text", height=160, label_visibility="collapsed")
    linear = st.radio(
        "The values are",
        ["on the parameters' scales", "linear"],
        key="paste_scale",
        horizontal=True,
    )

    def apply() -> None:
        reading = read_text(problem, st.session_state["paste_text"], linear=linear == "linear")
        session.move_to(problem.theta_from(reading.values, base=session.theta), reading.complaints)

    st.button("Apply", key="paste_apply", type="primary", on_click=apply)
