"""The first page: AMICI against JAX at a point."""

import streamlit as st

from amijax.ui import evaluation, parameters, results
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
    comparisons = evaluation.evaluate(session, problem, model) if model else None
    if comparisons:
        chosen = comparisons[context.precision]
        if chosen.failure:
            results.failed(chosen)
        else:
            results.charts(comparisons, context.precision)
if comparisons:
    with summary:
        results.metrics(comparisons[context.precision])
    results.tables(comparisons[context.precision])
