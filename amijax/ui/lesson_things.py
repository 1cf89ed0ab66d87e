"""The one thing to do in a step of the lesson, and where a step leads to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from amijax.lesson import Here, Question, Step
from amijax.lesson.gradient_step import LENGTH, LENGTHS, ask_about, follow, step_end
from amijax.lesson.here import OnProgress, silent
from amijax.lesson.two_precisions import compute as compare_both
from amijax.ui.bit_view import bit_view
from amijax.ui.context import Context
from amijax.ui.lesson_places import Place, here_at
from amijax.ui.memo import point, remembered

_KEPT = 16  # questions
BELOW = (4,)  # steps whose thing to do is long and stands at the end


@dataclass(frozen=True, eq=False)
class Asked:
    """A step's question with what was done in it.

    Attributes:
        here: where.
        question: what is asked.
        compute: the result.
        variant: tells questions at the same point apart.
    """

    here: Here
    question: Question
    compute: Callable[[Here, OnProgress], Any]
    variant: Hashable = None


def asked_at(step: Step, place: Place, here: Here) -> Asked | None:
    """Draw what there is to do in a step, and return its question; None if there can't be one."""
    if step.number == 4:
        return _with_a_change(step, place, here)
    if step.number == 9:
        length = st.segmented_control(
            "Length of the step, on the parameters' scales", LENGTHS, default=LENGTH,
            required=True, format_func=lambda x: f"{x:g}", key="lesson_length",
        )  # fmt: skip
        question = ask_about(here, length)
        return Asked(here, question, partial(_follow, length=length), length)
    return _asked(step, here)


def _follow(here: Here, on_progress: OnProgress, *, length: float) -> Any:
    return follow(here, length, on_progress)


def _with_a_change(step: Step, place: Place, here: Here) -> Asked | None:
    """A parameter and its bits: the question is asked anew wherever it is moved."""
    problem = place.problem
    ids = problem.parameter_ids
    name = st.selectbox(
        "Parameter to change", ids, index=_weakest(here), width=420,
        key=f"lesson_parameter_{place.name}",
    )  # fmt: skip
    i = ids.index(name)
    kept = f"lesson_theta_{place.name}_{name}_{float(place.theta[i])!r}"
    value = float(st.session_state.get(kept, place.theta[i]))
    lower, upper = (float(bound[i]) for bound in (problem.lower_theta, problem.upper_theta))
    changed = bit_view(
        value, key=f"lesson_bits_{name}", lower=min(lower, value), upper=max(upper, value)
    )
    if changed != value:
        st.session_state[kept] = changed
        st.rerun()
    if value == place.theta[i]:
        return _asked(step, here)
    st.button(
        f"Back to {place.theta[i]:.6g}", key="lesson_unchanged", icon=":material/undo:",
        on_click=st.session_state.__delitem__, args=(kept,),
    )  # fmt: skip
    theta = place.theta.copy()
    theta[i] = value
    moved = here_at(place.moved(theta))
    return None if moved is None else _asked(step, moved)


def _asked(step: Step, here: Here) -> Asked:
    """A step's question, which may take a simulation or two, kept for the next run."""
    at = point(here.problem, here.objective.solver, here.theta, view=(step.number,))
    question = remembered("lesson_question", at, lambda: step.ask(here), latest=_KEPT)
    return Asked(here, question, step.compute)


def _weakest(here: Here) -> int:
    """Position of the parameter whose entry keeps fewest digits in float32."""
    at = point(here.problem, here.objective.solver, here.theta)
    return remembered("lesson_weakest", at, lambda: compare_both(here, silent).weakest)


def links_of(context: Context, step: Step, place: Place) -> None:
    """Where a step goes on: the pages on which its numbers can be worked with."""
    targets = {
        3: ("app.py", "All digits of this point, on the first page"),
        4: ("pages/precision.py", "Curvature foretells every entry: Precision, panel E"),
        5: ("pages/audit.py", "Every witness of this point: Audit"),
        6: ("pages/precision.py", "Each entry against rtol: Precision, panel D"),
        7: ("pages/audit.py", "Every witness of this point: Audit"),
        8: ("pages/precision.py", "Where these digits go: Precision"),
    }
    # Said, so that the place's solver settings are taken as well.
    x64 = {"x64": "true" if context.precision == "float64" else "false"}
    if step.number in targets:
        page, label = targets[step.number]
        st.page_link(
            page, label=label, icon=":material/arrow_outward:", query_params={**place.query, **x64}
        )
    elif step.number == 9 and (here := here_at(place)) is not None:
        length = st.session_state.get("lesson_length", LENGTH)
        end = place.moved(step_end(here, length))
        if place.is_own:  # the page's baseline is nominal otherwise, as is the exemplar's point
            context.session.start_from(place.theta, "the lesson's point")

        st.page_link(
            "pages/whatif.py", label="This step, with its prediction: What if",
            icon=":material/arrow_outward:", query_params={**end.query, **x64},
        )  # fmt: skip
