"""What is to be seen in each step of the lesson: figures and tables of its result."""

from __future__ import annotations

from typing import Any

import streamlit as st

from amijax.figures import (
    accuracy_figure,
    gradient_figure,
    prediction_figure,
    terms_figure,
    tight_figure,
    tolerances_figure,
    trajectories_figure,
)
from amijax.html_tables import Column, Row
from amijax.lesson import Here, Result, Table
from amijax.lesson.accuracy import Accuracy
from amijax.lesson.cancellation import Cancellation
from amijax.lesson.gradient_step import GradientStep
from amijax.lesson.one_number import OneNumber
from amijax.lesson.signs import Signs
from amijax.lesson.tight import Tight
from amijax.lesson.two_precisions import TwoPrecisions
from amijax.lesson.work import Work
from amijax.ui import digit_view, html_tables, lesson_style

_MOST_PANELS = 3
_TALL = 640
_MANY_ROWS = 17


def table(name: str, content: Table) -> None:
    """Draw a step's table; one with many rows scrolls."""
    columns = [
        Column(title, explanation)
        for title, explanation in zip(content.columns, content.help, strict=True)
    ]
    rows = [Row(row[0], row[1:], strong=row[0] in content.strong) for row in content.rows]
    with st.container(height=_TALL if len(rows) > _MANY_ROWS else "content", border=False):
        html_tables.draw(name, content.corner, columns, rows)


def before(number: int, here: Here, projector: bool) -> None:
    """What a step shows before its question is answered."""
    if number != 1:
        return
    from amijax.lesson.one_number import courses_of

    courses = courses_of(here, here.theta)
    figure = trajectories_figure(courses, None, courses.measured[:_MOST_PANELS])
    _draw(figure, "before", "Time courses and measurements", projector)


def see(name: str, result: Result, projector: bool) -> None:
    """Draw a result.

    Args:
        name: tells several on a page apart.
        result: of any step.
        projector: whether in large type.
    """
    if isinstance(result, TwoPrecisions):
        _digits(name, result)
    for key, figure, alt in _figures(result):
        _draw(figure, f"{name}_{key}", alt, projector)


def _digits(name: str, result: TwoPrecisions) -> None:
    """One entry digit by digit, at first the one that loses most."""
    ids = result.float64.parameter_ids
    entry = st.selectbox(
        "Digit by digit", ["llh", *ids], index=result.weakest + 1, width=420,
        key=f"lesson_entry_{name}_{result.float64.problem_id}",
    )  # fmt: skip
    digit_view.draw(result.stack(entry))


def _figures(result: Result) -> list[tuple[str, Any, str]]:
    if isinstance(result, OneNumber):
        figure = trajectories_figure(
            result.moved_courses, result.courses, result.courses.measured[:_MOST_PANELS],
            names=("after the step", "before"),
        )  # fmt: skip
        return [("courses", figure, "Time courses before and after the step")]
    if isinstance(result, TwoPrecisions):
        return [("gradient", _gradient(result), "Gradient in both precisions")]
    if isinstance(result, Cancellation):
        if result.terms is None:
            return []
        figure = terms_figure(result.terms, result.parameter)
        return [("terms", figure, "What each measurement adds to the gradient entry")]
    if isinstance(result, Accuracy):
        return [("digits", accuracy_figure(result), "Digits of agreement and of accuracy")]
    if isinstance(result, Work) and result.sweep is not None:
        figure = tolerances_figure(result.sweep, "median")
        return [("work", figure, "Error and time against rtol")]
    if isinstance(result, Tight):
        return [("tight", tight_figure(result), "Distance from AMICI's tightest value and witness")]
    if isinstance(result, Signs):
        return [("signs", _gradient(result.both), "Gradient in both precisions")]
    if isinstance(result, GradientStep):
        return [("step", prediction_figure(result.prediction), "llh along the step")]
    return []


def _gradient(both: TwoPrecisions) -> Any:
    comparisons = {"float32": both.float32, "float64": both.float64}
    return gradient_figure(comparisons, "float32")  # type: ignore[arg-type]


def _draw(figure: Any, key: str, alt: str, projector: bool) -> None:
    if projector:
        lesson_style.enlarge(figure)
    height = int(figure.layout.height)
    with st.container(height=_TALL if height > 2 * _TALL else "content", border=False):
        st.plotly_chart(
            figure, key=f"lesson_{key}", height=height, alt=alt,
            config={"displaylogo": False, "displayModeBar": False},
        )  # fmt: skip
