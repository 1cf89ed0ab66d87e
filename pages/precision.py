"""Precision: where the digits of llh and gradient go, at the current point."""

import streamlit as st

from amijax.ui import evaluation, failure, links, precision_panels, trust
from amijax.ui.compile_panel import compiled_model
from amijax.ui.page import begin
from amijax.ui.precision import study_of

context = begin("Precision")
st.markdown(f"#### Where the digits go: {context.problem.problem_id}")
model = compiled_model(context.problem)
result = evaluation.evaluate(context, model) if model else None
if result and result.settled.evaluation.failure:
    failure.show(context, result, result.comparisons["float64"])
elif result:
    evaluation.describe_point(context, result)
    trust.show(context, result.settled.objective, context.session.theta)
    summary = st.container()
    study, complete = study_of(context, result)
    if study:
        with summary:
            precision_panels.summary(study, context.precision)
        precision_panels.budget(study)
        precision_panels.truth(study, context.precision)
        precision_panels.bits(study)
        precision_panels.tolerances(study)
        precision_panels.curvature(study)
        if complete:
            precision_panels.tell(study)
links.draw(context, "precision")
