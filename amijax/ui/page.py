"""What every page begins with: page set-up, sidebar, the session and its problem."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from amijax._version import __version__
from amijax.background import wait_at_end
from amijax.precisions import Precision
from amijax.problems import Problem
from amijax.ui import links, picker, repair, style
from amijax.ui.context import Context
from amijax.ui.session import carry_over, current, start_at
from amijax.ui.solver_settings import SOLVER_KEYS, choose
from amijax.ui.streamlit_internals import script_threads

_ICON = Path(__file__).with_name("icon.svg")
PAGES = (
    ("app.py", "AMICI against JAX", ":material/compare_arrows:"),
    ("pages/lesson.py", "Lesson", ":material/school:"),
    ("pages/whatif.py", "What if", ":material/tune:"),
    ("pages/fit.py", "Fit", ":material/trending_up:"),
    ("pages/uncertainty.py", "Uncertainty", ":material/query_stats:"),
    ("pages/precision.py", "Precision", ":material/straighten:"),
    ("pages/audit.py", "Audit", ":material/fact_check:"),
    ("pages/collection.py", "Problems", ":material/library_books:"),
    ("pages/glossary.py", "Glossary", ":material/dictionary:"),
    ("pages/about.py", "About", ":material/info:"),
)

_X64_HELP = (
    "Equals `jax_enable_x64`. On: JAX computes in float64. Off: in float32 — theta, the "
    "transformation to linear scale, its derivative, the products and the results. "
    "AMICI itself always works in float64."
)


def begin(title: str) -> Context:
    """Set the page up, draw the sidebar, and open the chosen problem; every page's first call."""
    wait_at_end(script_threads)
    # An own file: every browser would ask a server of Google for one of Streamlit's page icons.
    st.set_page_config(page_title=f"{title} · amijax", page_icon=_ICON, layout="wide")
    style.apply()
    session = current()
    if session.drawn != title:
        carry_over(("problem", "x64", *SOLVER_KEYS))
    links.read_address(session, title)
    start_at("x64", True)
    with st.sidebar:
        st.markdown("### amijax")
        st.caption("AMICI inside JAX, and where the digits go")
        name = picker.pick(session)
        about = st.container()
        x64 = st.toggle("64-bit JAX (x64)", key="x64", persist_state="session", help=_X64_HELP)
        settings = st.container()
        link_slot = st.container()
        st.divider()
        for path, label, icon in PAGES:
            st.page_link(path, label=label, icon=icon)
        st.caption(f"Version {__version__}")
    # Outside the sidebar: a download or a refusal is shown in the page.
    problem = picker.open_picked(session, name)
    session.open(problem, name)
    links.follow(session, problem, name)
    repair.banner(session, problem)
    with about:
        about_slot = _describe(problem)
    with settings:
        choice, tuning_slot = choose(problem)
    precision: Precision = "float64" if x64 else "float32"
    context = Context(session, problem, precision, choice, about_slot, tuning_slot, link_slot)
    session.drawn = title
    links.keep(context, first=True)
    return context


def _describe(problem: Problem) -> DeltaGenerator:
    """What is known of the problem, folded; returns the place for what is known later."""
    st.caption(_size_of(problem))
    notes = problem.warnings
    label = "About this problem" + (f" ({len(notes)} to know)" if notes else "")
    with st.expander(label):
        for note in notes:
            st.warning(str(note))
        later = st.container()
        st.markdown(problem.description or "The model's author left no description.")
        if problem.reference:
            st.markdown(f"[Publication]({problem.reference})")
        if problem.fixed_parameters:
            fixed = ", ".join(f"{k} = {v:g}" for k, v in problem.fixed_parameters.items())
            st.caption(f"Fixed parameters: {fixed}")
    return later


def _size_of(problem: Problem) -> str:
    """A problem's size in words."""
    counts = (
        (problem.n_states, "state"),
        (problem.n_parameters, "parameter"),
        (problem.n_measurements, "measurement"),
        (len(problem.simulation_conditions), "condition"),
    )
    return ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in counts)
