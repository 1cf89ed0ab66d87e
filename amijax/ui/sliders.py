"""The what-if page's sliders: at first of the parameters that move llh most."""

from __future__ import annotations

from collections.abc import Hashable

import streamlit as st

from amijax.problems import Problem
from amijax.scales import FloatArray
from amijax.ui.context import Context
from amijax.ui.memo import is_remembered, point, remembered
from amijax.ui.whatif import WhatIf
from amijax.whatif.influence import foretold_changes, most_influential, standard_changes
from amijax.whatif.slices import slice_range

_MOST_SLIDERS = 6
_AFFORDABLE = 5.0  # seconds; trying each parameter waits for a click where it takes longer


def sliders(context: Context, whatif: WhatIf) -> None:
    """Up to six sliders within bounds."""
    session, problem = context.session, context.problem
    key = f"sliders_{session.name}"
    strongest, are_tried = strongest_first(whatif)
    default = [problem.parameter_ids[i] for i in strongest[:_MOST_SLIDERS]]
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
        "Sliders", problem.parameter_ids, default=default, key=key,
        max_selections=_MOST_SLIDERS, persist_state="session", wrap=True,
        help="At first the parameters that move llh most when each alone moves by a tenth of a "
        "decade (or of the value, on linear scale), up or down.",
    )  # fmt: skip
    if not are_tried:
        _offer_trying(context, whatif, key)
    for name in chosen:
        _slider(context, problem, problem.parameter_ids.index(name))


def strongest_first(whatif: WhatIf) -> tuple[tuple[int, ...], bool]:
    """Positions of all parameters, those first that move llh most from the baseline; and whether
    that was simulated, rather than foretold by the gradient, since it would take long.
    """
    theta = whatif.baseline.evaluation.theta
    at = _tried_at(whatif)
    if _trying_takes(whatif) < _AFFORDABLE or is_remembered("changes", at):
        return most_influential(_changes(whatif), theta.size), True
    gradient = whatif.baseline.evaluation.gradient
    assert gradient is not None
    problem = whatif.objective.problem
    return most_influential(foretold_changes(problem, theta, gradient), theta.size), False


def _offer_trying(context: Context, whatif: WhatIf, key: str) -> None:
    ids = context.problem.parameter_ids

    def choose() -> None:
        strongest = most_influential(_changes(whatif), _MOST_SLIDERS)
        st.session_state[key] = [ids[i] for i in strongest]

    st.caption(
        "Chosen by the gradient alone, which is close to 0 at an optimum: there, curvature moves "
        "llh."
    )
    st.button(
        f"Try each parameter (about {_trying_takes(whatif):.0f} s)", key="try_parameters",
        on_click=choose,
    )  # fmt: skip


def _changes(whatif: WhatIf) -> FloatArray:
    theta = whatif.baseline.evaluation.theta
    here = whatif.objective.with_executor(None)  # the page opens without a cluster, too
    return remembered("changes", _tried_at(whatif), lambda: standard_changes(here, theta))


def _tried_at(whatif: WhatIf) -> Hashable:
    objective = whatif.objective
    return point(objective.problem, objective.solver, whatif.baseline.evaluation.theta)


def _trying_takes(whatif: WhatIf) -> float:
    """Seconds that it takes to move each parameter by itself, up and down."""
    one = min(whatif.now.cpu_seconds, whatif.before.cpu_seconds)
    return 2 * len(whatif.theta) * one / whatif.objective.batch_threads


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
