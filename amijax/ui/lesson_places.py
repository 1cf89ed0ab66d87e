"""Where a step of the lesson is told: its exemplar, or the session's problem and point."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from amijax.lesson import Exemplar, Here
from amijax.models.lookup import DamagedModelError
from amijax.problems import Problem, ProblemError
from amijax.scales import FloatArray
from amijax.sharing.links import LinkError, State, link_query
from amijax.simulation.settings import SolverChoice
from amijax.ui import resources
from amijax.ui.compile_panel import compiled_model
from amijax.ui.context import Context
from amijax.ui.memo import point, remembered

_KEPT = 8  # points


@dataclass(frozen=True, eq=False)
class Place:
    """A problem at a point, before it is evaluated.

    Attributes:
        name: of the problem, as the sidebar lists it.
        problem: the open one.
        theta: the point on the PEtab scale.
        choice: what is asked of the solver.
        is_own: whether it is the session's.
    """

    name: str
    problem: Problem
    theta: FloatArray
    choice: SolverChoice
    is_own: bool

    @property
    def key(self) -> Hashable:
        """What tells places apart."""
        return point(self.problem, self.choice, self.theta)

    @property
    def words(self) -> str:
        """Where it is, as a sentence."""
        moved = np.flatnonzero(self.theta != self.problem.nominal_theta)
        where = "at the nominal parameters"
        if moved.size:
            named = ", ".join(
                f"`{self.problem.parameter_ids[i]}` = {self.theta[i]:.6g}" for i in moved[:3]
            )
            more = f" and {moved.size - 3} more" if moved.size > 3 else ""
            where = f"with {named}{more} changed from nominal"
        repair = "" if self.problem.repair else ", amijax's repair of the model switched off"
        return f"{self.problem.problem_id}, {where}{repair}"

    @property
    def query(self) -> dict[str, str]:
        """Query parameters of the place for links to other pages."""
        state = State(self.name, self.theta, choice=self.choice, repair=self.problem.repair)
        try:
            return link_query(state, self.problem)
        except LinkError:
            return {"problem": self.name}

    def moved(self, theta: FloatArray) -> Place:
        """The same at another point."""
        return replace(self, theta=theta)


def place_of(context: Context, exemplar: Exemplar | None) -> Place:
    """Where an exemplar is, or the session where there is none.

    Raises:
        ProblemError: the exemplar's problem can't be opened.
    """
    if exemplar is None:
        session = context.session
        return Place(session.name, context.problem, session.theta.copy(), context.choice, True)
    problem = resources.problem_for(exemplar.problem, exemplar.repair)
    theta = problem.theta_from(dict(exemplar.theta))
    return Place(exemplar.problem, problem, theta, exemplar.settings, False)


def here_at(place: Place) -> Here | None:
    """Evaluate a place; where its model is not compiled yet, draw that instead."""
    model = compiled_model(place.problem)
    if model is None:
        return None
    try:
        objective = resources.objective_for(place.problem, model)
    except (DamagedModelError, ProblemError) as error:
        st.error(str(error))
        return None

    def computed() -> Here:
        with st.spinner("Simulating", show_time=True):
            return Here.at(objective, place.theta, place.choice)

    here = remembered("lesson_here", place.key, computed, latest=_KEPT)
    if here.failure is not None:
        st.error(str(here.failure))
        return None
    return here
