"""What runs in processes, threads or tasks: starts of a fit, sides of profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from amijax.objective import AmiciObjective


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeatable:
    """What is begun again when the process that computes it ends.

    Attributes:
        n_lost: processes that ended while they computed it; each cost a repetition.
    """

    n_lost: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer(Repeatable):
    """What came of a task, or has so far."""

    @property
    def is_running(self) -> bool:
        """Whether more is to come."""
        raise NotImplementedError


class Work[T: Repeatable, A: Answer](Protocol):
    """What all tasks have in common, and how one is done; pickles where processes do it."""

    def run(self, objective: AmiciObjective, task: T, report: Callable[[A], None]) -> A:
        """Do a task; a failure is part of the answer, never raised.

        Args:
            objective: the problem.
            task: what is to be done.
            report: called a few times a second with the answer so far; what it raises ends the
                task, and comes out.
        """

    def given_up(self, task: T, n_lost: int, message: str) -> A:
        """The answer in the place of one whose processes ended again and again.

        Args:
            task: what was to be done.
            n_lost: processes that were lost.
            message: why, and what to do.
        """
