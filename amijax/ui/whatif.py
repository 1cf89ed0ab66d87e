"""The what-if page's state: baseline, sliders, and what changes with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from amijax.auto import Settled, settle
from amijax.models.lookup import CompiledModel, DamagedModelError
from amijax.objective import AmiciObjective
from amijax.problems import Problem, ProblemError
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.ui.cluster import cluster_errors
from amijax.ui.context import Context
from amijax.ui.memo import point, remembered
from amijax.ui.resources import objective_for, simulator_for
from amijax.ui.results import number
from amijax.whatif.prediction import Prediction, foretold, predict_step
from amijax.whatif.slices import most_influential, slice_range
from amijax.whatif.trajectories import TrajectorySimulator

_MOST_SLIDERS = 6
# A step is analysed at every change where its evaluations take less than this altogether.
_PROMPT = 0.3  # seconds
_STEP_EVALUATIONS = 50


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


def sliders(context: Context, whatif: WhatIf) -> None:
    """Up to six sliders within bounds."""
    session, problem = context.session, context.problem
    gradient = whatif.baseline.evaluation.gradient
    assert gradient is not None
    default = [
        problem.parameter_ids[i]
        for i in most_influential(problem, session.baseline, gradient, _MOST_SLIDERS)
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back to baseline", key="to_baseline", icon=":material/undo:",
            on_click=session.move_to, args=(session.baseline,),
        )  # fmt: skip
        st.button(
            "Make this the baseline", key="set_baseline", icon=":material/flag:",
            help="Changes, predictions and the curves drawn behind are then relative to here.",
            on_click=lambda: session.start_from(session.theta, "an earlier point"),
        )  # fmt: skip
    chosen = st.multiselect(
        "Sliders", problem.parameter_ids, default=default, key=f"sliders_{session.name}",
        max_selections=_MOST_SLIDERS,
        help="At first the parameters that move llh most for a tenth of a decade (or of the "
        "value, on linear scale).",
    )  # fmt: skip
    for name in chosen:
        _slider(context, problem, problem.parameter_ids.index(name))


def _slider(context: Context, problem: Problem, i: int) -> None:
    session = context.session
    name = problem.parameter_ids[i]
    key = f"slider_{session.name}_{name}"
    value = float(session.theta[i])
    lower, upper = slice_range(problem, session.theta, i)
    lower, upper = min(lower, value), max(upper, value)
    if lower == upper:
        st.caption(f"{name} has no room between its bounds.")
        return

    def moved() -> None:
        theta = session.theta.copy()
        theta[i] = min(max(st.session_state[key], lower), upper)  # its last step may overshoot
        session.move_to(theta)

    st.session_state[key] = value
    scale = problem.scales[i]
    st.slider(
        f"{name} ({scale})" if scale != "lin" else name, lower, upper, key=key,
        step=(upper - lower) / 1000, format="%.4g", on_change=moved,
        help=f"{problem.parameter_names[i]}. Baseline {session.baseline[i]:.6g}, nominal "
        f"{problem.nominal_theta[i]:.6g}, on its {scale} scale.",
    )  # fmt: skip


def metrics(context: Context, whatif: WhatIf) -> None:
    """Llh before and after, and what the gradient foretold."""
    columns = st.columns(4)
    columns[0].metric(
        "llh now", number(whatif.now.llh, 9),
        help="Without sensitivities: the solver's steps differ from those of the first page, "
        "which computes the gradient as well, and so does llh, in about the 8th digit.",
    )  # fmt: skip
    columns[1].metric(f"llh at the baseline ({context.session.baseline_name})",
                      number(whatif.before.llh, 9))  # fmt: skip
    columns[2].metric("Change", _signed(whatif.actual))
    columns[3].metric(
        "Foretold by the gradient",
        _signed(whatif.predicted),
        help="Gradient at the baseline · step",
    )


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
