"""One start, from its first point to the record of how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amijax.fit.function import FitFunction
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
    reported = time.monotonic()
    is_named = isinstance(plan.optimizer, str)
    stage, began = Stage(), 0

    def watch(function: FitFunction) -> None:
        nonlocal reported
        if is_named and _is_stuck(function, stage, began):
            raise _StuckError
        if time.monotonic() - reported > _REPORT_SECONDS:
            reported = time.monotonic()
            report(function.start(task.index, task.theta_start, "running", ""))

    function = FitFunction(
        objective.with_solver(plan.stages[0]), plan.lower, plan.upper, priors=plan.priors,
        watch=watch,
    )  # fmt: skip
    theta = task.theta_start
    if task.begun is not None:
        function.go_on_from(task.begun)
        if task.begun.has_point:
            theta = task.begun.theta
    end = End("finished", "")
    for i, settings in enumerate(plan.stages):
        stage = Stage(i == 0 and task.begun is None, i == len(plan.stages) - 1)
        began = function.n_evaluations
        if i:
            function.use(objective.with_solver(settings))
            # Where these settings fail at the end of the last stage, from the beginning.
            theta = task.theta_start if function.best is None else function.best.theta
        # The optimum of a line search or a trust region that overflows is judged by its values.
        with np.errstate(all="ignore"):
            end = _optimized(plan.optimizer, function, theta, stage)
    return function.start(task.index, task.theta_start, *end)


class _StuckError(Exception):
    """Neither an optimum nor a way on: raised through the optimiser."""


def _is_stuck(function: FitFunction, stage: Stage, began: int) -> bool:
    if function.n_evaluations - began <= stage.patience:
        return False
    value = 0.0 if function.best is None else function.best.value
    return function.gain_of_last(stage.patience) <= stage.least_gain(value)


def _optimized(
    optimizer: str | Optimizer, function: FitFunction, theta: FloatArray, stage: Stage
) -> End:
    if isinstance(optimizer, str):
        try:
            return OPTIMIZERS[optimizer](function, theta, stage)
        except _StuckError:
            return End("stalled", f"llh no longer grew in {stage.patience} evaluations")
    end = optimizer(function, theta)
    return end if isinstance(end, End) else End("finished", "the optimiser returned")
