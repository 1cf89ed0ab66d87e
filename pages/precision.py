"""Precision: where the digits of llh and gradient go, at the current point."""

import streamlit as st

from amijax.ui import links, precision_panels, precision_summary
from amijax.ui.opening import evaluated
from amijax.ui.page import begin
from amijax.ui.precision import study_of

context = begin("Precision")
if result := evaluated(context, "Where the digits go:"):
    summary = st.container()
    study, complete = study_of(context, result)
    if study:
        with summary:
            precision_summary.summary(study, context.precision)
        at = precision_panels.state_of(study, context.problem)
        precision_panels.budget(study, at)
        precision_panels.truth(study, context.precision, at)
        precision_panels.bits(study, at)
        precision_panels.tolerances(study, at)
        precision_panels.curvature(study, at)
        if complete:
            precision_panels.tell(study)
links.draw(context, "precision")
