"""What an optimiser works on: llh and log prior with gradient, counted, kept and watched."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from amijax.fit.record import Exit, FailedPoints, Start, Trace
from amijax.objective import AmiciObjective
from amijax.problems.points import on_bounds_of
from amijax.problems.priors import (
    LogPrior,
    log_prior_at,
    objective_priors,
    prior_residuals,
)
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure


@dataclass(frozen=True, eq=False)
class Point:
    """A point that was evaluated.

    Attributes:
        theta: shape (n_parameters,), on the PEtab scale.
        llh: NaN after a failure.
        log_prior: None where priors don't count.
        value: llh + log prior, -inf after a failure or where the prior has no support.
        gradient: of value with respect to theta; NaN after a failure.
        curvature: an approximation of minus its second derivative, shape (n, n): AMICI's Fisher
            information plus that of the prior. None where there is none.
    """

    theta: FloatArray
    llh: float
    log_prior: float | None
    value: float
    gradient: FloatArray
    curvature: FloatArray | None


class Maximised(Protocol):
    """What the optimisers of `amijax.fit.optimizers` work on."""

    @property
    def lower(self) -> FloatArray:
        """Bounds on the PEtab scale."""

    @property
    def upper(self) -> FloatArray:
        """The other bounds."""

    @property
    def best(self) -> Point | None:
        """The best point so far within the bounds."""

    def at(self, theta: FloatArray) -> Point:
        """Value, gradient and curvature."""

    def residuals_at(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals and their Jacobian."""

    def minus_value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Both with the sign changed."""


class FitFunction:
    """llh + log prior of a problem as a function of theta, to be maximised within bounds.

    Value and gradient always come from one simulation, since the value without a gradient differs
    in the eighth digit, which misleads a line search. The last point is kept, so that asking for
    its value and then for its gradient costs one evaluation. Not safe for several threads at once.
    """

    def __init__(
        self,
        objective: AmiciObjective,
        lower: FloatArray,
        upper: FloatArray,
        *,
        priors: bool = True,
        watch: Callable[[FitFunction], None] = lambda _: None,
    ) -> None:
        """Set up.

        Args:
            objective: the problem and how it is simulated; points are evaluated on one core.
            lower: bounds on the PEtab scale: points beyond them can be evaluated, but are never
                the best.
            upper: the other bounds.
            priors: whether objective priors count.
            watch: called after each evaluation; what it raises goes through the optimiser.
        """
        self.objective = objective.with_num_threads(1).with_executor(None)
        self.lower, self.upper = lower, upper
        self._priors = objective_priors(objective.problem) if priors else ()
        self._watch = watch
        self._last: Point | None = None
        self._last_residuals: tuple[FloatArray, FloatArray, FloatArray] | None = None
        self._failures: Counter[str] = Counter()
        self._first_of: dict[str, str] = {}
        self._trace: list[tuple[int, float, float]] = []
        self._clock, self._cpu_clock = time.perf_counter(), time.thread_time()
        self.n_evaluations = 0
        self.best: Point | None = None

    def go_on_from(self, start: Start) -> None:
        """Count on from an interrupted start: its evaluations, times, failures and trace."""
        self.n_evaluations = start.n_evaluations
        self._clock -= start.seconds
        self._cpu_clock -= start.cpu_seconds
        for each in start.failures:
            self._failures[each.reason] += each.count
            self._first_of[each.reason] = each.reason
        trace = start.trace
        self._trace = [
            (int(n), float(seconds), float(value))
            for n, seconds, value in zip(
                trace.evaluations, trace.seconds, trace.values, strict=True
            )
        ]

    def use(self, objective: AmiciObjective, best: FloatArray | None = None) -> None:
        """Simulate with other settings from now on; the best point is evaluated with them first,
        since values of different settings can't be compared; the trace loses those that only
        the other settings had.

        Args:
            objective: the problem with these settings.
            best: the best point of a start that this one goes on from.
        """
        self.objective = objective.with_num_threads(1).with_executor(None)
        if self.best is not None:
            best = self.best.theta
        self.best, self._last, self._last_residuals = None, None, None
        if best is not None:
            value = self.at(best).value
            self._trace = [step for step in self._trace if step[2] < value]
            if math.isfinite(value):
                self._trace.append((self.n_evaluations, self.seconds, value))

    def at(self, theta: ArrayLike) -> Point:
        """Value, gradient and curvature at a point; a failure has the value -inf.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
        """
        theta = np.array(theta, dtype=np.float64)
        if self._last is not None and np.array_equal(theta, self._last.theta):
            return self._last
        point = self._evaluated(theta)
        self._record(point)
        return point

    def __call__(self, theta: ArrayLike) -> float:
        """The value at a point, to be maximised; -inf after a failure."""
        return self.at(theta).value

    def residuals_at(self, theta: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Residuals whose squares sum to minus twice the value plus a constant, with Jacobian.

        Those of the measurements with their noise terms
        (`amijax.simulation.residuals.extended_residuals`), then those of normal priors. NaN after
        a failure.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.

        Returns:
            Shapes (n_residuals,) and (n_residuals, n_parameters).

        Raises:
            ProblemError: noise or a prior is not normal.
        """
        theta = np.array(theta, dtype=np.float64)
        if self._last_residuals is not None and np.array_equal(theta, self._last_residuals[0]):
            return self._last_residuals[1:]
        priors, slopes = prior_residuals(self.objective.problem, self._priors, theta)
        found = self.objective.residuals(theta, extended=True)
        assert found.jacobian is not None
        values = np.concatenate([found.values, priors])
        jacobian = np.concatenate([found.jacobian, slopes])
        self._last_residuals = theta, values, jacobian
        prior = log_prior_at(self.objective.problem, self._priors, theta)
        self._record(self._point(theta, prior, found.failure, found.measured.evaluation))
        return values, jacobian

    def minus_value_and_gradient(self, theta: ArrayLike) -> tuple[float, FloatArray]:
        """Both with the sign changed, for what minimises; inf and NaN after a failure."""
        point = self.at(theta)
        return -point.value, -point.gradient

    def gain_of_last(self, n: int) -> float:
        """How much the best value grew in the last n evaluations, inf if there was none before."""
        before = [value for k, _, value in self._trace if k <= self.n_evaluations - n]
        now = self._trace[-1][2] if self._trace else -math.inf
        return now - before[-1] if before else (math.inf if self._trace else 0.0)

    @property
    def seconds(self) -> float:
        """Since it was set up, including what it goes on from."""
        return time.perf_counter() - self._clock

    def start(self, index: int, theta_start: FloatArray, exit: Exit, message: str) -> Start:
        """The record of a start that is here now.

        Args:
            index: of the start.
            theta_start: where it began.
            exit: why it ended, or that it runs.
            message: in words.
        """
        best = self.best
        nothing = np.full(theta_start.shape, np.nan)
        if best is None and exit not in ("running", "cancelled", "time limit"):
            exit = "failed"
            message = self._why_nothing() or message
        columns = np.array(self._trace, dtype=np.float64).reshape(-1, 3).T
        return Start(
            index=index,
            theta_start=theta_start,
            theta=nothing if best is None else best.theta,
            llh=math.nan if best is None else best.llh,
            log_prior=None if best is None else best.log_prior,
            gradient=nothing if best is None else best.gradient,
            gradient_norm=math.nan if best is None else self._free_norm(best),
            n_evaluations=self.n_evaluations,
            seconds=self.seconds,
            cpu_seconds=time.thread_time() - self._cpu_clock,
            exit=exit,
            message=message,
            failures=tuple(
                FailedPoints(self._first_of[kind], count)
                for kind, count in self._failures.most_common()
            ),
            trace=Trace(*columns),
        )

    def _evaluated(self, theta: FloatArray) -> Point:
        prior = log_prior_at(self.objective.problem, self._priors, theta)
        nothing = np.full(theta.shape, np.nan)
        if prior is not None and not math.isfinite(prior.value):
            self._count(
                "prior", "The point has no prior density. Begin where the priors have some."
            )
            return Point(theta, math.nan, prior.value, -math.inf, nothing, None)
        evaluation = self.objective.evaluate(theta, fim=True)
        return self._point(theta, prior, evaluation.failure, evaluation)

    def _point(
        self,
        theta: FloatArray,
        prior: LogPrior | None,
        failure: Failure | None,
        found: Evaluation,
    ) -> Point:
        """The record of what was simulated."""
        if failure is not None:
            self._count(f"{failure.kind} {failure.status}", str(failure))
            prior_value = None if prior is None else prior.value
            nothing = np.full(theta.shape, np.nan)
            return Point(theta, math.nan, prior_value, -math.inf, nothing, None)
        llh, gradient, fim = found.llh, found.gradient, found.fim
        assert gradient is not None
        if prior is None:
            return Point(theta, llh, None, llh, gradient, fim)
        if fim is not None:
            fim = fim + np.diag(prior.curvature)
        return Point(theta, llh, prior.value, llh + prior.value, gradient + prior.gradient, fim)

    def _record(self, point: Point) -> None:
        """Count a point, and keep it if it is the best."""
        self._last = point
        self.n_evaluations += 1
        theta = point.theta
        inside = bool((theta >= self.lower).all() and (theta <= self.upper).all())
        if inside and (self.best is None or point.value > self.best.value):
            if math.isfinite(point.value):
                self.best = point
            best_so_far = self._trace[-1][2] if self._trace else -math.inf
            if point.value > best_so_far:
                self._trace.append((self.n_evaluations, self.seconds, point.value))
        self._watch(self)

    def _count(self, kind: str, reason: str) -> None:
        self._failures[kind] += 1
        self._first_of.setdefault(kind, reason)

    def _why_nothing(self) -> str:
        common = self._failures.most_common(1)
        return self._first_of[common[0][0]] if common else ""

    def _free_norm(self, point: Point) -> float:
        """The gradient's norm without entries that push against a bound."""
        at = on_bounds_of(point.theta, self.lower, self.upper)
        blocked = (at > 0) & (point.gradient > 0) | (at < 0) & (point.gradient < 0)
        return float(np.linalg.norm(point.gradient[~blocked]))
