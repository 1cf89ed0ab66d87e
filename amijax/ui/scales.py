"""Choosing the scales of theta of a PEtab v2 problem, which has none of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from amijax.problems import Problem, ProblemError
from amijax.problems.scale_choice import SCALES
from amijax.scales import FloatArray, Scale, to_scaled
from amijax.ui import picker
from amijax.ui.session import Session

_POPOVER = "scales_popover"
_EXPLANATION = (
    "PEtab v2 has no parameter scales. Theta is on those chosen here: the solver's error control, "
    "gradients and steps are with respect to it. By default log10 where bounds and nominal value "
    "are positive and the bounds more than two decades apart, else lin."
)


def choose(session: Session, problem: Problem) -> None:
    """Draw a popover with a scale for each parameter; nothing for problems that have their own."""
    if problem.petab_version == "1":
        return
    with st.popover("Scales", icon=":material/straighten:", key=_POPOVER, on_change="rerun"):
        st.markdown(_EXPLANATION)
        with st.container(horizontal=True):
            choices = [("Default", problem.default_scales)]
            choices += [(scale, (scale,) * problem.n_parameters) for scale in SCALES]
            for label, scales in choices:
                st.button(
                    label if label == "Default" else f"All {label}",
                    key=f"scales_{label}",
                    on_click=_change,
                    args=(session, problem, dict(zip(problem.parameter_ids, scales, strict=True))),
                )
        table = pd.DataFrame(
            {"scale": problem.scales}, index=pd.Index(problem.parameter_ids, name="parameter")
        )
        edited = st.data_editor(
            table,
            key=f"scales_{session.name}_{session.version}",
            column_config={
                "scale": st.column_config.SelectboxColumn(
                    "scale", options=list(SCALES), required=True
                )
            },
            disabled=["parameter"],
            alt="Scale of theta for each parameter",
        )
        st.button(
            "Apply", key="scales_apply", type="primary",
            on_click=_change, args=(session, problem, dict(edited["scale"])),
        )  # fmt: skip


def _change(session: Session, problem: Problem, scales: Mapping[str, Scale]) -> None:
    """Go to the same point on other scales."""
    st.session_state[_POPOVER] = False  # it would hide what the choice leads to
    defaults = dict(zip(problem.parameter_ids, problem.default_scales, strict=True))
    choice = {name: scale for name, scale in scales.items() if scale != defaults[name]}
    try:
        other = picker.opened(session, session.name, problem.repair, choice or None)
    except ProblemError as error:
        session.notes = (f"These scales can't be used. {error}",)
        return
    theta, base = (_on_scales(at, problem, other) for at in (session.theta, session.baseline))
    session.ask_for_scales(session.name, choice)
    session.start_from(base, session.baseline_name)
    session.move_to(theta)


def _on_scales(theta: FloatArray, problem: Problem, other: Problem) -> FloatArray:
    """A point on another problem's scales; nominal values stay those of the tables."""
    moved = to_scaled(problem.linear(theta), other.scales)
    nominal = (theta == problem.nominal_theta) | ~np.isfinite(moved)
    return np.where(nominal, other.nominal_theta, moved)
