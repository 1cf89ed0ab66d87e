"""The sidebar's solver settings; empty fields and "auto" are left to be found."""

from __future__ import annotations

from typing import Any

import streamlit as st

from amijax.problems import Problem
from amijax.sharing.links import number_text
from amijax.simulation.settings import (
    ASKED_SENSITIVITIES,
    DEFAULT_TIME_LIMIT,
    OPTIONS,
    SETTERS,
    STEADY_STATES,
    SolverChoice,
)
from amijax.simulation.settings_help import SETTING_HELP
from amijax.ui.session import start_at

_FIRST_KEYS = ("rtol", "atol", "max_steps", "time_limit")
_NUMBER_KEYS = (*_FIRST_KEYS, *(key for key in SETTERS if key not in OPTIONS))
_STEADY_KEYS = ("steady_state", "steady_state_sensitivities")
_WORD_KEYS = ("sensitivities", *OPTIONS)
SOLVER_KEYS = (*_NUMBER_KEYS, *_WORD_KEYS)


def choose(problem: Problem) -> SolverChoice:
    """Draw the settings, folded, and return what they say; senseless ones get a sentence."""
    for name in _WORD_KEYS:
        start_at(name, getattr(SolverChoice, name))
    with st.expander("Solver", key="solver"):
        asked: dict[str, Any] = _numbers()
        asked["sensitivities"] = st.segmented_control(
            "Sensitivities",
            ASKED_SENSITIVITIES,
            required=True,
            key="sensitivities",
            persist_state="session",
            help="How AMICI computes the gradient. auto: both are timed once per problem; the "
            "faster one is used if their gradients agree.",
        )
        has_steady_states = _has_steady_states(problem)
        if has_steady_states:
            asked |= _steady_state()
        with st.expander("More settings", key="more_solver_settings"):
            asked |= _more(has_steady_states)
        st.button("Back to auto", key="solver_reset", on_click=apply_choice, args=(SolverChoice(),))
        st.caption("SUNDIALS CVODES through AMICI, on the PEtab scale, for both sides alike.")
        choice, complaints = SolverChoice.read(asked)
        for complaint in complaints:
            st.warning(complaint)
    if complaints:
        st.caption(":material/warning: A solver setting can't be used; auto is used instead.")
    return choice


def apply_choice(choice: SolverChoice) -> None:
    """Fill the settings in; for callbacks, which run before the widgets are drawn."""
    for key in _NUMBER_KEYS:
        value = getattr(choice, key)
        default = getattr(SolverChoice, key)
        st.session_state[key] = "" if value == default else number_text(value)
    for key in _WORD_KEYS:
        st.session_state[key] = getattr(choice, key)


def _numbers() -> dict[str, str]:
    fields = (
        (
            "rtol", "rtol", "auto",
            "Relative tolerance. AMICI's default is 1e-8.",
        ),
        (
            "atol", "atol", "auto",
            "Absolute tolerance. AMICI's default is 1e-16. auto tries larger ones until the "
            "simulation works; larger ones make the gradient less accurate.",
        ),
        (
            "max_steps", "max steps", "auto",
            "Solver steps between two outputs. AMICI's default is 10 000.",
        ),
        (
            "time_limit", "time limit, s", f"{DEFAULT_TIME_LIMIT:g}",
            "For one simulation (one condition), for each try.",
        ),
    )  # fmt: skip
    columns = st.columns(2)
    return {
        key: columns[i % 2].text_input(
            label, key=key, placeholder=placeholder, persist_state="session", help=explanation
        )
        for i, (key, label, placeholder, explanation) in enumerate(fields)
    }


def _more(has_steady_states: bool) -> dict[str, Any]:
    """The rarer settings; those of steady states where there are any."""
    st.caption(
        "Empty fields and first choices are AMICI's defaults. What helps one model can harm "
        "another: look at the gradient's digits and at the time."
    )
    shown = [key for key in SETTERS if has_steady_states or "steady_state" not in key]
    asked: dict[str, Any] = {}
    for key in (key for key in shown if key in OPTIONS):
        asked[key] = st.selectbox(
            SETTING_HELP[key].label.capitalize(), OPTIONS[key], key=key, persist_state="session",
            help=SETTING_HELP[key].text,
        )  # fmt: skip
    columns = st.columns(2)
    for i, key in enumerate(key for key in shown if key not in OPTIONS):
        asked[key] = columns[i % 2].text_input(
            SETTING_HELP[key].label, key=key, placeholder=SETTING_HELP[key].default,
            persist_state="session", help=SETTING_HELP[key].text,
        )  # fmt: skip
    return asked


def _has_steady_states(problem: Problem) -> bool:
    return "preequilibrationConditionId" in problem.simulation_conditions


def _steady_state() -> dict[str, Any]:
    labels = {
        "newtonOnly": "Newton's method",
        "integrationOnly": "integration",
        "integrateIfNewtonFails": "Newton, else integration",
    }
    titles = ("Steady state by", "Its sensitivities by")
    return {
        key: st.selectbox(
            title, STEADY_STATES, key=key, format_func=labels.__getitem__,
            persist_state="session",
        )
        for key, title in zip(_STEADY_KEYS, titles, strict=True)
    }  # fmt: skip
