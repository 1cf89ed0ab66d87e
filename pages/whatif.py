"""What if: change a parameter, and see what the model, llh and the gradient's prediction do."""

import streamlit as st

from amijax.ui import links, parameters, sharing, snapshots, style, trust, whatif_views
from amijax.ui.compile_panel import compiled_model
from amijax.ui.page import begin
from amijax.ui.sliders import sliders
from amijax.ui.whatif import disagreement, metrics, open_whatif, verdict

VIEWS = ("Trajectories", "Prediction", "Slices", "Shares of llh", "Snapshots", "Export")

context = begin("What if")
st.markdown(f"#### What if: {context.problem.problem_id}")
figures_slot = st.container(key=style.STAYS)
summary_slot = st.container()
left, right = st.columns([1, 2.4], gap="medium")
with left:
    sliders_slot = st.container()
    with st.expander("All parameters", key="all_parameters"):
        parameters.edit(context.session, context.problem)
with right:
    model = compiled_model(context.problem)
    whatif = open_whatif(context, model) if model else None
if whatif:
    with sliders_slot:
        sliders(context, whatif)
    with figures_slot:
        metrics(context, whatif)
    with summary_slot:
        disagreement(whatif)
        verdict(whatif)
        trust.show(context, whatif.objective, whatif.theta)
    with right:
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, key="whatif_view",
            persist_state="session",
            label_visibility="collapsed", wrap=True,
        )  # fmt: skip
        if view == "Trajectories":
            whatif_views.trajectories(context, whatif)
        elif view == "Prediction":
            whatif_views.step(context, whatif)
        elif view == "Slices":
            whatif_views.slices(context, whatif)
        elif view == "Shares of llh":
            whatif_views.shares(context, whatif)
        elif view == "Snapshots":
            snapshots.show(context, whatif)
        else:
            sharing.show(context, whatif)
links.draw(context, "whatif")
