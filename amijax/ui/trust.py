"""What is not to be trusted of the numbers on a page, and what was changed in the model."""

from __future__ import annotations

import streamlit as st

from amijax.models.plan import REPAIR_OFF
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.ui.context import Context


def show(context: Context, objective: AmiciObjective, theta: FloatArray) -> None:
    """Warn beside the numbers of what AMICI computes wrongly; name repairs in the sidebar.

    Args:
        context: the page's, for the place in "About this problem".
        objective: with the settings that produced the numbers.
        theta: where, on the PEtab scale.
    """
    elsewhere = context.problem.warnings  # in the sidebar
    warnings = [w for w in objective.warnings_at(theta) if w not in elsewhere]
    for warning in [w for w in warnings if w.code != REPAIR_OFF]:  # that is on top of the page
        st.warning(f"**Not to be trusted.** {warning.message}", icon=":material/warning:")
    if repairs := objective.repairs:
        with context.about_slot:
            st.markdown("**Changed in the model**, so that AMICI's numbers are right:")
            for repair in repairs:
                st.markdown(f"- {repair.message}")
