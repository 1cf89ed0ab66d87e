"""Problems and objectives that all browser sessions share; nobody changes them."""

from __future__ import annotations

import os

import streamlit as st

from amijax.models import CompiledModel
from amijax.objective import AmiciObjective
from amijax.problems import Problem, load_problem
from amijax.problems.bundle import reopen_bundle


@st.cache_resource(max_entries=32, show_spinner="Reading the problem")
def problem_for(problem_id: str) -> Problem:
    """A problem by its id.

    Raises:
        ProblemError: it can't be opened.
    """
    return load_problem(problem_id)


@st.cache_resource(max_entries=16, show_spinner="Reading the upload")
def upload_for(key: str) -> Problem:
    """An uploaded problem by its key.

    Raises:
        ProblemError: it is not kept any more.
    """
    return reopen_bundle(key).problem


@st.cache_resource(max_entries=8, show_spinner="Loading the compiled model")
def _objective(_problem: Problem, _model: CompiledModel, key: str) -> AmiciObjective:  # noqa: ARG001
    return AmiciObjective(_problem, model=_model, num_threads=os.process_cpu_count() or 1)


def objective_for(problem: Problem, model: CompiledModel) -> AmiciObjective:
    """The objective of a compiled problem, shared by all sessions.

    Raises:
        DamagedModelError: the compiled model was damaged meanwhile.
        ProblemError: AMICI can't express the problem.
    """
    return _objective(problem, model, model.key)
