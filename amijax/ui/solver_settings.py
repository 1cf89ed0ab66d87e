"""The sidebar's solver settings; empty fields and "auto" are left to be found."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from amijax.problems import Problem
from amijax.sharing.links import number_text
from amijax.simulation.settings import (
    ASKED_SENSITIVITIES,
    DEFAULT_TIME_LIMIT,
    OPTIONS,
    SETTERS,
    STEADY_STATES,
    SolverChoice,
    SolverSettings,
)
from amijax.simulation.settings_help import SETTING_HELP
from amijax.ui.session import start_at

_DEFAULTS, _BY_DIGITS, _BY_HAND = "AMICI's defaults", "digits of the gradient", "by hand"
_MODES = (_DEFAULTS, _BY_DIGITS, _BY_HAND)
_MODE = "solver_mode"
_DIGITS = "digits_asked"
_USUAL_DIGITS = 4
_TO_USE = "settings_to_use"  # filled in before the widgets are drawn
_MODE_TO_USE = "solver_mode_to_use"

_FIRST_KEYS = ("rtol", "atol", "max_steps", "time_limit")
_NUMBER_KEYS = (*_FIRST_KEYS, *(key for key in SETTERS if key not in OPTIONS))
_STEADY_KEYS = ("steady_state", "steady_state_sensitivities")
_WORD_KEYS = ("sensitivities", *OPTIONS)
SOLVER_KEYS = (*_NUMBER_KEYS, *_WORD_KEYS)


def choose(problem: Problem) -> tuple[SolverChoice, DeltaGenerator]:
    """Draw the settings, folded; senseless ones get a sentence.

    Returns:
        What they say, and the place for a search for settings.
    """
    if _TO_USE in st.session_state:
        apply_choice(st.session_state.pop(_TO_USE))
    for name in _WORD_KEYS:
        start_at(name, getattr(SolverChoice, name))
    with st.expander("Solver", key="solver"):
        _mode()
        place = st.container()
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
    return choice, place


def asks_for_digits() -> bool:
    """Whether digits of the gradient are asked for, in place of settings."""
    return bool(st.session_state.get(_MODE) == _BY_DIGITS)


def digits_asked() -> int:
    """How many digits are asked for, or would be."""
    return int(st.session_state.get(_DIGITS) or _USUAL_DIGITS)


def use_settings(settings: SolverSettings) -> None:
    """Fill settings in that a search found, when the page is drawn next."""
    st.session_state[_TO_USE] = SolverChoice.of(settings)
    st.session_state[_MODE_TO_USE] = _BY_DIGITS


def _mode() -> None:
    """Draw what is asked in a person's terms: nothing, digits, or settings."""
    if _MODE_TO_USE in st.session_state:
        st.session_state[_MODE] = st.session_state.pop(_MODE_TO_USE)
    elif st.session_state.get(_MODE, _DEFAULTS) == _DEFAULTS:
        st.session_state[_MODE] = _DEFAULTS if _is_default() else _BY_HAND
    st.segmented_control(
        "What is asked", _MODES, key=_MODE, required=True, on_change=_mode_changed, wrap=True,
        persist_state="session",
        help="AMICI's defaults: rtol 1e-8, atol 1e-16, and others where these fail. Digits of the "
        "gradient: the fastest settings that give so many, found by a search. By hand: the fields "
        "below.",
    )  # fmt: skip
    if asks_for_digits():
        start_at(_DIGITS, _USUAL_DIGITS)
        st.number_input(
            "Digits", 1, 10, key=_DIGITS, persist_state="session",
            help="Of the gradient as a whole: -log10 of its relative error in norm. 2 are enough "
            "for a fit's first steps, 4 for its end.",
        )  # fmt: skip


def _mode_changed() -> None:
    if st.session_state[_MODE] == _DEFAULTS:
        apply_choice(SolverChoice())


def _is_default() -> bool:
    numbers = not any(st.session_state.get(key) for key in _NUMBER_KEYS)
    words = all(st.session_state[key] == getattr(SolverChoice, key) for key in _WORD_KEYS)
    return numbers and words


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
