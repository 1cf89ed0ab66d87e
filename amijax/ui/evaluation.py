"""The comparison at the session's point, computed once per point and kept for toggles."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from amijax.auto import Settled, settle
from amijax.comparison import Comparison, compare_precisions
from amijax.diagnosis import Diagnosis, diagnose
from amijax.models.lookup import CompiledModel, DamagedModelError
from amijax.precisions import Precision
from amijax.problems import ProblemError
from amijax.ui import links
from amijax.ui.context import Context
from amijax.ui.memo import point, remembered
from amijax.ui.resources import objective_for


@dataclass(frozen=True, eq=False)
class Result:
    """What the page shows of a point.

    Attributes:
        comparisons: in both precisions.
        settled: the solver settings that were found, and those that failed before.
        diagnosis: what is behind a failure of AMICI, None if there is none.
    """

    comparisons: dict[Precision, Comparison]
    settled: Settled
    diagnosis: Diagnosis | None


def evaluate(context: Context, model: CompiledModel, run_jax: bool = True) -> Result | None:
    """Compare at the current point in both precisions, so that switching between them is instant.

    Where AMICI can't express the problem, say so and return None.

    Args:
        context: the page's.
        model: of its problem.
        run_jax: whether JAX's side is wanted; slow problems do without.
    """
    theta = context.session.theta
    links.keep(context)  # before what may take long: a reload meanwhile comes back to this point

    def computed() -> Result:
        objective = objective_for(context.problem, model)
        with st.spinner("Simulating", show_time=True):
            settled = settle(objective, theta, context.choice)
            comparisons = compare_precisions(
                settled.objective, theta, amici=settled.evaluation, run_jax=run_jax
            )
            diagnosis = diagnose(settled.objective, theta) if settled.evaluation.failure else None
        return Result(comparisons, settled, diagnosis)

    try:
        at = point(context.problem, context.choice, theta, view=(run_jax,))
        return remembered("result", at, computed)
    except (DamagedModelError, ProblemError) as error:
        st.error(str(error))
        return None


def describe_point(context: Context, result: Result) -> None:
    """Where other pages than the first are: at which point, with which solver settings."""
    nominal = context.problem.nominal_theta
    moved = int((context.session.theta != nominal).sum())
    where = "nominal parameters" if not moved else f"{moved} of {len(nominal)} parameters changed"
    st.caption(
        f"At the first page's point ({where}), with {result.settled.evaluation.solver}. Edit "
        "parameters there, tolerances in the sidebar."
    )
