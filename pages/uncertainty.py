"""Uncertainty: which parameters the data determine, how well, and which not at all."""

from amijax.ui import links, uncertainty
from amijax.ui.page import begin

context = begin("Uncertainty")
uncertainty.page(context)
links.draw(context, "uncertainty")
