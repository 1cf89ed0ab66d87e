"""Audit: llh and gradient at the current point held against witnesses that are not AMICI."""

from amijax.ui import audit, links
from amijax.ui.opening import evaluated
from amijax.ui.page import begin

context = begin("Audit")
if result := evaluated(context, "Is it right?"):
    audit.page(context, result)
links.draw(context, "audit")
