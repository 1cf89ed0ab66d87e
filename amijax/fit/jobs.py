"""Fits in the background: shared by who asks for the same, in a fair queue, kept on disk."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np

from amijax.background import Progress, Registry, State, WatchedJob
from amijax.cores import available_cores
from amijax.fair_queue import FairQueue
from amijax.fit.multistart import FitProgress, Phase, fit
from amijax.fit.on_cluster import TaskExecutor
from amijax.fit.record import FitResult
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray


@dataclass(frozen=True, eq=False)
class FitRequest:
    """What a fit in the background is asked for; as the arguments of `fit`."""

    n_starts: int
    seed: int
    optimizer: str
    lower: FloatArray
    upper: FloatArray
    start_points: FloatArray
    priors: bool = True
    digits: float | None = None
    search: bool = False
    time_limit: float | None = None

    @property
    def key(self) -> Hashable:
        """What tells requests apart."""
        values = (getattr(self, each.name) for each in fields(self))
        return tuple(v.tobytes() if isinstance(v, np.ndarray) else v for v in values)


@dataclass(frozen=True, eq=False)
class FitJobProgress(Progress):
    """A fit at one moment; it waits while another one runs.

    Attributes:
        phase: what is under way, None before its turn.
        result: what there is so far, None before the first start.
        ahead: the fits that run before it, in order, while it waits.
        error: what broke, for state failed.
    """

    phase: Phase | None
    result: FitResult | None
    ahead: tuple[str, ...]
    error: str


class FitJob(WatchedJob[FitJobProgress]):
    """One fit in a thread of its own, whose starts run in processes at low priority.

    Nobody has to watch it: it goes on until it is done or cancelled.
    """

    def __init__(
        self,
        objective: AmiciObjective,
        request: FitRequest,
        owner: Hashable,
        executor: TaskExecutor | None,
    ) -> None:
        what = f"{objective.problem.problem_id}, {request.n_starts} starts"
        super().__init__("fit", long_work, None, owner=owner, what=what)
        self._request = request
        self._asked = datetime.now(UTC)
        self._at: FitProgress | None = None
        self._start(lambda: self._fit(objective, executor))

    @property
    def request(self) -> FitRequest:
        """What was asked for."""
        return self._request

    @property
    def asked(self) -> datetime:
        """When, UTC."""
        return self._asked

    def _progress(self) -> FitJobProgress:
        at = self._at
        return FitJobProgress(
            state=self.state,
            elapsed=self._elapsed(),
            phase=None if at is None else at.phase,
            result=None if at is None else at.result,
            ahead=self.ahead,
            error=self._error,
        )

    def _fit(self, objective: AmiciObjective, executor: TaskExecutor | None) -> State:
        request = self._request
        with self._turn():
            result = fit(
                objective,
                request.n_starts,
                seed=request.seed,
                optimizer=request.optimizer,
                start_points=request.start_points,
                bounds=(request.lower, request.upper),
                priors=request.priors,
                digits=request.digits,
                search=request.search,
                executor=executor,
                workers=available_cores(),
                time_limit=request.time_limit,
                on_progress=self._report,
                check=self._check_wanted,
            )
            self._at = FitProgress("audit", result)
        return "done"

    def _report(self, progress: FitProgress) -> None:
        self._at = progress
        self._check_wanted()


_jobs: Registry[FitJob] = Registry()
long_work = FairQueue()  # all that takes all cores for minutes, fits and profiles, in rotation


def start_fit(
    objective: AmiciObjective,
    request: FitRequest,
    *,
    owner: Hashable = None,
    executor: TaskExecutor | None = None,
) -> FitJob:
    """Fit in the background; a job for the same that goes on is returned.

    Args:
        objective: the problem, and the solver's settings.
        request: what is asked for.
        owner: who asks; people have their turns in rotation.
        executor: as in `fit`.
    """
    return _jobs.start_or_join(
        (*problem_key(objective), objective.solver, request.key),
        lambda: FitJob(objective, request, owner, executor),
    )


def fits_of(objective: AmiciObjective) -> tuple[FitJob, ...]:
    """This process's jobs for a problem, whoever asked for them, the latest last."""
    problem = problem_key(objective)
    return tuple(job for key, job in _jobs.items() if key[:2] == problem)


def problem_key(objective: AmiciObjective) -> tuple[str, str]:
    """What jobs for one problem have in common: its model, and its files with the scales."""
    return objective.model.key, objective.problem.identity
