"""Tasks run on a Dask cluster: each is a task, and one whose worker is lost is repeated."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from amijax.cluster.worker import SAME_VERSIONS
from amijax.fit.work import Answer, Repeatable, Work
from amijax.objective import AmiciObjective
from amijax.versions import versions

_LOST = (
    "Given up: workers of the cluster ended while they computed it. Look into their "
    "logs: perhaps they have too little memory."
)


@runtime_checkable
class TaskExecutor(Protocol):
    """Where tasks run, if not on this machine; `amijax.DaskExecutor` is one."""

    def run_tasks(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
    ) -> Generator[tuple[int, Any] | None]:
        """Run a function with each of several arguments, as `amijax.cluster.tasks.run_on` does."""


def in_tasks[T: Repeatable, A: Answer](
    executor: TaskExecutor, objective: AmiciObjective, plan: Work[T, A], tasks: Sequence[T]
) -> Generator[A | None]:
    """Run tasks as those of an executor, which tells of them when they are over only.

    Args:
        executor: for example `amijax.DaskExecutor(client)`.
        objective: the problem.
        plan: what they have in common; pickles.
        tasks: what is to be done.

    Yields:
        Answers that are over, and None several times a second.

    Raises:
        ProblemError: the problem's files are not what they were when it was opened.
    """
    set_up = pickle.dumps((replace(objective.recipe(), num_threads=1), plan, versions()))
    events = executor.run_tasks(_run, [(set_up, pickle.dumps(task)) for task in tasks])
    with closing(events):
        for event in events:
            if event is None:
                yield None
                continue
            position, answer = event
            if isinstance(answer, BaseException):
                yield plan.given_up(tasks[position], 1, _LOST)
            else:
                yield pickle.loads(answer)


def _run(set_up: bytes, task: bytes) -> bytes:
    """Do a task on a worker. Pickles within: the scheduler unpacks nothing that needs AMICI."""
    recipe, plan, asked_by = pickle.loads(set_up)
    here = versions()
    if differing := [name for name in SAME_VERSIONS if here[name] != asked_by[name]]:
        there = " and ".join(f"{name} {here[name]}" for name in differing)
        raise RuntimeError(f"the worker has {there}, so that results would differ")
    answer = plan.run(recipe.rebuild(), pickle.loads(task), lambda _: None)
    return pickle.dumps(answer)
