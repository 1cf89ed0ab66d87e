"""What ends the lesson: three exercises with their answers, and the instructive points."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import streamlit as st

from amijax.lesson import EXERCISES, STEPS, Exercise, Here, Solution
from amijax.sharing.presets import list_presets
from amijax.ui.context import Context
from amijax.ui.lesson_places import Place, here_at
from amijax.ui.markdown import plain, sentence
from amijax.ui.memo import point, remembered
from amijax.ui.session import Session


def exercises(context: Context, place: Place) -> None:
    """Three exercises; an answer is computed when it is asked for."""
    st.markdown("#### Exercises")
    here = here_at(place)
    if here is None:
        return
    for i, exercise in enumerate(EXERCISES):
        st.markdown(f"**{i + 1}. {exercise.title}.** {exercise.task}")
        key = point(here.problem, here.objective.solver, here.theta, view=("exercise", i))
        if key not in context.session.guesses:
            st.button(
                "Answer", key=f"lesson_answer_{i}", icon=":material/visibility:",
                on_click=context.session.guesses.__setitem__, args=(key, None),
            )  # fmt: skip
            continue
        solution = _solved(exercise, here, i, key)
        st.info(sentence(solution.text))
        if solution.theta is not None:
            query = {**place.moved(solution.theta).query, "x64": "false"}
            st.page_link(
                "app.py", label="That point, in float32", icon=":material/arrow_outward:",
                query_params=query,
            )  # fmt: skip


def contents(session: Session) -> None:
    """All steps by name, to go to."""
    with st.expander("All steps", icon=":material/list:", key="lesson_contents"):
        for step in STEPS:
            st.button(
                f"{step.number} · {step.title} ({step.minutes} minutes)",
                key=f"lesson_go_{step.number}", type="tertiary",
                on_click=_go, args=(session, step.number),
            )  # fmt: skip


def _go(session: Session, number: int) -> None:
    session.lesson = replace(session.lesson, step=number)


def presets() -> None:
    """Instructive points, each with a link."""
    with st.expander("Instructive points", icon=":material/lightbulb:", key="lesson_presets"):
        for preset in list_presets():
            st.page_link(
                "app.py", label=f"{preset.title} ({preset.problem})",
                icon=":material/arrow_outward:", query_params={"x64": "true", **preset.query},
            )  # fmt: skip
            st.caption(plain(preset.look_at))


def _solved(exercise: Exercise, here: Here, i: int, key: Hashable) -> Solution:
    def computed() -> Solution:
        bar = st.progress(0.0, "Computing")

        def on_progress(what: str, done: int, total: int) -> None:
            bar.progress(min(done / max(total, 1), 1.0), f"Computing: {what}")

        solution = exercise.solve(here, on_progress)
        bar.empty()
        return solution

    return remembered(f"lesson_exercise_{i}", key, computed, latest=4)
