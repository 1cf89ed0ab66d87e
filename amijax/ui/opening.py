"""What the pages begin with that study the first page's point: evaluate it, say where it is."""

from __future__ import annotations

import streamlit as st

from amijax.ui import evaluation, failure, trust, tuning
from amijax.ui.compile_panel import compiled_model
from amijax.ui.context import Context
from amijax.ui.evaluation import Result


def evaluated(context: Context, heading: str) -> Result | None:
    """Draw the heading and what is to be known of the point; return what was evaluated there.

    Where there is nothing to study, say why and return None.

    Args:
        context: the page's.
        heading: what the page asks; the problem's id follows.
    """
    st.markdown(f"#### {heading} {context.problem.problem_id}")
    model = compiled_model(context.problem)
    result = evaluation.evaluate(context, model) if model else None
    if result is None:
        return None
    if result.settled.evaluation.failure:
        failure.show(context, result, result.comparisons["float64"])
        return None
    evaluation.describe_point(context, result)
    trust.show(context, result.settled.objective, context.session.theta)
    tuning.panel(context, result)
    return result
