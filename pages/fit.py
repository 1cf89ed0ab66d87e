"""Fit: from the current point and random ones to the optimum, within the bounds."""

from amijax.ui import fit, links
from amijax.ui.page import begin

context = begin("Fit")
fit.page(context)
links.draw(context, "fit")
