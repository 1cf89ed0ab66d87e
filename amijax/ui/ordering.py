"""In which order the first page lists parameters; fixed until another is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from amijax.problems import Problem
from amijax.ui.session import Session

if TYPE_CHECKING:
    from amijax.comparison import Comparison  # JAX, for which the table doesn't wait

LISTED, BY_DIFFERENCE, BY_SIZE = "as listed", "relative difference", "size of the gradient"
_CHOICES = (LISTED, BY_DIFFERENCE, BY_SIZE)
_KEY = "order"
_MANY = 10  # parameters from which on it is worth a button to find the worst
_STORED, _SEEN = "amijax_order", "amijax_order_seen"


def positions(session: Session, problem: Problem) -> tuple[int, ...]:
    """Positions of the parameters from top to bottom."""
    name, order = st.session_state.get(_STORED, ("", ()))
    if name == session.name and len(order) == problem.n_parameters:
        return tuple(order)
    return tuple(range(problem.n_parameters))


def remember(session: Session, comparison: Comparison) -> None:
    """Keep what parameters can be ordered by, the latest result."""
    st.session_state[_SEEN] = (session.name, comparison)


def has_seen(session: Session) -> bool:
    """Whether there was a result of the session's problem."""
    name, _ = st.session_state.get(_SEEN, ("", None))
    return bool(name == session.name)


def choose(session: Session, problem: Problem) -> None:
    """Draw the choice. The order does not follow later results, lest rows jump while one types."""
    name, _ = st.session_state.get(_STORED, ("", ()))
    if name != session.name:
        st.session_state[_KEY] = LISTED
    if problem.n_parameters >= _MANY:
        st.button(
            "Worst first",
            key="worst_first",
            icon=":material/vertical_align_top:",
            on_click=_worst_first,
            args=(session, problem),
            help="Brings the gradient entries that differ most to the top",
        )
    st.selectbox(
        "Order",
        _CHOICES,
        key=_KEY,
        label_visibility="collapsed",
        format_func=lambda choice: f"Order: {choice}",
        on_change=_reorder,
        args=(session, problem),
        persist_state="session",
        required=True,
        width=250,
    )


def _worst_first(session: Session, problem: Problem) -> None:
    st.session_state[_KEY] = BY_DIFFERENCE
    _reorder(session, problem)


def _reorder(session: Session, problem: Problem) -> None:
    name, comparison = st.session_state.get(_SEEN, ("", None))
    order: Sequence[int] = range(problem.n_parameters)
    choice = st.session_state[_KEY]
    if choice != LISTED and name == session.name:
        values = (
            comparison.gradient_rel_diff if choice == BY_DIFFERENCE else comparison.gradient_amici
        )
        size = np.nan_to_num(np.abs(values), nan=np.inf)  # what has no value stands first
        order = np.argsort(-size, kind="stable").tolist()
    st.session_state[_STORED] = (session.name, tuple(order))
    session.move_to(session.theta)  # edits are kept by row: the table starts afresh
