"""Precision: where the digits of llh and gradient go, at the current point."""

import streamlit as st

from amijax.ui import bits_of_parameter, links, precision_panels, precision_summary
from amijax.ui.digit_view import most_different
from amijax.ui.opening import evaluated
from amijax.ui.page import begin
from amijax.ui.precision import study_of

context = begin("Precision")
if result := evaluated(context, "Where the digits go:"):
    summary = st.container()
    with st.expander("The bits of one parameter", key="bits_of_parameter"):
        st.caption("Flip a bit: the point moves, and this page is computed for the new one.")
        first = most_different(result.comparisons)
        bits_of_parameter.draw(context, key="bits_of_one", first=first)
    study, complete = study_of(context, result)
    if study:
        with summary:
            precision_summary.summary(study, context.precision)
        at = precision_panels.state_of(study, context.problem)
        precision_panels.budget(study, at)
        precision_panels.truth(study, context.precision, at)
        precision_panels.bits(study, at)
        precision_panels.tolerances(study, at)
        precision_panels.work(study, at)
        precision_panels.curvature(study, at)
        if complete:
            precision_panels.tell(study)
links.draw(context, "precision")
