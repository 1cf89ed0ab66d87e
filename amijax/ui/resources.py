"""Problems and objectives that all browser sessions share; nobody changes them."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING

import streamlit as st

from amijax.cluster.client import executor_of_setting
from amijax.cores import available_cores
from amijax.models.lookup import CompiledModel
from amijax.paths import dask_scheduler
from amijax.problems import Problem, load_problem
from amijax.problems.bundle import reopen_bundle
from amijax.problems.scale_choice import ScaleChoice

if TYPE_CHECKING:
    from amijax.objective import AmiciObjective
    from amijax.whatif.trajectories import TrajectorySimulator


@st.cache_resource(max_entries=32, show_spinner="Reading the problem")
def problem_for(problem_id: str, repair: bool = True, scales: ScaleChoice | None = None) -> Problem:
    """A problem by its id, its model repaired where AMICI would be wrong, or as it is.

    Raises:
        ProblemError: it can't be opened, or not with these scales.
    """
    return load_problem(problem_id, repair=repair, scales=scales)


@st.cache_resource(max_entries=16, show_spinner="Reading the upload")
def upload_for(key: str, repair: bool = True, scales: ScaleChoice | None = None) -> Problem:
    """An uploaded problem by its key, its model repaired or as it is.

    Raises:
        ProblemError: it is not kept any more, or can't be opened with these scales.
    """
    problem = reopen_bundle(key, scales=scales).problem
    return problem if repair else problem.without_repairs()


@st.cache_resource(max_entries=8, show_spinner="Loading the compiled model")
def _objective(_problem: Problem, _model: CompiledModel, key: str) -> AmiciObjective:  # noqa: ARG001
    from amijax.objective import AmiciObjective  # AMICI, which a page's first table doesn't need

    return AmiciObjective(
        _problem,
        model=_model,
        num_threads=available_cores(),
        executor=executor_of_setting(),
    )


_tokens: weakref.WeakKeyDictionary[Problem, int] = weakref.WeakKeyDictionary()
_count = itertools.count()


def _token(problem: Problem) -> int:
    """A number for each problem that is open: two may share a model and differ in their names."""
    return _tokens.setdefault(problem, next(_count))


def objective_for(problem: Problem, model: CompiledModel) -> AmiciObjective:
    """The objective of a compiled problem, shared by all sessions.

    Raises:
        DamagedModelError: the compiled model was damaged meanwhile.
        ProblemError: AMICI can't express the problem.
    """
    # Another cluster in the setting, which only tests change, is another objective.
    return _objective(problem, model, f"{model.key} {_token(problem)} {dask_scheduler()}")


@st.cache_resource(max_entries=8, show_spinner="Laying out the time courses")
def _simulator(_objective: AmiciObjective, key: str, solver: str) -> TrajectorySimulator:  # noqa: ARG001
    from amijax.whatif.trajectories import TrajectorySimulator

    return TrajectorySimulator(_objective)


def simulator_for(objective: AmiciObjective) -> TrajectorySimulator:
    """The simulator of an objective's time courses, shared by all sessions.

    Raises:
        ProblemError: a noise model is none of PEtab v1.
    """
    key = f"{objective.model.key} {_token(objective.problem)}"
    return _simulator(objective, key, repr(objective.solver))
