"""Instructive points: a problem, parameters, settings, and what to look at there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from amijax.precisions import Precision
from amijax.problems.problem import Problem
from amijax.sharing.links import State, number_text, precision_and_solver
from amijax.simulation.settings import SolverChoice

_FILE = "presets.json"


@dataclass(frozen=True)
class Preset:
    """An instructive point.

    Attributes:
        preset_id: its name in the data file.
        title: what it is called on a page.
        problem: id of the problem.
        theta: the parameters that differ from nominal, on the PEtab scale.
        precision: what JAX computes in.
        choice: what is asked of the solver.
        look_at: what there is to see, true when it is computed.
        repair: whether the problem's model is repaired where AMICI would be wrong.
    """

    preset_id: str
    title: str
    problem: str
    theta: dict[str, float]
    precision: Precision
    choice: SolverChoice
    look_at: str
    repair: bool = True

    @property
    def query(self) -> dict[str, str]:
        """The preset as an address's query parameters; the problem need not be open for it."""
        pairs = ",".join(f"{name}:{number_text(value)}" for name, value in self.theta.items())
        query = {"problem": self.problem, **({"theta": pairs} if pairs else {})}
        if not self.repair:
            query["repair"] = "false"
        return query | precision_and_solver(self.precision, self.choice)

    def state(self, problem: Problem) -> State:
        """The preset as a state, of which there is a link.

        Args:
            problem: the preset's one, opened.

        Raises:
            ProblemError: a parameter of the preset is none of the problem.
        """
        return State(
            problem=self.problem,
            theta=problem.theta_from(self.theta),
            precision=self.precision,
            choice=self.choice,
            repair=self.repair,
        )


@cache
def list_presets() -> tuple[Preset, ...]:
    """All presets that come with the package."""
    rows: list[dict[str, Any]] = json.loads((files("amijax.sharing") / _FILE).read_text("utf-8"))
    presets = []
    for row in rows:
        choice, complaints = SolverChoice.read(row.pop("settings"))
        assert not complaints, complaints
        presets.append(Preset(choice=choice, **row))
    return tuple(presets)


def presets_for(problem_id: str) -> tuple[Preset, ...]:
    """The presets to offer beside a problem: its own, then the first of each other problem."""
    own = [preset for preset in list_presets() if preset.problem == problem_id]
    others: dict[str, Preset] = {}
    for preset in list_presets():
        if preset.problem != problem_id:
            others.setdefault(preset.problem, preset)
    return (*own, *others.values())
