"""The lesson's page: a step at a time, first a prediction, then the result, then why."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from amijax.lesson import STEPS, Here, Question, Result, Step, places
from amijax.lesson.here import OnProgress
from amijax.problems import ProblemError
from amijax.sharing.links import LessonView
from amijax.ui import lesson_style, lesson_views
from amijax.ui.context import Context
from amijax.ui.lesson_end import contents, exercises, presets
from amijax.ui.lesson_places import Place, here_at, place_of
from amijax.ui.lesson_things import BELOW, Asked, asked_at, links_of
from amijax.ui.markdown import sentence
from amijax.ui.memo import point, remembered
from amijax.ui.session import Session

_KEPT = 16  # results
_LONG = 20.0  # seconds; what takes longer is said beforehand
_BY_KEY = 9  # options or numbers that a key stands for


def show(context: Context) -> None:
    """Draw the lesson where the session is in it."""
    session = context.session
    _follow_sidebar(session)
    view = replace(session.lesson, step=min(session.lesson.step, len(STEPS)))
    session.lesson = view
    step = STEPS[view.step - 1]
    lesson_style.apply(view.projector)
    with st.container(key="lesson"):
        _bar(session, view)
        st.markdown(f"#### {step.number} · {step.title}")
        main, contrast = places(step.number, own=view.own)
        try:
            place = place_of(context, main)
        except ProblemError as error:
            st.error(str(error))
            return
        _say_where(session, context, place, view)
        st.markdown(f":material/touch_app: {step.do}")
        if (here := here_at(place)) is not None:
            question, results = st.container(), st.container()
            # What is changed makes the question anew; a thing that is long stands at the end.
            with st.container() if step.number in BELOW else question:
                asked = asked_at(step, place, here)
            with results:
                result = _predict_see_why(session, step, asked, view, question)
            if contrast is not None and result is not None:
                _contrast(step, place_of(context, contrast), view, result.why)
        _finish(context, step, place, view)
    lesson_style.begin_at_the_top(f"{step.number}")


def _follow_sidebar(session: Session) -> None:
    """Whoever picks another problem beside the lesson wants it told there."""
    if session.lesson_problem and session.lesson_problem != session.name:
        session.lesson = replace(session.lesson, own=True)
    session.lesson_problem = session.name


def _bar(session: Session, view: LessonView) -> None:
    """Back, the steps, and next; the ways to show the lesson."""

    def go(number: int) -> None:
        session.lesson = replace(session.lesson, step=number)

    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lesson_bar"):
        st.button(
            "Back", key="lesson_back", icon=":material/arrow_back:", shortcut="Left",
            disabled=view.step == 1, on_click=go, args=(max(view.step - 1, 1),),
        )  # fmt: skip
        for step in STEPS:
            st.button(
                f"{step.number}", key=f"lesson_step_{step.number}",
                help=f"{step.title} ({step.minutes} minutes)",
                type="primary" if step.number == view.step else "secondary",
                on_click=go, args=(step.number,),
            )  # fmt: skip
        st.button(
            "Next", key="lesson_next", icon=":material/arrow_forward:", shortcut="Right",
            disabled=view.step == len(STEPS), on_click=go,
            args=(min(view.step + 1, len(STEPS)),),
        )  # fmt: skip
        st.button(
            "Back to normal" if view.projector else "Projector", key="lesson_projector",
            icon=":material/tv:", shortcut="P", type="tertiary",
            help="Large type, no sidebar, everything below each other",
            on_click=lambda: setattr(
                session, "lesson", replace(session.lesson, projector=not view.projector)
            ),
        )  # fmt: skip


def _say_where(session: Session, context: Context, place: Place, view: LessonView) -> None:
    """At which problem and point the step is told, and how to tell it at another one."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Computed now, for {sentence(place.words)}.", width="content")
        is_here = place.name == session.name and np.array_equal(place.theta, session.theta)
        if is_here and place.problem.repair and not view.own:
            return
        label = (
            "Tell it with the lesson's own examples"
            if view.own
            else f"Tell it with {context.problem.problem_id}, as in the sidebar"
        )
        st.button(
            label, key="lesson_own", type="tertiary", icon=":material/swap_horiz:",
            help="The address follows: it is a link to this step with this problem and point.",
            on_click=lambda: setattr(
                session, "lesson", replace(session.lesson, own=not view.own)
            ),
        )  # fmt: skip


def _predict_see_why(
    session: Session, step: Step, asked: Asked | None, view: LessonView, place: DeltaGenerator
) -> Result | None:
    """The question and, once it is answered, all that follows; None before.

    Args:
        session: of the browser.
        step: the one in view.
        asked: its question; None where there can't be one.
        view: how the lesson is shown.
        place: of the question.
    """
    if asked is None:
        return None
    key = _key(step, asked)
    with place:
        with st.container(key="lesson_question", border=True):
            st.markdown(f"**Predict.** {sentence(asked.question.text)}")
            if key not in session.guesses:
                _guesses(session, key, asked.question)
                if (seconds := step.foreseen(asked.here)) > _LONG:
                    st.caption(
                        f"The result may take about {seconds:.0f} s here; it is kept on disk."
                    )
        reply = st.container()
    if key not in session.guesses:
        lesson_views.before(step.number, asked.here, view.projector)
        return None
    result = _result(f"{step.number}", key, asked.compute, asked.here)
    with reply:
        _reply(session, key, asked.question, result)
    with st.container(key="lesson_claim"):
        st.markdown(sentence(result.claim))
    st.markdown("**See**")
    tell(f"{step.number}", result, view)
    return result


def tell(name: str, result: Result, view: LessonView, said: tuple[str, ...] = ()) -> None:
    """Draw a result: sentences, figures, why, and the table.

    Args:
        name: tells several on a page apart.
        result: of any step.
        view: how the lesson is shown.
        said: sentences that stand on the page already.
    """
    for line in result.seen:
        st.markdown(f"- {sentence(line)}")
    lesson_views.see(name, result, view.projector)
    if not set(result.why) <= set(said):
        st.markdown("**Why**")
    for line in result.why:
        if line not in said:
            st.markdown(sentence(line))
    if (content := result.table) is not None:
        lesson_views.table(f"lesson_{name}", content)


def _guesses(session: Session, key: Hashable, question: Question) -> None:
    """A button for each prediction; those that a key stands for say so."""

    def guess(answer: int | None) -> None:
        session.guesses[key] = answer

    by_number = not question.options
    with st.container(horizontal=True, gap="small", key="lesson_guesses"):
        for i, text in enumerate(question.guesses()):
            answer = i if question.options else question.lowest + i
            digit = answer if by_number else i + 1
            st.button(
                text, key=f"lesson_guess_{i}",
                on_click=guess, args=(answer,),
                shortcut=str(digit) if not by_number and digit <= _BY_KEY else None,
            )  # fmt: skip
        st.button(
            "Show me", key="lesson_show", type="tertiary", icon=":material/visibility:",
            on_click=guess, args=(None,),
        )  # fmt: skip


def _reply(session: Session, key: Hashable, question: Question, result: Result) -> None:
    """What the prediction was worth, and a way to hide it again."""
    guess = session.guesses[key]
    with st.container(horizontal=True, vertical_alignment="center"):
        if guess is None:
            st.info(f"Answer: {question.said(result.answer)}.")
        else:
            reply = question.check(guess, result.answer)
            show = st.success if reply.is_right else st.info if reply.is_close else st.warning
            show(reply.text)
        st.button(
            "Ask again", key="lesson_again", type="tertiary", icon=":material/replay:",
            on_click=session.guesses.__delitem__, args=(key,),
        )  # fmt: skip


def _result(
    name: str, key: Hashable, compute: Callable[[Here, OnProgress], Result], here: Here
) -> Result:
    """The result, computed now, or remembered where nothing changed since."""

    def computed() -> Result:
        bar = st.progress(0.0, "Computing")

        def on_progress(what: str, done: int, total: int) -> None:
            bar.progress(min(done / max(total, 1), 1.0), f"Computing: {what}")

        with st.spinner("Computing", show_time=True):
            result = compute(here, on_progress)
        bar.empty()
        return result

    return remembered(f"lesson_{name}", key, computed, latest=_KEPT)


def _contrast(step: Step, place: Place, view: LessonView, said: tuple[str, ...]) -> None:
    """The same at another problem, without a question."""
    st.markdown("##### In contrast")
    st.caption(f"Computed now, for {sentence(place.words)}.")
    here = here_at(place)
    if here is None:
        return
    key = point(place.problem, here.objective.solver, place.theta, view=("contrast", step.number))
    result = _result(f"{step.number}_contrast", key, step.compute, here)
    with st.container(key="lesson_contrast_claim"):
        st.markdown(sentence(result.claim))
    tell(f"{step.number}_contrast", result, view, said)


def _finish(context: Context, step: Step, place: Place, view: LessonView) -> None:
    """Where to go from here; at the end the exercises, and everywhere the instructive points."""
    links_of(context, step, place)
    if step is STEPS[-1]:
        exercises(context, place)
    if not view.projector:
        contents(context.session)
        presets()


def _key(step: Step, asked: Asked) -> Hashable:
    here = asked.here
    return point(here.problem, here.objective.solver, here.theta, view=(step.number, asked.variant))
