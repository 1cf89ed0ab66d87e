"""What if: change a parameter, and see what the model, llh and the gradient's prediction do."""

import streamlit as st

from amijax.ui import links, parameters, sharing, snapshots, whatif, whatif_views
from amijax.ui.compile_panel import compiled_model
from amijax.ui.page import begin

VIEWS = ("Trajectories", "Prediction", "Slices", "Shares of llh", "Snapshots", "Export")

context = begin("What if")
st.markdown(f"#### What if: {context.problem.problem_id}")
summary = st.container()
left, right = st.columns([1, 2.4], gap="medium")
with left:
    sliders = st.container()
    with st.expander("All parameters", key="all_parameters"):
        parameters.edit(context.session, context.problem)
with right:
    model = compiled_model(context.problem)
    found = whatif.open_whatif(context, model) if model else None
if found:
    with sliders:
        whatif.sliders(context, found)
    with summary:
        whatif.metrics(context, found)
        whatif.verdict(found)
    with right:
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, key="whatif_view",
            label_visibility="collapsed",
        )  # fmt: skip
        if view == "Trajectories":
            whatif_views.trajectories(context, found)
        elif view == "Prediction":
            whatif_views.step(context, found)
        elif view == "Slices":
            whatif_views.slices(context, found)
        elif view == "Shares of llh":
            whatif_views.shares(found)
        elif view == "Snapshots":
            snapshots.show(context, found)
        else:
            sharing.show(context, found)
links.draw(context, "whatif")
