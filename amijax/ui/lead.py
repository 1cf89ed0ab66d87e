"""What stands first on the first page: what is compared, how far it agrees, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from amijax.precisions import Precision
from amijax.sharing.presets import list_presets
from amijax.ui.context import Context
from amijax.ui.markdown import plain
from amijax.ui.parameters import AMICI_ONLY
from amijax.ui.presets import is_at

if TYPE_CHECKING:
    from amijax.comparison import Comparison
    from amijax.headline import Step

_ICONS = {
    "precision": ":material/swap_horiz:",
    "parameter": ":material/edit:",
    "nominal": ":material/restart_alt:",
    "run_jax": ":material/play_arrow:",
}
WAITING = (
    "AMICI computes the log-likelihood (llh) of the measurements and its gradient, once alone and "
    "once inside JAX. The comparison stands here as soon as it is computed; parameters can be "
    "edited meanwhile."
)


def draw(context: Context, comparisons: Mapping[Precision, Comparison] | None) -> None:
    """Draw problem, sentences and next steps; without comparisons, what will be compared."""
    st.markdown(f"**{plain(context.problem.problem_id)}**")
    if comparisons is None:
        st.markdown(WAITING)
        return
    from amijax.headline import headline  # JAX, for which the table doesn't wait

    line = headline(context.problem, comparisons, context.precision)
    look_at = [p.look_at for p in list_presets() if is_at(p, context)]
    st.markdown(plain(" ".join([line.compared, line.found])))
    if look_at:
        st.markdown(f":material/lightbulb: {plain(look_at[0])}")
    with st.container(horizontal=True, vertical_alignment="center", key="next_steps"):
        for step in line.steps:
            _step(context, step)


def _step(context: Context, step: Step) -> None:
    if step.kind == "digits":
        st.page_link("pages/precision.py", label=step.text, icon=":material/straighten:")
        return
    st.button(
        step.text,
        key=f"step_{step.kind}",
        icon=_ICONS[step.kind],
        on_click=_take,
        args=(context, step),
    )


def _take(context: Context, step: Step) -> None:
    if step.kind == "precision":
        st.session_state["x64"] = step.precision == "float64"
    elif step.kind == "run_jax":
        st.session_state[AMICI_ONLY] = False
    elif step.parameter is not None and step.value is not None:
        context.session.move_to(
            context.problem.theta_from({step.parameter: step.value}, base=context.session.theta)
        )
    else:
        context.session.move_to(context.problem.nominal_theta)
