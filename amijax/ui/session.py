"""What one browser session has chosen: problem, theta, seed; shared by all pages."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from amijax.problems import Problem
from amijax.scales import FloatArray
from amijax.sharing.snapshots import Snapshot

_KEY = "amijax_session"


@dataclass
class Session:
    """The state behind all pages of one browser session.

    Attributes:
        name: the name of the problem that theta belongs to, as the sidebar lists it.
        address: the problem that the page's address named last.
        uploads: key of each uploaded problem, by its name in the sidebar.
        theta: the current point, all of it usable, on the PEtab scale.
        base: the point that the parameter table's cells start from.
        version: changes when the table must forget its edits.
        seed: of the latest random point.
        notes: sentences about the latest paste.
        baseline: the point that a what-if starts from.
        baseline_name: what it is.
        snapshots: states kept under a name, of any problem.
        is_new: whether no page of it was shown yet.
        unknown_problem: whether the address has just named a problem that is not known.
        link_notes: sentences about the latest link.
        pending: query of a link to an upload that is not here yet.
    """

    name: str = ""
    address: str | None = None
    uploads: dict[str, str] = field(default_factory=dict)
    theta: FloatArray = field(default_factory=lambda: np.zeros(0))
    base: FloatArray = field(default_factory=lambda: np.zeros(0))
    version: int = 0
    seed: int = 0
    notes: tuple[str, ...] = ()
    baseline: FloatArray = field(default_factory=lambda: np.zeros(0))
    baseline_name: str = "nominal"
    snapshots: list[Snapshot] = field(default_factory=list)
    is_new: bool = True
    unknown_problem: bool = False
    link_notes: tuple[str, ...] = ()
    pending: dict[str, str] | None = None

    def open(self, problem: Problem, name: str) -> None:
        """Start at a problem's nominal point, unless it is open already under that name."""
        if self.name != name:
            self.name = name
            self.move_to(problem.nominal_theta)
            self.start_from(problem.nominal_theta, "nominal")
            self.seed = 0

    def move_to(self, theta: FloatArray, notes: tuple[str, ...] = ()) -> None:
        """Set all of theta; the parameter table starts afresh from there."""
        self.theta = np.array(theta)
        self.base = np.array(theta)
        self.version += 1
        self.notes = notes
        self.link_notes = ()

    def forget_link(self) -> None:
        """Give up on a link to an upload."""
        self.pending = None

    def start_from(self, theta: FloatArray, name: str) -> None:
        """Take a point as the baseline of what-ifs."""
        self.baseline = np.array(theta)
        self.baseline_name = name


def current() -> Session:
    """The session of the browser that this script run belongs to."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Session()
    session: Session = st.session_state[_KEY]
    return session
