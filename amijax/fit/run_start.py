"""One start, from its first point to the record of how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from amijax.fit.function import FitFunction
from amijax.fit.optima import SAME_OPTIMUM
from amijax.fit.optimizers import OPTIMIZERS, End, Optimizer, Stage
from amijax.fit.record import Start, Trace
from amijax.fit.work import Repeatable
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.simulation.settings import SolverSettings

_REPORT_SECONDS = 0.3


@dataclass(frozen=True, eq=False)
class Plan:
    """What all starts of a fit have in common.

    Attributes:
        optimizer: a name of `OPTIMIZERS`, or a callable.
        lower, upper: bounds on the PEtab scale.
        priors: whether objective priors count.
        stages: the solver's settings, one optimisation with each.
    """

    optimizer: str | Optimizer
    lower: FloatArray
    upper: FloatArray
    priors: bool
    stages: tuple[SolverSettings, ...]

    def run(self, objective: AmiciObjective, task: Task, report: Callable[[Start], None]) -> Start:
        """Optimise from a point on, as `run_start`."""
        return run_start(objective, self, task, report)

    def given_up(self, task: Task, n_lost: int, message: str) -> Start:
        """The record of a start whose processes ended again and again.

        Args:
            task: the start.
            n_lost: processes that were lost.
            message: why, and what to do.
        """
        nothing = np.full(task.theta_start.shape, np.nan)
        return Start(
            index=task.index, theta_start=task.theta_start, theta=nothing, llh=np.nan,
            log_prior=None, gradient=nothing, gradient_norm=np.nan, n_evaluations=0,
            seconds=0.0, cpu_seconds=0.0, exit="failed", message=message,
            failures=(), trace=Trace(*np.empty((3, 0))), n_lost=n_lost,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Task(Repeatable):
    """A start that is to be run.

    Attributes:
        index: its number.
        theta_start: where it begins.
        begun: the start as it was interrupted; None if it never began.
    """

    index: int
    theta_start: FloatArray
    begun: Start | None = None


def run_start(
    objective: AmiciObjective, plan: Plan, task: Task, report: Callable[[Start], None]
) -> Start:
    """Optimise from a point on; a failure is part of the record, never raised.

    Args:
        objective: the problem.
        plan: of the fit.
        task: where to begin.
        report: called a few times a second with the start so far; what it raises ends it, and
            comes out.
    """
    begun = task.begun
    # One that was interrupted in its last stage is there already.
    stages = plan.stages if begun is None or begun.is_coarse else plan.stages[-1:]
    watch = _Watch(plan, task, report)
    function = FitFunction(
        objective.with_solver(stages[0]), plan.lower, plan.upper, priors=plan.priors, watch=watch
    )
    theta = task.theta_start
    if begun is not None:
        function.go_on_from(begun)
        if begun.has_point:
            theta = begun.theta
    end = End("finished", "")
    for i, settings in enumerate(stages):
        stage = Stage(i == 0 and begun is None, i == len(stages) - 1)
        watch.begin(stage, function, is_at_optimum=i > 0 and watch.gain(function) > SAME_OPTIMUM)
        if i:
            function.use(objective.with_solver(settings))
            # Where these settings fail at the end of the last stage, from the beginning.
            theta = task.theta_start if function.best is None else function.best.theta
        # The optimum of a line search or a trust region that overflows is judged by its values.
        with np.errstate(all="ignore"):
            end = _optimized(plan.optimizer, function, theta, stage)
    return function.start(task.index, task.theta_start, *end)


def sharpened(objective: AmiciObjective, plan: Plan, start: Start) -> Start:
    """An interrupted start with llh and gradient of the last stage's settings at its best point."""
    if not start.is_coarse or not start.has_point:
        return start
    function = FitFunction(objective, plan.lower, plan.upper, priors=plan.priors)
    function.go_on_from(start)
    function.use(objective.with_solver(plan.stages[-1]), start.theta)
    return function.start(start.index, start.theta_start, start.exit, start.message)


class _Watch:
    """Sees each evaluation of a start: reports now and then, ends a stage that gets nowhere."""

    def __init__(self, plan: Plan, task: Task, report: Callable[[Start], None]) -> None:
        self._task, self._report = task, report
        self._is_named = isinstance(plan.optimizer, str)  # a callable is left alone
        self._reported = time.monotonic()

    def begin(self, stage: Stage, function: FitFunction, *, is_at_optimum: bool) -> None:
        """Have a stage begin, near an optimum or who knows where."""
        self._stage, self._is_at_optimum = stage, is_at_optimum
        self._began, self._value = function.n_evaluations, -math.inf

    def gain(self, function: FitFunction) -> float:
        """How much the stage has climbed from its first point; inf if that has no value."""
        return _value(function) - self._value

    def __call__(self, function: FitFunction) -> None:
        if function.n_evaluations == self._began + 1:
            self._value = _value(function)
        if self._is_named:
            self._check_gain(function)
        if time.monotonic() - self._reported > _REPORT_SECONDS:
            self._reported = time.monotonic()
            start = function.start(self._task.index, self._task.theta_start, "running", "")
            self._report(replace(start, is_coarse=not self._stage.is_last))

    def _check_gain(self, function: FitFunction) -> None:
        stage = self._stage
        # A stage that climbs after all was not at an optimum.
        patience = stage.patience(self._is_at_optimum and self.gain(function) <= SAME_OPTIMUM)
        is_long = function.n_evaluations - self._began > patience
        if is_long and function.gain_of_last(patience) <= stage.least_gain(_value(function)):
            raise _StuckError(f"llh no longer grew in {patience} evaluations")


def _value(function: FitFunction) -> float:
    return -math.inf if function.best is None else function.best.value


class _StuckError(Exception):
    """Neither an optimum nor a way on: raised through the optimiser."""


def _optimized(
    optimizer: str | Optimizer, function: FitFunction, theta: FloatArray, stage: Stage
) -> End:
    if isinstance(optimizer, str):
        try:
            return OPTIMIZERS[optimizer](function, theta, stage)
        except _StuckError as error:
            return End("stalled", str(error))
    end = optimizer(function, theta)
    return end if isinstance(end, End) else End("finished", "the optimiser returned")
