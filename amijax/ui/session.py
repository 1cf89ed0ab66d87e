"""What one browser session has chosen: problem, theta, seed; shared by all pages."""

from __future__ import annotations

import uuid
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from amijax.background import OneAtATime
from amijax.problems import Problem
from amijax.problems.scale_choice import ScaleChoice
from amijax.scales import FloatArray
from amijax.sharing.links import LessonView
from amijax.sharing.snapshots import Snapshot

_KEY = "amijax_session"


@dataclass
class Session:
    """The state behind all pages of one browser session.

    Attributes:
        name: the name of the problem that theta belongs to, as the sidebar lists it.
        page: the page that was opened last, empty before the first one.
        drawn: the page whose sidebar was drawn last.
        uploads: key of each uploaded problem, by its name in the sidebar.
        theta: the current point, all of it usable, on the PEtab scale.
        base: the point that the parameter table's cells start from.
        version: changes when the table must forget its edits.
        seed: of the latest random point.
        notes: sentences about the latest paste.
        baseline: the point that a what-if starts from.
        baseline_name: what it is.
        snapshots: states kept under a name, of any problem.
        asked: query of an address that came in, until its problem is open.
        link_notes: sentences about the latest link.
        pending: query of a link to an upload that is not here yet.
        owner: what tells this session's work from that of others in a queue.
        unrepaired: the name of the problem whose repair is switched off, until another is open.
        scales: what scales of theta were asked for, by the name of a PEtab v2 problem.
        simulations: what this session waits for.
        lesson: where in the lesson, and how it is shown.
        lesson_problem: the problem that the sidebar showed when the lesson was drawn last.
        guesses: predictions made in the lesson, by what they are about.
    """

    name: str = ""
    page: str = ""
    drawn: str = ""
    uploads: dict[str, str] = field(default_factory=dict)
    theta: FloatArray = field(default_factory=lambda: np.zeros(0))
    base: FloatArray = field(default_factory=lambda: np.zeros(0))
    version: int = 0
    seed: int = 0
    notes: tuple[str, ...] = ()
    baseline: FloatArray = field(default_factory=lambda: np.zeros(0))
    baseline_name: str = "nominal"
    snapshots: list[Snapshot] = field(default_factory=list)
    asked: dict[str, str] | None = None
    link_notes: tuple[str, ...] = ()
    pending: dict[str, str] | None = None
    lesson: LessonView = field(default_factory=LessonView)
    lesson_problem: str = ""
    guesses: dict[Hashable, int | None] = field(default_factory=dict)
    unrepaired: str = ""
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    scales: dict[str, ScaleChoice] = field(default_factory=dict)
    simulations: OneAtATime = field(default_factory=lambda: OneAtATime("amijax session"))

    def open(self, problem: Problem, name: str) -> None:
        """Start at a problem's nominal point, unless it is open already under that name."""
        if self.name != name:
            self.name = name
            self.unrepaired = name if self.unrepaired == name else ""
            self.move_to(problem.nominal_theta)
            self.start_from(problem.nominal_theta, "nominal")
            self.seed = 0

    def ask_for_scales(self, name: str, choice: ScaleChoice | None) -> None:
        """Let a problem have other scales of theta; None for its default ones.

        Args:
            name: the problem's, as the sidebar lists it.
            choice: what is asked for.
        """
        self.scales.pop(name, None)
        if choice:
            self.scales[name] = choice

    def move_to(self, theta: FloatArray, notes: tuple[str, ...] = ()) -> None:
        """Set all of theta; the parameter table starts afresh from there."""
        self.theta = np.array(theta)
        self.base = np.array(theta)
        self.version += 1
        self.notes = notes
        self.link_notes = ()

    def add_upload(self, problem_id: str, key: str) -> str:
        """List an uploaded problem; returns its name in the sidebar."""
        name = f"{problem_id} (upload {key[:6]})"
        self.uploads[name] = key
        return name

    def forget_link(self) -> None:
        """Give up on a link to an upload."""
        self.pending = None

    def start_from(self, theta: FloatArray, name: str) -> None:
        """Take a point as the baseline of what-ifs."""
        self.baseline = np.array(theta)
        self.baseline_name = name


def start_at(key: str, value: object) -> None:
    """Give a widget that all pages have its first value, in the place of a default.

    Streamlit warns of a widget that has both a default and a value of the session. It is drawn
    with `persist_state="session"`, to keep its value while it is not drawn.
    """
    if key not in st.session_state:
        st.session_state[key] = value


def carry_over(keys: tuple[str, ...]) -> None:
    """Give the widgets of a page that is drawn for the first time the values of the last page.

    Each page's widgets are Streamlit's own: without this they may start afresh, although the
    session still has the values.
    """
    for key in keys:
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def current() -> Session:
    """The session of the browser that this script run belongs to."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Session()
    session: Session = st.session_state[_KEY]
    return session
