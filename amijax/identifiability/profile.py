"""Profiles of parameters: how far each can go before the data refuse it, all others free."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from amijax.cores import available_cores
from amijax.fit.checkpoints import fit_versions, stored_fits
from amijax.fit.function import FitFunction
from amijax.fit.on_cluster import TaskExecutor, in_tasks
from amijax.fit.optimizers import OPTIMIZERS, check_least_squares
from amijax.fit.processes import in_processes
from amijax.fit.record import Start
from amijax.fit.run_start import Plan, Task, run_start
from amijax.fit.start_points import Bounds, checked_bounds
from amijax.fit.streams import in_threads
from amijax.identifiability.checkpoints import ProfileCheckpoints
from amijax.identifiability.follow import ProfilePlan, SideTask
from amijax.identifiability.local import LEVEL
from amijax.identifiability.profile_record import Better, Profile, ProfileResult, Side, SideName
from amijax.identifiability.solver_error import solver_error
from amijax.identifiability.verdicts import KnownPoint, profile_of
from amijax.objective import AmiciObjective
from amijax.problems.names import nearest
from amijax.scales import FloatArray

_SAVE_SECONDS = 2.0  # between two states of a side under way on disk
_MOST_RESTARTS = 10
_SIDES: tuple[SideName, SideName] = ("down", "up")

Phase = Literal["optimum", "profiles", "better"]


@dataclass(frozen=True, eq=False)
class ProfileProgress:
    """Profiles at one moment.

    Attributes:
        phase: optimum (the local optimisation before), profiles, or better (a local optimisation
            from a better point that came up).
        result: what there is, with profiles under way; None before the optimum is there.
        sides_over, sides: of the profiles.
    """

    phase: Phase
    result: ProfileResult | None
    sides_over: int
    sides: int


class NoOptimumError(ValueError):
    """Profiles can't begin, since their first point can't be evaluated; the message says why."""


def profile(
    objective: AmiciObjective,
    parameters: Sequence[str] | None = None,
    *,
    theta: ArrayLike | None = None,
    optimizer: str = "fides",
    priors: bool = True,
    bounds: Bounds | None = None,
    level: float = LEVEL,
    restart: bool = False,
    executor: TaskExecutor | None = None,
    workers: int | None = None,
    resume: bool = True,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> ProfileResult:
    """The profile of each parameter: the best llh + log prior with it held, from value to value.

    From the optimum outwards in both directions, in steps along which llh falls by a fifth of the
    threshold, until it has fallen by all of it or the bound is reached: 1.92 for 95 %, half of the
    quantile of the chi-square distribution with one degree of freedom (Raue et al., Bioinformatics
    25, 2009). At each step the others are optimised anew, from where Gauss-Newton or the last two
    points say. An end of an interval is where llh is within 0.5 % of the threshold, interpolated.

    Modes beyond the ends are not looked for; points that fits on this machine found there are
    taken into account.

    Args:
        objective: the problem, and the solver's settings.
        parameters: ids; all if not given.
        theta: where a local optimisation begins that comes before, shape (n_parameters,), on the
            PEtab scale; nominal if not given.
        optimizer: a name as in `amijax.fit`.
        priors: whether objective priors of the parameter table count.
        bounds: as in `amijax.fit`.
        level: of the intervals.
        restart: whether profiles start anew from a better optimum that comes up; if not, it is
            part of the result.
        executor: where sides are followed, for example `amijax.DaskExecutor(client)`; on this
            machine if not given.
        workers: sides at a time on this machine: one in this process, several in processes of
            their own. All cores if not given.
        resume: whether to go on from what is on disk.
        on_progress: called several times a second.
        check: called several times a second; what it raises ends it. The same call goes on from
            there.

    Raises:
        ClusterError: the executor's cluster can't be used.
        NoOptimumError: the first point can't be evaluated.
        ProblemError: a prior can't be used, or the problem's files have changed.
        ValueError: an argument can't be used; the message says which and why.
    """
    problem = objective.problem
    start = problem.checked(problem.nominal_theta if theta is None else theta)
    asked = _checked(objective, parameters, optimizer, level, priors)
    lower, upper = checked_bounds(problem, bounds)
    run = _Run(
        objective, asked, np.clip(start, lower, upper), optimizer, lower, upper, priors, level,
        executor, workers, resume, on_progress, check, restart,
    )  # fmt: skip
    result = run.result_of_all()
    while restart and result.better is not None and run.n_restarts < _MOST_RESTARTS:
        run = run.anew(result.better)
        result = run.result_of_all()
    return result


class _Run:
    """Profiles from one point, under way."""

    def __init__(
        self,
        objective: AmiciObjective,
        asked: tuple[int, ...],
        theta: FloatArray,
        optimizer: str,
        lower: FloatArray,
        upper: FloatArray,
        priors: bool,
        level: float,
        executor: TaskExecutor | None,
        workers: int | None,
        resume: bool,
        on_progress: Callable[[ProfileProgress], None],
        check: Callable[[], None],
        restart: bool,
        n_restarts: int = 0,
    ) -> None:
        from scipy.special import chdtri

        self._objective = objective.with_executor(None)
        self._asked, self._theta, self._optimizer = asked, theta, optimizer
        self._lower, self._upper, self._priors, self._level = lower, upper, priors, level
        self._executor, self._workers, self._resume = executor, workers, resume
        self._on_progress, self._check, self._restart = on_progress, check, restart
        self.n_restarts = n_restarts
        self._threshold = 0.5 * float(chdtri(1.0, 1.0 - level))
        self._checkpoints = ProfileCheckpoints.of(
            objective, theta, optimizer, lower, upper, priors, level
        )
        n_cores = available_cores() if workers is None else workers
        self._n_workers = max(1, min(n_cores, 2 * len(asked)))
        self._sides: dict[tuple[int, SideName], Side] = {}
        self._saved: dict[tuple[int, SideName], float] = {}
        self._optimum: Start | None = None
        self._start_value = math.nan
        self._better: Better | None = None
        self._solver_error = (math.nan, "")
        self._known: tuple[KnownPoint, ...] = ()
        self._clock = time.perf_counter()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")

    def anew(self, better: Better) -> _Run:
        """The same from a better optimum."""
        return _Run(
            self._objective, self._asked, better.theta, self._optimizer, self._lower, self._upper,
            self._priors, self._level, self._executor, self._workers, self._resume,
            self._on_progress, self._check, self._restart, self.n_restarts + 1,
        )  # fmt: skip

    def result_of_all(self) -> ProfileResult:
        """Optimise, then follow what is still to be followed."""
        self._optimum = self._found_optimum()
        plan = ProfilePlan(
            self._optimizer, self._lower, self._upper, self._priors, self._objective.solver,
            self._optimum.theta, self._optimum.value, self._threshold,
        )  # fmt: skip
        self._known = self._known_points()
        tasks = self._tasks()
        self._tell("profiles")
        try:
            with closing(self._stream(plan, tasks)) as stream:
                for side in stream:
                    if side is not None:
                        self._keep(side)
                    self._tell("profiles")
                    self._check()
                    if self._restart and any(s.end == "better" for s in self._sides.values()):
                        break
        finally:
            for key, side in self._sides.items():
                if side.is_running:
                    self._sides[key] = replace(side, end="cancelled")
                    self._checkpoints.save_side(self._sides[key])
            self._checkpoints.save_result(self.result())
        self._better = self._found_better()
        assert self._optimum is not None
        self._solver_error = solver_error(
            self._objective,
            self._optimum.theta,
            [p for p in self.result().profiles if len(p.points)],
        )
        result = self.result()
        self._checkpoints.save_result(result)
        return result

    def result(self) -> ProfileResult:
        """What there is now."""
        problem, optimum = self._objective.problem, self._optimum
        assert optimum is not None
        profiles = []
        for i in self._asked:
            sides = [self._sides[i, name] for name in _SIDES if (i, name) in self._sides]
            if sides:
                profiles.append(self._profile(i, sides, optimum))
        return ProfileResult(
            problem_id=problem.problem_id, problem_digest=problem.identity,
            parameter_ids=problem.parameter_ids, scales=problem.scales,
            lower=self._lower, upper=self._upper,
            asked=tuple(problem.parameter_ids[i] for i in self._asked),
            level=self._level, threshold=self._threshold, optimizer=self._optimizer,
            priors=self._priors, theta_start=self._theta, start_value=self._start_value,
            optimum=optimum, profiles=tuple(profiles), better=self._better,
            solver_error=self._solver_error[0], solver_error_in=self._solver_error[1],
            n_restarts=self.n_restarts, solver=self._objective.solver,
            seconds=time.perf_counter() - self._clock, workers=self._n_workers,
            versions=fit_versions(), started=self._started,
        )  # fmt: skip

    def _profile(self, i: int, sides: list[Side], optimum: Start) -> Profile:
        return profile_of(
            self._objective.problem, i, sides, optimum.theta, optimum.value, self._threshold,
            self._level, self._lower, self._upper, self._known,
        )  # fmt: skip

    def _found_optimum(self) -> Start:
        self._on_progress(ProfileProgress("optimum", None, 0, 2 * len(self._asked)))
        function = FitFunction(
            self._objective, self._lower, self._upper, priors=self._priors
        )  # fmt: skip
        self._start_value = function(self._theta)
        known = self._checkpoints.optimum() if self._resume else None
        if known is not None and known.is_over and known.has_point:
            return known
        found = self._optimised(self._theta)
        if not found.has_point:
            raise NoOptimumError(
                f"Profiles of {self._objective.problem.problem_id} can't begin: {found.message}"
            )
        self._checkpoints.save_optimum(found)
        return found

    def _optimised(self, theta: FloatArray) -> Start:
        plan = Plan(
            self._optimizer, self._lower, self._upper, self._priors, (self._objective.solver,)
        )
        return run_start(
            self._objective, plan, Task(0, theta), lambda _: self._check()
        )  # fmt: skip

    def _found_better(self) -> Better | None:
        """The best of the better points that came up, optimised."""
        assert self._optimum is not None
        sides = [side for side in self._sides.values() if side.end == "better"]
        if not sides:
            return None
        self._tell("better")
        side = max(sides, key=lambda each: float(each.values.max()))
        found = self._optimised(side.thetas[int(side.values.argmax())])
        return Better(
            found.theta, found.value, found.value - self._optimum.value,
            self._objective.problem.parameter_ids[side.position],
        )  # fmt: skip

    def _known_points(self) -> tuple[KnownPoint, ...]:
        """Ends of the starts of fits with the same bounds and priors on this machine."""
        found = []
        for fit in stored_fits(self._objective):
            same = (
                fit.settings.priors == self._priors
                and np.array_equal(fit.settings.lower, self._lower)
                and np.array_equal(fit.settings.upper, self._upper)
            )
            if same:
                found += [
                    KnownPoint(start.theta, start.value, f"start {start.index} of a fit")
                    for start in fit.ordered
                ]
        return tuple(found)

    def _tasks(self) -> list[SideTask]:
        tasks = []
        for i in self._asked:
            for name in _SIDES:
                known = self._checkpoints.side(i, name) if self._resume else None
                if known is not None:
                    self._sides[i, name] = known
                if known is None or not known.is_over:
                    tasks.append(SideTask(i, name, known))
        return tasks

    def _stream(self, plan: ProfilePlan, tasks: list[SideTask]) -> Generator[Side | None]:
        if self._executor is not None:
            return in_tasks(self._executor, self._objective, plan, tasks)
        n_workers = min(self._n_workers, len(tasks))
        if n_workers > 1:
            return in_processes(self._objective, plan, tasks, n_workers)
        return in_threads(self._objective, plan, tasks, n_workers)

    def _keep(self, side: Side) -> None:
        key = (side.position, side.side)
        self._sides[key] = side
        now = time.monotonic()
        if side.is_over or now - self._saved.get(key, 0.0) > _SAVE_SECONDS:
            kept = replace(side, end="cancelled") if side.is_running else side
            self._checkpoints.save_side(kept)
            self._saved[key] = now
            if side.is_over:
                self._checkpoints.save_result(self.result())

    def _tell(self, phase: Phase) -> None:
        over = sum(side.is_over for side in self._sides.values())
        self._on_progress(ProfileProgress(phase, self.result(), over, 2 * len(self._asked)))


def _checked(
    objective: AmiciObjective,
    parameters: Sequence[str] | None,
    optimizer: str,
    level: float,
    priors: bool,
) -> tuple[int, ...]:
    """Positions of the parameters that are asked for, in the order of theta.

    Raises:
        ValueError: an argument can't be used.
        ProblemError: the optimiser can't be used for the problem.
    """
    ids = objective.problem.parameter_ids
    if optimizer not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, but is "
            f"{optimizer!r}{nearest(optimizer, tuple(OPTIMIZERS))}."
        )
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but is {level:g}.")
    if optimizer == "least-squares":
        check_least_squares(objective, priors)
    asked = ids if parameters is None else tuple(parameters)
    if isinstance(parameters, str) or not asked:
        raise ValueError("parameters must be a list of ids, at least one.")
    for name in asked:
        if name not in ids:
            raise ValueError(
                f"{name!r} is not a free parameter of {objective.problem.problem_id}: the "
                f"parameter table has no such parameter{nearest(name, ids)}."
            )
    return tuple(sorted({ids.index(name) for name in asked}))
