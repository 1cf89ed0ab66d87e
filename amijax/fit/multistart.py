"""Multistart fits: local optimisations from many points, side by side, kept as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from amijax.audit.jobs import audited, stored_audit
from amijax.audit.record import Audit
from amijax.cores import available_cores
from amijax.fit.checkpoints import Checkpoints, fit_versions
from amijax.fit.on_cluster import TaskExecutor, in_tasks
from amijax.fit.optimizers import OPTIMIZERS, Optimizer, check_least_squares
from amijax.fit.processes import in_processes
from amijax.fit.record import FitResult, FitSettings, Start, Trace
from amijax.fit.run_start import Plan, Task, sharpened
from amijax.fit.stages import stages_for
from amijax.fit.start_points import Bounds, checked_bounds, checked_points, random_points
from amijax.fit.streams import in_threads
from amijax.objective import AmiciObjective
from amijax.problems.features import known_features
from amijax.problems.names import nearest

_SAVE_SECONDS = 2.0  # between two states of a start under way on disk

Phase = Literal["settings", "starts", "audit"]


@dataclass(frozen=True, eq=False)
class FitProgress:
    """A fit at one moment.

    Attributes:
        phase: settings (for the digits asked for), starts, or audit (of the best point).
        result: what there is, with starts under way; None before the first phase is over.
    """

    phase: Phase
    result: FitResult | None


def fit(
    objective: AmiciObjective,
    n_starts: int = 20,
    *,
    seed: int = 0,
    optimizer: str | Optimizer = "fides",
    start_points: ArrayLike | Sequence[ArrayLike] = (),
    bounds: Bounds | None = None,
    priors: bool = True,
    digits: float | None = None,
    search: bool = False,
    coarse: bool = True,
    executor: TaskExecutor | None = None,
    workers: int | None = None,
    time_limit: float | None = None,
    resume: bool = True,
    audit: bool = True,
    on_progress: Callable[[FitProgress], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> FitResult:
    """Maximise llh (and log prior) of a problem within bounds, from many points.

    Every start is kept on disk as it goes. When `check` raises, or the process ends, the same call
    goes on from there: starts that are over are read, interrupted ones go on from their best
    point. Results don't depend on how many starts run at a time.

    Args:
        objective: the problem, and the solver's settings.
        n_starts: starts, those from `start_points` included.
        seed: of the random start points.
        optimizer: `fides`, `scipy-lbfgsb` or `least-squares`; or a callable, an
            `amijax.fit.optimizers.Optimizer`, which runs in threads of this process and whose
            starts are not kept on disk.
        start_points: where the first starts begin, shape (k, n_parameters), on the PEtab scale;
            points beyond the bounds are brought within.
        bounds: on the PEtab scale, all lower and all upper ones or a pair by parameter id; the
            problem's if not given. No start leaves them.
        priors: whether objective priors of the parameter table count.
        digits: of the gradient, 1 to 10: the solver's settings are the fastest that give them
            (`amijax.tuned`, a search that is kept on disk), after a stage with fewer digits where
            that is cheaper. If not given, those of the objective.
        search: without digits, whether to look in the same way for the fastest settings whose
            error is no larger than that of AMICI's defaults.
        coarse: whether each start goes most of its way with coarser settings (rtol 1e-6, atol
            1e-10, or fewer digits), and only its end with those above. llh and gradient of a
            result are always those of the last. A callable has one stage.
        executor: where starts run, for example `amijax.DaskExecutor(client)`; on this machine if
            not given.
        workers: starts at a time on this machine: one in this process, several in processes of
            their own. All cores if not given.
        time_limit: seconds for all starts; those under way then keep their best point.
        resume: whether to go on from what is on disk.
        audit: whether witnesses that are not AMICI are asked about the best point.
        on_progress: called several times a second.
        check: called several times a second; what it raises ends the fit.

    Warns:
        TuningWarning: no settings give the digits asked for, or witnesses confirm fewer.

    Raises:
        ClusterError: the executor's cluster can't be used.
        ProblemError: a prior can't be used, or the problem's files have changed.
        ValueError: an argument can't be used; the message says which and why.
    """
    if executor is not None and not isinstance(executor, TaskExecutor):
        raise ValueError(
            "executor must have a method run_tasks, as amijax.DaskExecutor(client) has, but is "
            f"{executor!r}."
        )
    if executor is not None and not isinstance(optimizer, str):
        raise ValueError("A callable as optimizer runs in this process, without an executor.")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit must be above 0 seconds, but is {time_limit:g}.")
    problem = objective.problem
    lower, upper = checked_bounds(problem, bounds)
    n_starts = _whole_number("n_starts", n_starts, 1)
    asked = FitSettings(
        n_starts=n_starts,
        seed=_whole_number("seed", seed, 0),
        optimizer=_checked_optimizer(objective, optimizer, priors),
        lower=lower,
        upper=upper,
        priors=priors,
        digits=digits,
        stages=(),
        time_limit=time_limit,
        own_starts=checked_points(problem, start_points, lower, upper)[:n_starts],
        search=search,
    )
    n_workers = available_cores() if workers is None else _whole_number("workers", workers, 1)
    on_progress(FitProgress("settings", None))
    settings = replace(
        asked,
        stages=stages_for(objective, digits, search, coarse and isinstance(optimizer, str), check),
    )
    run = _Run(
        objective, settings, optimizer, executor, min(n_workers, n_starts), resume, on_progress,
        check,
    )  # fmt: skip
    run.run_starts()
    return run.audited() if audit else run.result()


class _Run:
    """A fit under way."""

    def __init__(
        self,
        objective: AmiciObjective,
        settings: FitSettings,
        optimizer: str | Optimizer,
        executor: TaskExecutor | None,
        n_workers: int,
        resume: bool,
        on_progress: Callable[[FitProgress], None],
        check: Callable[[], None],
    ) -> None:
        self._objective = objective.with_executor(None)
        self._settings = settings
        self._plan = Plan(
            optimizer, settings.lower, settings.upper, settings.priors, settings.stages
        )
        self._executor, self._n_workers = executor, n_workers
        self._on_progress, self._check = on_progress, check
        is_named = isinstance(optimizer, str)
        self._checkpoints = Checkpoints.of(objective, settings) if is_named else None
        self._resume = resume
        self._starts: dict[int, Start] = {}
        self._saved: dict[int, float] = {}
        self._n_resumed = 0
        self._progress: list[tuple[float, float, float]] = []
        self._audit: Audit | None = None
        self._versions = fit_versions()  # looked up in files, which takes some milliseconds
        self._clock = time.perf_counter()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")

    def run_starts(self) -> None:
        """Run what is still to be run, until all is done or the time is up."""
        tasks = self._tasks()
        limit = self._settings.time_limit
        try:
            with closing(self._stream(tasks)) as stream:
                for start in stream:
                    if start is not None:
                        self._keep(start)
                    self._on_progress(FitProgress("starts", self.result()))
                    self._check()
                    if limit is not None and time.perf_counter() - self._clock > limit:
                        self._interrupt("time limit", f"{limit:g} s for all starts are over")
                        break
        finally:
            self._interrupt("cancelled", "the fit was ended")
            if self._checkpoints is not None:
                self._checkpoints.save_result(self.result())

    def audited(self) -> FitResult:
        """The result, with what witnesses say of its best point."""
        best = self.result().best
        if best is not None:
            self._on_progress(FitProgress("audit", self.result()))
            objective = self._objective.with_solver(self._settings.stages[-1])
            self._audit = stored_audit(objective, best.theta) or audited(
                objective, best.theta, go_on=self._check
            )
        result = self.result()
        if self._checkpoints is not None:
            self._checkpoints.save_result(result)
        return result

    def result(self) -> FitResult:
        """What there is now."""
        problem = self._objective.problem
        features = known_features().get(problem.problem_id)
        return FitResult(
            problem_id=problem.problem_id,
            problem_digest=problem.identity,
            parameter_ids=problem.parameter_ids,
            scales=problem.scales,
            settings=self._settings,
            starts=tuple(self._starts[i] for i in sorted(self._starts)),
            progress=Trace(*np.array(self._progress, dtype=np.float64).reshape(-1, 3).T),
            reference_llh=None if features is None else features.reference_llh,
            audit=self._audit,
            workers=self._where(),
            seconds=time.perf_counter() - self._clock,
            n_resumed=self._n_resumed,
            versions=self._versions,
            started=self._started,
        )

    def _tasks(self) -> list[Task]:
        settings = self._settings
        n_random = settings.n_starts - len(settings.own_starts)
        drawn = random_points(
            self._objective.problem, n_random, settings.seed, settings.lower, settings.upper
        )
        tasks = []
        for i, theta in enumerate(np.vstack([settings.own_starts, drawn])):
            known = None
            if self._checkpoints is not None and self._resume:
                known = self._checkpoints.load(i, theta)
            if known is not None:
                self._starts[i] = known
            if known is not None and known.is_over:
                self._n_resumed += 1
            else:
                tasks.append(Task(i, theta, known))
        return tasks

    def _stream(self, tasks: list[Task]) -> Generator[Start | None]:
        if self._executor is not None:
            return in_tasks(self._executor, self._objective, self._plan, tasks)
        n_workers = min(self._n_workers, len(tasks))
        if n_workers > 1 and isinstance(self._plan.optimizer, str):
            return in_processes(self._objective, self._plan, tasks, n_workers)
        return in_threads(self._objective, self._plan, tasks, n_workers)

    def _keep(self, start: Start) -> None:
        self._starts[start.index] = start
        best = max((s.value for s in self._starts.values() if s.has_point), default=-np.inf)
        # Coarse settings may have promised what the fine ones don't keep.
        while self._progress and self._progress[-1][2] > best:
            self._progress.pop()
        if best > (self._progress[-1][2] if self._progress else -np.inf):
            evaluations = sum(each.n_evaluations for each in self._starts.values())
            seconds = time.perf_counter() - self._clock
            self._progress.append((evaluations, seconds, best))
        now = time.monotonic()
        late = now - self._saved.get(start.index, 0.0) > _SAVE_SECONDS
        if self._checkpoints is not None and (start.is_over or late):
            kept = replace(start, exit="cancelled") if start.exit == "running" else start
            self._checkpoints.save(kept)
            self._saved[start.index] = now
            if start.is_over:
                self._checkpoints.save_result(self.result())

    def _interrupt(self, exit: Literal["time limit", "cancelled"], message: str) -> None:
        """Starts under way stay as they are."""
        for i, start in self._starts.items():
            if start.exit == "running":
                ended = replace(start, exit=exit, message=message)
                if exit == "time limit":  # who cancels does not wait for another simulation
                    ended = sharpened(self._objective, self._plan, ended)
                self._starts[i] = ended
                if self._checkpoints is not None:
                    self._checkpoints.save(self._starts[i])

    def _where(self) -> str:
        if self._executor is not None:
            return "on a cluster"
        n = self._n_workers
        return "one at a time" if n == 1 else f"{n} at a time"


def _whole_number(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ValueError(f"{name} must be a whole number from {least} on, but is {value!r}.")
    return int(value)


def _checked_optimizer(objective: AmiciObjective, optimizer: str | Optimizer, priors: bool) -> str:
    """The optimiser's name."""
    if not isinstance(optimizer, str):
        return str(getattr(optimizer, "__qualname__", type(optimizer).__name__))
    if optimizer not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or a callable, but is "
            f"{optimizer!r}{nearest(optimizer, tuple(OPTIMIZERS))}."
        )
    if optimizer == "least-squares":
        check_least_squares(objective, priors)
    return optimizer
