"""A model whose repair is switched off, which the page says in red."""

from __future__ import annotations

import streamlit as st

from amijax.models.plan import REPAIR_OFF
from amijax.models.source import model_source
from amijax.problems import Problem, ProblemError
from amijax.ui.markdown import plain
from amijax.ui.session import Session


def banner(session: Session, problem: Problem) -> None:
    """Say that AMICI's own numbers are shown, wrong ones among them; nothing for other problems.

    Args:
        session: of the browser.
        problem: the open one.
    """
    if problem.repair:
        return
    try:
        distrusts = model_source(problem).plan.distrusts
    except ProblemError:
        return  # the page says so in the place of results
    missing = [each.message for each in distrusts if each.code == REPAIR_OFF]
    with st.container(key="repair_off"):
        if missing:
            st.error(
                f"**AMICI's own numbers, wrong ones among them.** {plain(missing[0])}",
                icon=":material/gpp_bad:",
            )
        else:
            st.info("The repair of models is switched off. This model needs none.")
        st.button(
            "Switch the repair on",
            key="repair_on",
            icon=":material/build:",
            on_click=_switch_on,
            args=(session,),
        )


def _switch_on(session: Session) -> None:
    session.unrepaired = ""
