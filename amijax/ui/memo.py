"""What was computed for a point, kept in the browser session until other points take its place."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from amijax.problems import Problem
from amijax.scales import FloatArray
from amijax.simulation.settings import SolverChoice, SolverSettings


def point(
    problem: Problem,
    solver: SolverSettings | SolverChoice,
    *thetas: FloatArray,
    view: tuple[Hashable, ...] = (),
) -> Hashable:
    """What tells points apart: two are the same if every bit of theta and all else is.

    Args:
        problem: an open one.
        solver: the settings, or what is asked of them.
        thetas: the point, or points; each of shape (n_parameters,).
        view: what else the result depends on.
    """
    return (problem, solver, *(theta.tobytes() for theta in thetas), view)


def remembered[T](name: str, at: Hashable, compute: Callable[[], T], *, latest: int = 1) -> T:
    """What `compute` gave at a point, computed if it is not remembered.

    Args:
        name: what is computed.
        at: from `point`.
        compute: called without arguments; where it raises, nothing is remembered.
        latest: for how many points a result is kept.
    """
    results: dict[Hashable, T] = _results(name)
    if at not in results:
        result = compute()
        while len(results) >= latest:
            del results[next(iter(results))]
        results[at] = result
    return results[at]


def is_remembered(name: str, at: Hashable) -> bool:
    """Whether `remembered` will not compute."""
    return at in _results(name)


def latest(name: str) -> Any:
    """What was computed last under a name, for whichever point; None if there is nothing."""
    results = _results(name)
    return results[next(reversed(results))] if results else None


def _results(name: str) -> dict[Hashable, Any]:
    results: dict[Hashable, Any] = st.session_state.setdefault(f"amijax_latest_{name}", {})
    return results
