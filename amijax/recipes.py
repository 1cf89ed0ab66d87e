"""Objectives as plain data: what is pickled in their place, and rebuilding them elsewhere."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amijax.problems.recipe import ProblemRecipe
from amijax.solver import SolverSettings

if TYPE_CHECKING:
    from amijax.objective import AmiciObjective

# Objectives that stay ready in a process. Each holds its problem's tables and measurements.
_KEPT = 4

_ready: OrderedDict[ProblemRecipe, Future[AmiciObjective]] = OrderedDict()
_ready_lock = threading.Lock()


@dataclass(frozen=True)
class ObjectiveRecipe:
    """All that an `AmiciObjective` is made of; its compiled model is found or built by its key.

    Attributes:
        problem: the problem's files.
        solver: the solver's settings.
        gradient_of: positions in theta of the sensitivities, None for all of them.
        num_threads: as in `AmiciObjective`.
    """

    problem: ProblemRecipe
    solver: SolverSettings
    gradient_of: tuple[int, ...] | None
    num_threads: int | None

    def rebuild(self) -> AmiciObjective:
        """The objective; in a process that prepared its problem before, at once.

        The model is looked up in this machine's cache by the key of its content and of the
        versions here, and compiled where it is not there, once for all processes that ask.

        Raises:
            CompileError: the model can't be compiled.
            ProblemError: the cache folder can't be written.
        """
        objective = _prepared(self.problem).with_num_threads(self.num_threads)
        objective = objective.with_solver(self.solver)
        return objective if self.gradient_of is None else objective.with_gradient_of(
            self.gradient_of
        )  # fmt: skip


def _prepared(recipe: ProblemRecipe) -> AmiciObjective:
    """The objective with default settings; prepared once, also if many threads ask."""
    with _ready_lock:
        future = _ready.get(recipe)
        is_mine = future is None
        if future is None:
            future = _ready[recipe] = Future()
        _ready.move_to_end(recipe)
        while len(_ready) > _KEPT:
            _ready.popitem(last=False)
    if is_mine:
        try:
            future.set_result(_prepare(recipe))
        except BaseException as error:
            with _ready_lock:
                if _ready.get(recipe) is future:  # the next one tries again
                    del _ready[recipe]
            future.set_exception(error)
    return future.result()


def _prepare(recipe: ProblemRecipe) -> AmiciObjective:
    from amijax.objective import AmiciObjective  # it imports this module

    return AmiciObjective(recipe.open())
