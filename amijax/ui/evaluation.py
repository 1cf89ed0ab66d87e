"""The comparison at the session's point, computed once per point and kept for toggles."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from amijax.auto import Settled, settle
from amijax.comparison import Comparison, compare
from amijax.diagnosis import Diagnosis, diagnose
from amijax.models.lookup import CompiledModel, DamagedModelError
from amijax.precisions import PRECISIONS, Precision
from amijax.problems import Problem, ProblemError
from amijax.ui import links
from amijax.ui.context import Context
from amijax.ui.memo import latest, point, remembered
from amijax.ui.resources import objective_for

_SLOW = 1.0  # seconds of AMICI's for a gradient


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

    at = point(context.problem, context.choice, theta)
    # What is drawn meanwhile takes one place, as nothing does afterwards: all that follows would be
    # made anew in the browser where it moves by a place.
    meanwhile = st.empty()

    def computed() -> Result:
        with meanwhile.container():
            return _computed(context, model, at, run_jax)

    try:
        result = remembered("result", (at, run_jax), computed)
    except (DamagedModelError, ProblemError) as error:
        meanwhile.error(str(error))
        return None
    meanwhile.empty()
    return result


def _computed(context: Context, model: CompiledModel, at: Hashable, run_jax: bool) -> Result:
    """Simulate, and say meanwhile what of: each sentence is where a newer edit ends this run.

    What is finished by then is remembered, for a rerun at the same point.
    """
    theta, run = context.session.theta, context.session.simulations.run
    objective = objective_for(context.problem, model)
    status, first = st.empty(), st.empty()

    def say(what: str) -> None:
        status.caption(f":material/hourglass_top: At these parameters: {what} …")

    def inside(precision: Precision) -> Comparison:
        return run(
            lambda check: compare(
                settled.objective, theta, precision,
                amici=settled.evaluation, run_jax=run_jax, check=check,
            ),
            lambda: say(f"llh and gradient, AMICI inside JAX in {precision}"),
        )  # fmt: skip

    with st.spinner("Simulating", show_time=True):
        say("llh and gradient, AMICI")
        if (before := latest("settled")) is not None and _is_slow(before, context.problem):
            value = run(
                partial(before.objective.evaluate_unless, theta, False), lambda: say("llh, AMICI")
            )
            if value.failure is None:
                first.metric(
                    "llh, AMICI, without sensitivities", f"{value.llh:.9g}",
                    help="The gradient takes longer. With it, the solver takes other steps.",
                )  # fmt: skip
        settled = remembered(
            "settled",
            at,
            lambda: run(
                lambda check: settle(objective, theta, context.choice, check=check),
                lambda: say("gradient, AMICI"),
            ),
        )
        comparisons = {}
        for precision in sorted(PRECISIONS, key=lambda each: each != context.precision):
            if run_jax:
                say(f"llh and gradient, AMICI inside JAX in {precision}")
            comparisons[precision] = remembered(
                f"comparison_{precision}", (at, run_jax), partial(inside, precision)
            )
        say("what is left")
        diagnosis = diagnose(settled.objective, theta) if settled.evaluation.failure else None
    status.empty()
    first.empty()
    return Result({each: comparisons[each] for each in PRECISIONS}, settled, diagnosis)


def _is_slow(before: Settled, problem: Problem) -> bool:
    """Whether a person waits for a problem's gradient long enough to want llh first."""
    evaluation = before.evaluation
    return (
        before.objective.problem is problem
        and evaluation.failure is None
        and evaluation.cpu_seconds > _SLOW
    )


def describe_point(context: Context, result: Result) -> None:
    """Where other pages than the first are: at which point, with which solver settings."""
    nominal = context.problem.nominal_theta
    moved = int((context.session.theta != nominal).sum())
    where = "nominal parameters" if not moved else f"{moved} of {len(nominal)} parameters changed"
    st.caption(
        f"At the first page's point ({where}), with {result.settled.evaluation.solver}. Edit "
        "parameters there, tolerances in the sidebar."
    )
