"""Profiles and curvature in the background: shared, in the queue of fits, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from amijax.background import Progress, Registry, State, WatchedJob
from amijax.cores import available_cores
from amijax.fit.jobs import long_work, problem_key
from amijax.fit.on_cluster import TaskExecutor
from amijax.identifiability.local import identify
from amijax.identifiability.profile import ProfileProgress, profile
from amijax.identifiability.profile_record import ProfileResult
from amijax.identifiability.record import Identifiability
from amijax.objective import AmiciObjective
from amijax.result_store import ResultStore
from amijax.scales import FloatArray

_REVISION = "1"  # raise it when the same settings give other standard errors than before

JobPhase = Literal["optimum", "profiles", "better", "curvature"]


@dataclass(frozen=True, eq=False)
class UncertaintyRequest:
    """What is asked for.

    Attributes:
        theta: where it begins, shape (n_parameters,), on the PEtab scale.
        parameters: whose profiles are followed; none for the curvature at theta alone.
        optimizer: of the profiles.
        priors: whether objective priors count.
        restart: whether profiles start anew from a better optimum.
    """

    theta: FloatArray
    parameters: tuple[str, ...]
    optimizer: str = "fides"
    priors: bool = True
    restart: bool = False

    @property
    def key(self) -> Hashable:
        """What tells requests apart."""
        return (
            self.theta.tobytes(), self.parameters, self.optimizer, self.priors, self.restart,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class UncertaintyProgress(Progress):
    """A job at one moment; it waits while another one runs.

    Attributes:
        phase: what is under way, None before its turn.
        profiles: what there is of them, None before their optimum.
        sides_over, sides: of the profiles.
        gradients: of the curvature, so far.
        local: what the curvature says, at the profiles' optimum or at the point itself.
        ahead: the jobs that run before it, in order, while it waits.
        error: what broke, for state failed.
    """

    phase: JobPhase | None
    profiles: ProfileResult | None
    sides_over: int
    sides: int
    gradients: int
    local: Identifiability | None
    ahead: tuple[str, ...]
    error: str


class UncertaintyJob(WatchedJob[UncertaintyProgress]):
    """Profiles of some parameters, then the curvature at their optimum; or the curvature alone.

    Nobody has to watch it: it goes on until it is done or cancelled.
    """

    def __init__(
        self,
        objective: AmiciObjective,
        request: UncertaintyRequest,
        owner: Hashable,
        executor: TaskExecutor | None,
    ) -> None:
        n = len(request.parameters)
        words = f"profiles of {n} parameter{'s' * (n != 1)}" if n else "curvature at a point"
        super().__init__(
            "uncertainty", long_work, None, owner=owner,
            what=f"{objective.problem.problem_id}, {words}",
        )  # fmt: skip
        self._request = request
        self._at: ProfileProgress | None = None
        self._phase: JobPhase | None = None
        self._gradients = 0
        self._local: Identifiability | None = None
        self._start(lambda: self._compute(objective, executor))

    @property
    def request(self) -> UncertaintyRequest:
        """What was asked for."""
        return self._request

    def _progress(self) -> UncertaintyProgress:
        at = self._at
        return UncertaintyProgress(
            state=self.state, elapsed=self._elapsed(), phase=self._phase,
            profiles=None if at is None else at.result,
            sides_over=0 if at is None else at.sides_over,
            sides=2 * len(self._request.parameters),
            gradients=self._gradients, local=self._local, ahead=self.ahead, error=self._error,
        )  # fmt: skip

    def _compute(self, objective: AmiciObjective, executor: TaskExecutor | None) -> State:
        request = self._request
        with self._turn():
            theta = request.theta
            if request.parameters:
                result = profile(
                    objective, request.parameters, theta=theta, optimizer=request.optimizer,
                    priors=request.priors, restart=request.restart, executor=executor,
                    workers=available_cores(), on_progress=self._report, check=self._check_wanted,
                )  # fmt: skip
                sides = 2 * len(result.asked)
                self._at = ProfileProgress("profiles", result, sides, sides)
                theta = result.optimum.theta
            self._phase = "curvature"
            self._local = identified(
                objective, theta, request.priors, self._count, self._check_wanted
            )
        return "done"

    def _report(self, progress: ProfileProgress) -> None:
        before = self._at
        if progress.result is None and before is not None:
            progress = replace(progress, result=before.result)
        self._at, self._phase = progress, progress.phase
        self._check_wanted()

    def _count(self, gradients: int) -> None:
        self._gradients = gradients


def identified(
    objective: AmiciObjective,
    theta: FloatArray,
    priors: bool = True,
    on_progress: Callable[[int], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> Identifiability:
    """What the curvature says at a point, from the disk or computed now and kept.

    Args:
        objective: the problem, and the solver's settings.
        theta: shape (n_parameters,), on the PEtab scale.
        priors: whether objective priors count.
        on_progress: as in `identify`.
        check: as in `identify`.
    """
    known = stored_identifiability(objective, theta, priors)
    if known is not None:
        return known
    found = identify(objective, theta, priors=priors, on_progress=on_progress, check=check)
    if found.failure is None:
        _store(objective, theta, priors).save("local", found, found.seconds)
    return found


def stored_identifiability(
    objective: AmiciObjective, theta: FloatArray, priors: bool = True
) -> Identifiability | None:
    """What the curvature said at a point before, on this machine; None if it was not asked.

    Args:
        objective: the problem, and the solver's settings.
        theta: shape (n_parameters,), on the PEtab scale.
        priors: whether objective priors count.
    """
    return _store(objective, theta, priors).load("local", Identifiability)[0]


def _store(objective: AmiciObjective, theta: FloatArray, priors: bool) -> ResultStore:
    return ResultStore.of(
        "identifiability", objective, theta, np.arange(theta.size), priors=str(priors),
        identifiability=_REVISION,
    )  # fmt: skip


_jobs: Registry[UncertaintyJob] = Registry()


def start_uncertainty(
    objective: AmiciObjective,
    request: UncertaintyRequest,
    *,
    owner: Hashable = None,
    executor: TaskExecutor | None = None,
) -> UncertaintyJob:
    """Compute in the background; a job for the same that goes on is returned.

    Args:
        objective: the problem, and the solver's settings.
        request: what is asked for.
        owner: who asks; people have their turns in rotation.
        executor: as in `profile`.
    """
    return _jobs.start_or_join(
        (*problem_key(objective), objective.solver, request.key),
        lambda: UncertaintyJob(objective, request, owner, executor),
    )


def uncertainties_of(objective: AmiciObjective) -> tuple[UncertaintyJob, ...]:
    """This process's jobs for a problem, whoever asked for them, the latest last."""
    problem = problem_key(objective)
    return tuple(job for key, job in _jobs.items() if key[:2] == problem)
