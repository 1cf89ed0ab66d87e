"""The parameter table: values on their PEtab scale, editable in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from amijax.html_tables import Column, Number, Row, needed_width
from amijax.problems import Problem
from amijax.problems.points import on_bounds, random_theta, read_text, read_value
from amijax.ui import html_tables, scales
from amijax.ui.markdown import plain
from amijax.ui.session import Session

# A chart beside the table has rows as high (amijax/figures/gradient.py).
ROW_HEIGHT = 35
HEADER_HEIGHT = 37
AMICI_ONLY = "amici_only"
_VALUE, _RESET = "value", "reset"
_PASTE = "paste"
_ON_BOUND = "●"
_NAMED = 4  # parameters that are named; of more only the number is said
# Of the grid's 14 px text, which is drawn: no style sheet reaches it.
_DIGIT = 7.1
_LETTER = 6.7
_CELL_PADDING = 19
_PENCIL = 22  # the mark of a column that can be edited
_PHONE = 324  # what a phone has room for
_WIDEST_VALUE = 210  # of 26 digits


@dataclass(frozen=True)
class Details:
    """The small table beside the parameter table."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def width(self) -> int:
        """Pixels that it takes without the parameters' ids."""
        return needed_width(self.columns, self.rows, with_titles=False)

    def draw(self) -> None:
        """Draw it; where it stands below the table, with the parameters' ids."""
        html_tables.draw("details", "parameter", self.columns, self.rows, cards=False)


def edit(session: Session, problem: Problem) -> None:
    """Buttons, table, details and sentences together, for pages that have no places for them."""
    order = tuple(range(problem.n_parameters))
    with st.container(horizontal=True, vertical_alignment="center"):
        buttons(session, problem)
    complaints = edit_table(session, problem, order, with_names=True)
    details(session, problem, order).draw()
    notes(session, problem, complaints)


def edit_table(
    session: Session, problem: Problem, order: tuple[int, ...], *, with_names: bool = False
) -> list[str]:
    """Draw the table; set `session.theta` to what it says.

    Args:
        session: of the browser.
        problem: the open one.
        order: positions of the parameters from top to bottom.
        with_names: whether the parameters' names have a column, where nothing else shows them.

    Returns:
        Sentences about cells that can't be used.
    """
    key = f"parameters_{session.name}_{session.version}"
    if key not in st.session_state:
        session.base = session.theta.copy()  # edits made before another page was visited
    edited = _edited_rows(key)
    complaints = _apply_edits(session, problem, order, edited)
    table = _table(session, problem, order, with_names)
    typed = [text or "" for text in edited.values()]
    st.data_editor(
        table,
        key=key,
        num_rows="fixed",
        disabled=[column for column in table.columns if column != _VALUE],
        height=len(table) * ROW_HEIGHT + HEADER_HEIGHT,
        row_height=ROW_HEIGHT,
        alt="Parameters of the problem: value on the parameter's scale, and name",
        column_config=_columns(session, problem, key, table, typed, order),
    )
    return complaints


def notes(session: Session, problem: Problem, complaints: list[str]) -> None:
    """Sentences about the table, below it, where they move nothing."""
    for note in session.notes:
        st.warning(note)
    for complaint in complaints:
        st.warning(complaint + " The last usable value is simulated instead.")
    moved = session.theta != problem.nominal_theta
    if moved.any():
        text = f"{int(moved.sum())} of {problem.n_parameters} parameters differ from nominal"
        named = [
            f"{problem.parameter_ids[i]} (nominal {problem.nominal_theta[i]:.8g})"
            for i in np.flatnonzero(moved)[:_NAMED]
        ]
        text += f": {', '.join(named)}{', …' if moved.sum() > _NAMED else ''}."
    elif complaints:
        text = "All parameters that are simulated are at their nominal values."
    else:
        text = "All parameters are at their nominal values. Double-click a value to change it."
    at = np.flatnonzero(on_bounds(problem, session.theta))
    if at.size:
        named = [problem.parameter_ids[i] for i in at[:_NAMED]]
        more = ", …" if at.size > _NAMED else ""
        sit = "sits" if at.size == 1 else "sit"
        text += f" {at.size} {sit} on a bound ({_ON_BOUND}): {', '.join(named)}{more}."
    st.caption(plain(text))


def _edited_rows(key: str) -> dict[int, str | None]:
    """What was typed into the value column, by row."""
    state = st.session_state.get(key)
    return {
        int(row): text
        for row, cells in (state["edited_rows"] if state else {}).items()
        for column, text in cells.items()
        if column == _VALUE
    }


def _apply_edits(
    session: Session,
    problem: Problem,
    order: tuple[int, ...],
    edited: dict[int, str | None],
) -> list[str]:
    """Set theta to base with the usable edits; return sentences about the others.

    A cell that can't be used leaves its parameter at the last usable value.
    """
    theta, complaints = session.base.copy(), []
    for row, text in edited.items():
        i = order[row]
        read = read_value(problem, problem.parameter_ids[i], text)
        if isinstance(read, str):
            complaints.append(read)
            theta[i] = session.theta[i]
        else:
            theta[i] = read
    session.theta = theta
    return complaints


def _table(
    session: Session, problem: Problem, order: tuple[int, ...], with_names: bool
) -> pd.DataFrame:
    changed = session.theta != problem.nominal_theta
    one_scale = len(set(problem.scales)) == 1
    columns: dict[str, Any] = {
        _VALUE: [f"{session.base[i]:.8g}" for i in order],
        # Of one type even if all are empty: the editor forgets its edits when a type changes.
        _RESET: pd.array(
            [":material/undo:" if changed[i] else None for i in order], dtype="string"
        ),
    }
    if not one_scale:
        columns["scale"] = [problem.scales[i] for i in order]
    if with_names and problem.parameter_names != problem.parameter_ids:
        columns["name"] = [problem.parameter_names[i] for i in order]
    ids = [problem.parameter_ids[i] for i in order]
    return pd.DataFrame(columns, index=pd.Index(ids, name="parameter"))


def details(session: Session, problem: Problem, order: tuple[int, ...]) -> Details:
    """What stands beside the table's rows: linear values and bounds, uncut at any width."""
    linear, on_bound = problem.linear(session.theta), on_bounds(problem, session.theta)
    columns = (
        Column("linear", "The parameter's value as it enters the model"),
        Column(
            "bounds",
            f"Between which values it may lie, on its scale. {_ON_BOUND}: it sits on that bound.",
        ),
    )
    rows = tuple(
        Row(
            problem.parameter_ids[i],
            (
                Number(linear[i], f"{linear[i]:.6g}"),
                f"{_ON_BOUND if on_bound[i] < 0 else ''}{problem.lower_theta[i]:.4g} … "
                f"{problem.upper_theta[i]:.4g}{_ON_BOUND if on_bound[i] > 0 else ''}",
            ),
        )
        for i in order
    )
    return Details(columns, rows)


def _columns(
    session: Session,
    problem: Problem,
    key: str,
    table: pd.DataFrame,
    typed: list[str],
    order: tuple[int, ...],
) -> dict[str, Any]:
    """Columns as wide as what is in them; the name takes what is left of the table's width."""

    def reset_one() -> None:
        i = order[st.session_state[f"{key}_reset"]["row"]]
        theta = session.theta.copy()
        theta[i] = problem.nominal_theta[i]
        session.move_to(theta)

    text = st.column_config.TextColumn
    value = _VALUE if "scale" in table else f"{_VALUE} ({problem.scales[0]})"
    value_width = max(_width("", [*table[_VALUE], *typed]), _width(value, []) + _PENCIL)
    value_width = min(value_width, _WIDEST_VALUE)  # whatever was typed
    first = _width(table.index.name, table.index, _LETTER + 0.3)
    return {
        # Rather an id without its end than a number without its last digits.
        "parameter": text(
            "parameter", pinned=True, disabled=True, width=min(first, _PHONE - value_width)
        ),
        _VALUE: text(
            value,
            width=value_width,
            alignment="right",
            help="theta: the value on the scale on which the parameter is estimated. Double-click "
            "to change it.",
        ),
        _RESET: st.column_config.ButtonColumn(
            "↺",
            width=34,
            type="tertiary",
            on_click=reset_one,
            key=f"{key}_reset",
            help="Back to nominal, the value that the problem comes with",
        ),
        "scale": text(
            "scale",
            width=58,
            help="PEtab's parameterScale"
            if problem.petab_version == "1"
            else "The scale of theta that was chosen, since PEtab v2 has none",
        ),
        "name": text("name", help="What the parameter is, from the problem's own table"),
    }


def _width(title: str, texts: Iterable[str], character: float = _DIGIT) -> int:
    """Pixels that a column's title and the longest of its texts take."""
    longest = max((len(str(text)) for text in texts), default=0)
    return int(max(longest * character, len(title) * _LETTER) + _CELL_PADDING)


def buttons(session: Session, problem: Problem) -> None:
    """Points to go to: nominal, random, pasted."""

    def draw() -> None:
        session.seed += 1
        session.move_to(random_theta(problem, session.seed))

    st.button(
        "Nominal",
        key="nominal",
        icon=":material/restart_alt:",
        help="All parameters back to their nominal values",
        on_click=session.move_to,
        args=(problem.nominal_theta,),
    )
    st.button(
        "Random",
        key="random",
        icon=":material/casino:",
        on_click=draw,
        help="A point drawn uniformly within the bounds, on the parameters' scales. The seed "
        "counts up from 1, so the same clicks give the same points.",
    )
    with st.popover("Paste", icon=":material/content_paste:", key=_PASTE, on_change="rerun"):
        _paste_form(session, problem)
    scales.choose(session, problem)
    if session.seed and np.array_equal(session.theta, random_theta(problem, session.seed)):
        st.caption(f"seed {session.seed}", width="content")


def amici_only() -> bool:
    """Whether JAX's side is left out."""
    return st.toggle(
        "AMICI only",
        key=AMICI_ONLY,
        persist_state="session",
        help="Leaves out JAX's side, which takes one more simulation in each precision. For slow "
        "problems.",
    )


def _paste_form(session: Session, problem: Problem) -> None:
    st.markdown(
        "Lines such as `k_phos 4.2`, a JSON object, all values in the table's order, or a PEtab "
        "parameter table (its nominal values are linear)."
    )
    st.text_area("Parameters", key="paste_text", height=160, label_visibility="collapsed")
    linear = st.radio(
        "The values are",
        ["on the parameters' scales", "linear"],
        key="paste_scale",
        horizontal=True,
    )

    def apply() -> None:
        st.session_state[_PASTE] = False  # it would hide what the values lead to
        reading = read_text(problem, st.session_state["paste_text"], linear=linear == "linear")
        session.move_to(problem.theta_from(reading.values, base=session.theta), reading.complaints)

    st.button("Apply", key="paste_apply", type="primary", on_click=apply)
