"""What a page knows after its first call."""

from __future__ import annotations

from dataclasses import dataclass

from streamlit.delta_generator import DeltaGenerator

from amijax.precisions import Precision
from amijax.problems import Problem
from amijax.simulation.settings import SolverChoice
from amijax.ui.session import Session


@dataclass(frozen=True)
class Context:
    """The session, its problem, and what the sidebar says.

    Attributes:
        session: of the browser.
        problem: the open one.
        precision: JAX's.
        choice: what is asked of the solver.
        about_slot: the place in "About this problem" for what is known once a model is compiled.
        tuning_slot: the place among the solver's settings for a search.
        link_slot: the place in the sidebar for a link to the state, drawn when that is settled.
    """

    session: Session
    problem: Problem
    precision: Precision
    choice: SolverChoice
    about_slot: DeltaGenerator
    tuning_slot: DeltaGenerator
    link_slot: DeltaGenerator
