"""Searches kept on disk, by model, data, versions and processor; and what a new one will take."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.result_store import ResultStore
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings
from amijax.tuning.points import baseline_at
from amijax.tuning.record import Tuning
from amijax.tuning.search import LEAST_DIGITS, MOST_DIGITS, N_DRAWN, OnProgress, tune
from amijax.versions import processor, versions

# Gradients at AMICI's defaults that a search takes as long as: 150 to 500 for 2 to 5 digits of 10
# problems, more where tight tolerances are hard to bear.
_SEARCH_GRADIENTS = 250.0


class TuningWarning(UserWarning):
    """No settings give the digits that were asked for, or witnesses confirm fewer."""


def tuned(
    objective: AmiciObjective,
    digits: float | None,
    *,
    points: Sequence[ArrayLike] = (),
    on_progress: OnProgress = lambda _done, _most: None,
) -> Tuning:
    """The fastest settings with so many digits: from the disk, or found now and kept there.

    Args:
        objective: the problem; of its settings the limits and the way to steady states count.
        digits: of the gradient, 1 to 10; None asks for the error of AMICI's defaults, or less.
        points: a person's own, besides nominal and those around it.
        on_progress: as in `tune`.

    Raises:
        ValueError: digits is out of range, or a point has the wrong shape.

    Examples:
        >>> from amijax import AmiciObjective, load_problem, tuned
        >>> found = tuned(AmiciObjective(load_problem("Conversion_Reaction")), digits=4)
        >>> found.outcome, found.digits
        ('reached', 4.0)
    """
    known = stored_tuning(objective, digits, points)
    if known is not None:
        return known
    found = tune(objective, digits, points=points, on_progress=on_progress)
    _store(objective).save(_name(objective, digits, points), found, found.search_seconds)
    return found


def stored_tuning(
    objective: AmiciObjective, digits: float | None, points: Sequence[ArrayLike] = ()
) -> Tuning | None:
    """A search of the same from the disk; None if there is none."""
    return _store(objective).load(_name(objective, digits, points), Tuning)[0]


def tuning_behind(objective: AmiciObjective) -> Tuning | None:
    """The search that found an objective's settings, of those on disk for 1, 2, ... digits.

    Args:
        objective: the problem and the settings in question.
    """
    asked = range(int(LEAST_DIGITS), int(MOST_DIGITS) + 1)
    base = replace(objective.solver, max_steps=SolverSettings().max_steps)  # a search raises it
    searched = objective.with_solver(base)
    searches = (stored_tuning(searched, digits) for digits in asked)
    return next((s for s in searches if s is not None and s.settings == objective.solver), None)


def settings_for(objective: AmiciObjective, digits: float) -> SolverSettings:
    """What `AmiciObjective(problem, digits=...)` uses.

    Args:
        objective: the problem.
        digits: of the gradient, 1 to 10.

    Warns:
        TuningWarning: fewer digits are promised; the best settings are used.

    Raises:
        ValueError: digits is out of range.
    """
    found = tuned(objective, digits)
    if found.outcome != "reached":
        warnings.warn(f"{found.problem_id}: {found.summary}", TuningWarning, stacklevel=4)
    return found.settings


def forecast(objective: AmiciObjective, evaluation: Evaluation | None = None) -> float:
    """Seconds that a search will take on one core, from the time of one gradient at nominal.

    Within a factor of 3 for most problems; many digits and gradients that are hard take longer.

    Args:
        objective: the problem.
        evaluation: of a gradient of it, if it is at hand; else one is computed.
    """
    if evaluation is not None:
        return _SEARCH_GRADIENTS * evaluation.wall_seconds
    here = objective.with_executor(None).with_num_threads(1)
    seconds = []
    for _ in range(2):  # the first one loads the model
        start = time.perf_counter()
        baseline_at(here, objective.problem.nominal_theta)
        seconds.append(time.perf_counter() - start)
    return _SEARCH_GRADIENTS * min(seconds)


def _store(objective: AmiciObjective) -> ResultStore:
    base = objective.solver
    usual = SolverSettings(
        max_steps=base.max_steps, time_limit=base.time_limit, steady_state=base.steady_state,
        steady_state_sensitivities=base.steady_state_sensitivities,
    )  # fmt: skip
    theta = objective.problem.nominal_theta
    return ResultStore.of(
        "tuning", objective.with_solver(usual), theta, np.arange(theta.size),
        processor=processor(), amijax=versions()["amijax"],
    )  # fmt: skip


def _name(objective: AmiciObjective, digits: float | None, points: Sequence[ArrayLike]) -> str:
    own = b"".join(objective.problem.checked(theta).tobytes() for theta in points)
    asked = "same" if digits is None else f"{float(digits):g}"
    return f"{asked}-{N_DRAWN}-{hashlib.sha256(own).hexdigest()[:16]}"
