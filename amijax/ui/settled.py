"""The problem with solver settings that work, for pages that begin long work."""

from __future__ import annotations

import streamlit as st

from amijax.fit.solver import settled_for_fit
from amijax.models.lookup import DamagedModelError
from amijax.objective import AmiciObjective
from amijax.problems import ProblemError
from amijax.ui.compile_panel import compiled_model
from amijax.ui.context import Context
from amijax.ui.memo import point, remembered
from amijax.ui.resources import objective_for


def settled_objective(context: Context, optimizer: str) -> AmiciObjective | None:
    """The problem with solver settings that work at nominal; None after a sentence.

    Args:
        context: the page's.
        optimizer: its name; some need forward sensitivities.
    """
    model = compiled_model(context.problem)
    if model is None:
        return None
    try:
        objective = objective_for(context.problem, model)
    except (DamagedModelError, ProblemError) as error:
        st.error(str(error))
        return None
    at = point(context.problem, context.choice, view=(optimizer,))

    def settled() -> AmiciObjective:
        with st.spinner("Trying the solver's settings", show_time=True):
            return settled_for_fit(objective, context.choice, optimizer)

    return remembered("settled objective", at, settled, latest=3)
