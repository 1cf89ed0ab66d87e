"""The comparison at the session's point, computed once per point and kept for toggles."""

from __future__ import annotations

import streamlit as st

from amijax.comparison import Comparison, Precision, compare_precisions
from amijax.models import CompiledModel
from amijax.problems import Problem, ProblemError
from amijax.ui.resources import objective_for
from amijax.ui.session import Session

_KEY = "amijax_comparisons"


def evaluate(
    session: Session, problem: Problem, model: CompiledModel
) -> dict[Precision, Comparison] | None:
    """Compare at the current point in both precisions, so that switching between them is instant.

    Where AMICI can't express the problem, say so and return None.
    """
    point = (model.key, session.solver, session.theta.tobytes())
    known = st.session_state.get(_KEY)
    if known is None or known[0] != point:
        try:
            objective = objective_for(problem, model, session.solver)
        except ProblemError as error:
            st.error(str(error))
            return None
        with st.spinner("Simulating", show_time=True):
            known = (point, compare_precisions(objective, session.theta))
        st.session_state[_KEY] = known
    return known[1]
