"""Searches in the background: shared by who asks for the same, watched, cancelled, kept on disk."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.background import Progress, Registry, State, WatchedJob
from amijax.fair_queue import FairQueue
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.tuning.found import tuned
from amijax.tuning.record import Tuning


@dataclass(frozen=True, eq=False)
class TuningProgress(Progress):
    """A search at one moment; it waits while another one runs.

    Attributes:
        tuning: the finished one, None before.
        done, most: settings tried, and the most that there can be; it may end much earlier.
        error: what broke, for state failed.
    """

    tuning: Tuning | None
    done: int
    most: int
    error: str


class TuningJob(WatchedJob[TuningProgress]):
    """One search in a thread of its own, one after the other, at low priority."""

    def __init__(
        self,
        objective: AmiciObjective,
        digits: float | None,
        points: tuple[FloatArray, ...],
        abandon_after: float | None,
        owner: Hashable,
    ) -> None:
        super().__init__("tuning", _one_at_a_time, abandon_after, owner=owner)
        self._tuning: Tuning | None = None
        self._at = (0, 1)
        self._start(lambda: self._tune(objective, digits, points))

    def _progress(self) -> TuningProgress:
        return TuningProgress(self.state, self._elapsed(), self._tuning, *self._at, self._error)

    def _tune(
        self, objective: AmiciObjective, digits: float | None, points: tuple[FloatArray, ...]
    ) -> State:
        with self._turn():
            self._tuning = tuned(objective, digits, points=points, on_progress=self._report)
        return "done"

    def _report(self, done: int, most: int) -> None:
        self._at = (done, most)
        self._check_wanted()


_jobs: Registry[TuningJob] = Registry()
_one_at_a_time = FairQueue()


def start_tuning(
    objective: AmiciObjective,
    digits: float | None,
    *,
    points: Sequence[ArrayLike] = (),
    abandon_after: float | None = None,
    owner: Hashable = None,
) -> TuningJob:
    """Search in the background; a job for the same that runs or is done is returned.

    Args:
        objective: the problem; of its settings the limits and the way to steady states count.
        digits: of the gradient, 1 to 10; None asks for the error of AMICI's defaults, or less.
        points: a person's own, besides nominal and those around it.
        abandon_after: seconds after which a job that nobody asks about stops; never if None.
        owner: who asks; people have their turns in rotation.

    Raises:
        ValueError: a point has the wrong shape.
    """
    own = tuple(np.array(objective.problem.checked(theta)) for theta in points)
    here = objective.with_executor(None)
    return _jobs.start_or_join(
        _key(objective, digits, own),
        lambda: TuningJob(here, digits, own, abandon_after, owner),
        once=True,
    )


def latest_tuning(
    objective: AmiciObjective, digits: float | None, *, points: Sequence[ArrayLike] = ()
) -> TuningJob | None:
    """This process's latest job for a search, which may be over; None if there was none lately."""
    own = tuple(np.array(objective.problem.checked(theta)) for theta in points)
    return _jobs.latest(_key(objective, digits, own))


def _key(
    objective: AmiciObjective, digits: float | None, points: tuple[FloatArray, ...]
) -> Hashable:
    own = tuple(theta.tobytes() for theta in points)
    base = objective.solver
    return (
        objective.model.key, objective.problem.identity, digits, own, base.max_steps,
        base.time_limit, base.steady_state, base.steady_state_sensitivities,
    )  # fmt: skip
