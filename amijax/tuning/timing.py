"""CPU time of gradients: this thread's, where AMICI's own is that of the whole process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings

# AMICI's limit is of the process's CPU time, to which other threads add.
_OTHER_THREADS = 4.0
_FEWEST = 3  # times that each is called in turns, however long it takes
_SHORT = 0.5  # seconds; as long as they take less, there are more turns than asked for
_MOST = 60


def evaluated(objective: AmiciObjective, theta: FloatArray) -> Evaluation:
    """An evaluation with `cpu_seconds` of this thread, the whole call.

    Args:
        objective: on one core, which is then this thread.
        theta: shape (n_parameters,), on the PEtab scale.
    """
    start = time.thread_time()
    evaluation = objective.evaluate(theta)
    return replace(evaluation, cpu_seconds=time.thread_time() - start)


def within(objective: AmiciObjective, theta: FloatArray, seconds: float) -> Evaluation | None:
    """An evaluation with `cpu_seconds` of this thread; None where it takes longer than allowed.

    Args:
        objective: on one core.
        theta: shape (n_parameters,), on the PEtab scale.
        seconds: what it may take.
    """
    start = time.thread_time()
    evaluation = objective.gradient_within(theta, _OTHER_THREADS * seconds)
    used = time.thread_time() - start
    if evaluation is None or used > seconds:
        return None
    return replace(evaluation, cpu_seconds=used)


def in_turns(
    objective: AmiciObjective,
    settings: Iterable[SolverSettings],
    theta: FloatArray,
    *,
    turns: int,
    budget: float,
    look: Callable[[], None],
) -> dict[SolverSettings, float]:
    """CPU seconds of a gradient with each of some settings: medians of calls made in turns.

    Args:
        objective: on one core.
        settings: what to compare.
        theta: shape (n_parameters,), on the PEtab scale.
        turns: how often each is called; more often where that takes no time.
        budget: seconds after which no further turn begins, of three or more.
        look: called before each turn; what it raises ends it.
    """
    objectives = {each: objective.with_solver(each) for each in settings}
    found: dict[SolverSettings, list[float]] = {each: [] for each in objectives}
    start = time.perf_counter()
    for turn in range(_MOST):
        look()
        for each, tried in objectives.items():
            found[each].append(evaluated(tried, theta).cpu_seconds)
        elapsed = time.perf_counter() - start
        if turn + 1 >= _FEWEST and elapsed > (budget if turn + 1 < turns else _SHORT):
            break
    return {each: statistics.median(seconds) for each, seconds in found.items()}
