"""The what-if page's state: baseline and current point, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from amijax.auto import Settled, settle
from amijax.digits import digits
from amijax.models.lookup import CompiledModel, DamagedModelError
from amijax.objective import AmiciObjective
from amijax.problems import ProblemError
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.ui import numbers
from amijax.ui.cluster import cluster_errors
from amijax.ui.context import Context
from amijax.ui.memo import point, remembered
from amijax.ui.resources import objective_for, simulator_for
from amijax.ui.results import number
from amijax.whatif.prediction import Prediction, foretold, predict_step
from amijax.whatif.trajectories import TrajectorySimulator

# A step is analysed at every change where its evaluations take less than this altogether.
_PROMPT = 0.3  # seconds
_STEP_EVALUATIONS = 50
_FEW_DIGITS = 6.0  # fewer digits of llh than on the page


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What the page shows of a baseline and the current point.

    Attributes:
        objective: the problem with the settings that work at the baseline.
        simulator: of time courses.
        baseline: llh and gradient where the step starts, with those settings.
        theta: the current point.
        now: llh there, without sensitivities.
        before: likewise, at the baseline.
    """

    objective: AmiciObjective
    simulator: TrajectorySimulator
    baseline: Settled
    theta: FloatArray
    now: Evaluation
    before: Evaluation

    @property
    def predicted(self) -> float:
        """What the baseline's gradient foretells of the change in llh."""
        return float(foretold(self.baseline.evaluation, self.theta).sum())

    @property
    def actual(self) -> float:
        """The change in llh."""
        return self.now.llh - self.before.llh

    @property
    def is_prompt(self) -> bool:
        """Whether the step can be analysed while somebody waits."""
        # AMICI's own time: the first call of all takes longer than its simulation.
        one = min(self.now.cpu_seconds, self.before.cpu_seconds)
        return one * _STEP_EVALUATIONS < _PROMPT


def open_whatif(context: Context, model: CompiledModel) -> WhatIf | None:
    """Evaluate baseline and current point; where there is no baseline, say why."""
    session = context.session
    try:
        objective = objective_for(context.problem, model)
    except (DamagedModelError, ProblemError) as error:
        st.error(str(error))
        return None
    settled = _baseline(objective, context)
    if settled.evaluation.failure is not None:
        st.error(
            f"The baseline ({session.baseline_name}) can't be simulated. "
            f"{settled.evaluation.failure}"
        )
        if session.baseline_name != "nominal":
            st.button(
                "Take nominal as baseline", key="baseline_reset",
                on_click=session.start_from, args=(context.problem.nominal_theta, "nominal"),
            )  # fmt: skip
        return None
    theta = session.theta.copy()
    tried = settled.objective
    try:
        simulator = simulator_for(tried)
    except ProblemError as error:
        st.error(str(error))
        return None
    return WhatIf(
        objective=tried,
        simulator=simulator,
        baseline=settled,
        theta=theta,
        now=_llh(tried, theta),
        before=_llh(tried, session.baseline),
    )


def _baseline(objective: AmiciObjective, context: Context) -> Settled:
    """Llh and gradient at the baseline, computed once and kept in the session."""
    baseline, choice = context.session.baseline, context.choice

    def computed() -> Settled:
        with st.spinner("Evaluating the baseline", show_time=True):
            return settle(objective, baseline, choice)

    return remembered("baseline", point(context.problem, choice, baseline), computed)


def _llh(objective: AmiciObjective, theta: FloatArray) -> Evaluation:
    """Llh without sensitivities; the latest few points are remembered."""
    at = point(objective.problem, objective.solver, theta)
    return remembered("llh", at, lambda: objective.evaluate(theta, gradient=False), latest=8)


def metrics(context: Context, whatif: WhatIf) -> None:
    """Llh before and after, and what the gradient foretold."""
    with numbers.row():
        numbers.figure("llh now", number(whatif.now.llh, 9), help=_WITHOUT)
        numbers.figure(
            f"llh at the baseline ({context.session.baseline_name})",
            number(whatif.before.llh, 9),
            help=f"{_WITHOUT} {_with_sensitivities(whatif)}",
        )
        numbers.figure("Change", _signed(whatif.actual), help="Of llh, from the baseline to now")
        numbers.figure(
            "Foretold by the gradient", _signed(whatif.predicted),
            help="Gradient at the baseline · step",
        )  # fmt: skip


_WITHOUT = "Log-likelihood, simulated without sensitivities: AMICI's fastest way."


def _with_sensitivities(whatif: WhatIf) -> str:
    other, here = whatif.baseline.evaluation.llh, whatif.before.llh
    if other == here:
        return "With sensitivities, as on the first page, it is the same to the last bit."
    return (
        f"With sensitivities, as on the first page, it is {number(other, 9)}: the solver takes "
        f"other steps. The two differ by {abs(other - here) / abs(other):.1e}, relative."
    )


def disagreement(whatif: WhatIf) -> None:
    """Warn where llh itself depends on whether sensitivities are simulated."""
    other, here = whatif.baseline.evaluation.llh, whatif.before.llh
    agreed = float(digits(other, here))
    if not agreed < _FEW_DIGITS:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"llh at the baseline is {number(here, 9)} without and {number(other, 9)} with "
            f"sensitivities (the first page): they agree in {agreed:.1f} digits only. At these "
            f"tolerances ({whatif.objective.solver}) no more of llh is settled, and smaller "
            "changes mean nothing.",
            icon=":material/warning:",
        )
        st.page_link("pages/audit.py", label="Which one is right?", icon=":material/fact_check:")


def prediction(whatif: WhatIf) -> Prediction:
    """The analysis of the step, kept until either end moves."""
    evaluation = whatif.baseline.evaluation
    at = point(whatif.objective.problem, evaluation.solver, evaluation.theta, whatif.theta)
    with cluster_errors():
        return remembered(
            "prediction", at, lambda: predict_step(whatif.objective, evaluation, whatif.theta)
        )


def verdict(whatif: WhatIf) -> None:
    """How prediction and fact compare, in a sentence."""
    if whatif.now.failure is not None:
        st.error(f"There is no likelihood at this point. {whatif.now.failure}")
        return
    if np.array_equal(whatif.theta, whatif.baseline.evaluation.theta) or not whatif.is_prompt:
        return
    step = prediction(whatif)
    show = {"nonlinear": st.warning, "noise": st.warning, "gradient": st.warning}
    show.get(step.verdict, st.caption)(step.text)


def _signed(value: float) -> str:
    return f"{value:+.4g}" if np.isfinite(value) else "—"
