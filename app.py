"""The first page: AMICI against JAX at a point."""

import streamlit as st

from amijax.ui import links, parameters
from amijax.ui.compile_panel import compiled_model
from amijax.ui.page import begin

context = begin("AMICI against JAX")
session, problem = context.session, context.problem

st.markdown(f"#### {problem.problem_id}")
summary = st.container()
left, right = st.columns(2, gap="medium")
with left:
    parameters.edit(session, problem)
with right:
    model = compiled_model(problem)
    result = None
    if model:
        # AMICI, JAX and Plotly, which take longer to import than the table to appear.
        from amijax.ui import audit, evaluation, failure, results, trust

        result = evaluation.evaluate(context, model)
    if result:
        chosen = result.comparisons[context.precision]
        failure.settings_used(result)
        if chosen.failure:
            failure.show(context, result, chosen)
        else:
            results.charts(result.comparisons, context.precision)
if result:
    with summary:
        results.metrics(chosen)
        trust.show(context, result.settled.objective, chosen.theta)
        if not chosen.failure:
            audit.line(result, chosen)
    results.prior(problem, chosen)
    results.tables(result.comparisons, context.precision)
links.draw(context, "")
