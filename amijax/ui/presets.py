"""Instructive points on the page: a list to choose from, and going there."""

from __future__ import annotations

import numpy as np
import streamlit as st

from amijax.problems import list_problems
from amijax.sharing.presets import Preset, presets_for
from amijax.ui.context import Context
from amijax.ui.solver_settings import apply_choice

_KEY = "presets"


def choose(context: Context) -> None:
    """Draw the list, folded."""
    with st.popover("Instructive points", icon=":material/school:", key=_KEY, on_change="rerun"):
        for preset in presets_for(context.problem.problem_id):
            own = preset.problem == context.problem.problem_id
            st.button(
                preset.title if own else f"{preset.title} ({preset.problem})",
                key=f"preset_{preset.preset_id}",
                on_click=_go,
                args=(preset, context),
                type="primary" if is_at(preset, context) else "secondary",
            )
            st.caption(preset.look_at + ("" if own else _download_note(preset)))


def is_at(preset: Preset, context: Context) -> bool:
    """Whether the page shows a preset's state."""
    if context.session.name != preset.problem:
        return False
    theta = context.problem.theta_from(preset.theta)
    return (
        bool(np.array_equal(context.session.theta, theta))
        and context.precision == preset.precision
        and context.choice == preset.choice
        and context.problem.repair == preset.repair
    )


def _go(preset: Preset, context: Context) -> None:
    st.session_state[_KEY] = False
    st.session_state["x64"] = preset.precision == "float64"
    apply_choice(preset.choice)
    context.session.unrepaired = "" if preset.repair else preset.problem
    if context.session.name == preset.problem:
        context.session.move_to(context.problem.theta_from(preset.theta))
        return
    # As a link would: the problem is opened, and theta is gone to once it is.
    st.session_state["problem"] = preset.problem
    context.session.asked = preset.query


def _download_note(preset: Preset) -> str:
    here = {info.problem_id: info.is_here for info in list_problems()}
    return "" if here.get(preset.problem) else " The problem is downloaded first."
