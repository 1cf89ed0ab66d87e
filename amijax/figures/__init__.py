"""Records as plotly figures; plotly is imported nowhere else."""

from amijax.figures.audit import audit_figure as audit_figure
from amijax.figures.exported import web_page as web_page
from amijax.figures.fit import growth_figure as growth_figure
from amijax.figures.fit import points_figure as points_figure
from amijax.figures.fit import progress_figure as progress_figure
from amijax.figures.fit import waterfall_figure as waterfall_figure
from amijax.figures.gradient import SignedScale as SignedScale
from amijax.figures.gradient import gradient_figure as gradient_figure
from amijax.figures.gradient import signed_scale as signed_scale
from amijax.figures.lesson import accuracy_figure as accuracy_figure
from amijax.figures.lesson import terms_figure as terms_figure
from amijax.figures.lesson import tight_figure as tight_figure
from amijax.figures.precision import bits_figure as bits_figure
from amijax.figures.precision import budget_figure as budget_figure
from amijax.figures.precision import curvature_figure as curvature_figure
from amijax.figures.precision import digits_figure as digits_figure
from amijax.figures.precision import tolerances_figure as tolerances_figure
from amijax.figures.slices import prediction_figure as prediction_figure
from amijax.figures.slices import slices_figure as slices_figure
from amijax.figures.trajectories import residuals_figure as residuals_figure
from amijax.figures.trajectories import states_figure as states_figure
from amijax.figures.trajectories import trajectories_figure as trajectories_figure
from amijax.figures.work_precision import work_precision_figure as work_precision_figure
