"""Audit: llh and gradient at the current point held against witnesses that are not AMICI."""

import streamlit as st

from amijax.ui import audit, evaluation, failure, links, trust
from amijax.ui.compile_panel import compiled_model
from amijax.ui.page import begin

context = begin("Audit")
st.markdown(f"#### Is it right? {context.problem.problem_id}")
model = compiled_model(context.problem)
result = evaluation.evaluate(context, model) if model else None
if result and result.settled.evaluation.failure:
    failure.show(context, result, result.comparisons["float64"])
elif result:
    evaluation.describe_point(context, result)
    trust.show(context, result.settled.objective, context.session.theta)
    audit.page(result, context.session.theta)
links.draw(context, "audit")
