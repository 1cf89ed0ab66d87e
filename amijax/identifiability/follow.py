"""One side of a profile: from the optimum outwards, all other parameters optimised anew."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amijax.fit.function import FitFunction, Point
from amijax.fit.optima import SAME_OPTIMUM
from amijax.fit.optimizers import OPTIMIZERS, Stage
from amijax.fit.work import Repeatable
from amijax.identifiability.conditional import ConditionalFunction
from amijax.identifiability.profile_record import End, Side, SideName
from amijax.identifiability.steps import crossing, step_to, summit, tangent
from amijax.objective import AmiciObjective
from amijax.problems.points import on_bounds_of
from amijax.problems.steps import step_sizes
from amijax.scales import FloatArray
from amijax.simulation.settings import SolverSettings

# Of the threshold: by how much llh falls along a step, and how far from it the end may lie.
_DROP, _CLOSE = 0.2, 0.005
_GROWTH = 2.5  # of steps
_LEAST_STEPS = 8  # between the bounds
_MOST_STEPS = 200
_SURELY_MORE = 0.01  # llh than at the optimum: what optimisations leave is less
_HALVINGS = 8  # of a step to points that can't be evaluated
# Of the threshold: along one step; and halvings of a step along which llh falls so far.
_STEEP, _GENTLE = 0.8, 4
_CROSSINGS = 6  # optimisations to find the end
_ACTIVE_SETS = 3  # of parameters that are held at bounds, for one point
_INSIDE = 1e-3  # of the distance between bounds, from one that a parameter leaves
FAR = 10.0  # units without a bound
_REPORT_SECONDS = 0.3


@dataclass(frozen=True, eq=False)
class SideTask(Repeatable):
    """A side that is to be followed.

    Attributes:
        position: of the parameter in theta.
        side: down or up.
        begun: as far as it came before it was interrupted; None if it never began.
    """

    position: int
    side: SideName
    begun: Side | None = None


@dataclass(frozen=True, eq=False)
class ProfilePlan:
    """What all sides have in common.

    Attributes:
        optimizer: a name of `amijax.fit.optimizers.OPTIMIZERS`.
        lower, upper: bounds on the PEtab scale.
        priors: whether objective priors count.
        solver: the solver's settings.
        optimum: where profiles begin, shape (n_parameters,).
        value: llh + log prior there.
        threshold: by how much it falls to the end of an interval.
    """

    optimizer: str
    lower: FloatArray
    upper: FloatArray
    priors: bool
    solver: SolverSettings
    optimum: FloatArray
    value: float
    threshold: float

    def run(
        self, objective: AmiciObjective, task: SideTask, report: Callable[[Side], None]
    ) -> Side:
        """Follow a side from the optimum, or from where it was interrupted."""
        return _Path(objective, self, task, report).followed()

    def given_up(self, task: SideTask, n_lost: int, message: str) -> Side:
        """The record of a side whose processes ended again and again."""
        if task.begun is not None:
            return replace(task.begun, end="failed", message=message, n_lost=n_lost)
        nothing = np.empty(0)
        return Side(
            position=task.position, side=task.side, thetas=np.empty((0, self.optimum.size)),
            values=nothing, slopes=nothing, end="failed", message=message, crossing=math.nan,
            n_evaluations=0, seconds=0.0, n_lost=n_lost,
        )  # fmt: skip


class _Step(NamedTuple):
    theta: FloatArray
    value: float
    slope: float


class _Path:
    """A side under way."""

    def __init__(
        self,
        objective: AmiciObjective,
        plan: ProfilePlan,
        task: SideTask,
        report: Callable[[Side], None],
    ) -> None:
        self._objective = objective.with_solver(plan.solver)
        self._plan, self._task, self._report = plan, task, report
        self._i = task.position
        self._outwards = 1.0 if task.side == "up" else -1.0
        self._bound = float((plan.upper if task.side == "up" else plan.lower)[self._i])
        self._units = step_sizes(objective.problem, plan.optimum)
        self._unit = float(self._units[self._i])
        self._level = plan.value - plan.threshold
        self._steps: list[_Step] = []
        self._last: Point | None = None
        self._n_before, self._seconds_before = 0, 0.0
        self._clock = self._reported = time.monotonic()
        self._why = ""
        if task.begun is not None:
            begun = task.begun
            self._n_before, self._seconds_before = begun.n_evaluations, begun.seconds
            self._steps = [
                _Step(theta, float(value), float(slope))
                for theta, value, slope in zip(
                    begun.thetas, begun.values, begun.slopes, strict=True
                )
            ]

    def followed(self) -> Side:
        """All of it."""
        begin = self._steps[-1].theta if self._steps else self._plan.optimum
        function = self._function()
        self._last = function.at(begin)
        self._count(function)
        if not math.isfinite(self._last.value):
            return self._side("failed", "The optimum can't be evaluated.")
        if not self._steps:
            self._keep(self._last)
        while len(self._steps) <= _MOST_STEPS:
            here = self._steps[-1]
            if here.value < self._level:
                return self._refined()
            x = float(here.theta[self._i])
            if (self._bound - x) * self._outwards <= 1e-9 * self._unit:
                return self._side("bound")
            gone = abs(x - float(self._plan.optimum[self._i]))
            if not math.isfinite(self._bound) and gone >= FAR * self._unit:
                return self._side("far")
            point = self._next()
            if point is None:
                return self._side("failed", self._why)
            self._keep(point)
            if self._is_better(point):
                return self._side("better")
        return self._side("failed", f"{_MOST_STEPS} steps did not reach an end.")

    def _is_better(self, point: Point) -> bool:
        """Whether there is a better optimum: any gain behind a valley, whose top steps may miss."""
        gain = point.value - self._plan.value
        behind_a_valley = point.value - min(step.value for step in self._steps) > SAME_OPTIMUM
        return gain > (_SURELY_MORE if behind_a_valley else SAME_OPTIMUM)

    def _next(self) -> Point | None:
        """The next point, nearer if need be; None if none can be had."""
        here = self._steps[-1]
        x = float(here.theta[self._i])
        step, found = self._step(), None
        for k in range(_HALVINGS):
            target = x + self._outwards * step
            if (self._bound - target) * self._outwards <= 0.1 * step:
                target = self._bound  # no crumbs
            point = self._optimised(target)
            found = point or found
            # A cliff is no parabola's: the others may have lost their optimum on so long a way.
            steep = point is None or here.value - point.value > _STEEP * self._plan.threshold
            if not steep or (found is not None and k >= _GENTLE):
                break
            step *= 0.5
        return found and self._not_beyond_a_summit(found)

    def _not_beyond_a_summit(self, point: Point) -> Point:
        """The point, or a mode that lies between it and the last one."""
        here, there = self._steps[-1], self._step_at(point)
        if len(self._steps) == 1:
            return point
        x, value = summit(
            (float(here.theta[self._i]), float(there.theta[self._i])),
            (here.value, there.value), (here.slope, there.slope),
        )  # fmt: skip
        if value <= max(here.value, there.value) + _SURELY_MORE:
            return point
        return self._optimised(x) or point

    def _step(self) -> float:
        """How far to go: until llh has fallen by a share of the threshold, as far as is known."""
        assert self._last is not None
        here = self._steps[-1]
        drop = _DROP * self._plan.threshold
        rate = -self._outwards * here.slope
        width = float(self._plan.upper[self._i] - self._plan.lower[self._i])
        most = width / _LEAST_STEPS if math.isfinite(width) else FAR * self._unit / _LEAST_STEPS
        before = self._steps[-2] if len(self._steps) > 1 else None
        if before is None:
            curvature = (
                1.0 / self._unit**2 if self._last.curvature is None
                else tangent(self._last.curvature, self._i, self._units)[1]
            )  # fmt: skip
            return min(step_to(drop, rate, curvature), most, self._unit)
        made = abs(float(here.theta[self._i] - before.theta[self._i]))
        # The slopes are those of the profile itself, where Gauss-Newton leaves some curvature out.
        curvature = max(-(here.slope - before.slope) * self._outwards / made, 0.0)
        return min(step_to(drop, rate, curvature), most, _GROWTH * made)

    def _optimised(self, x: float) -> Point | None:
        """The best point with the parameter at x; None if none can be evaluated."""
        function = self._function()
        point = max(
            [function.at(start) for start in self._predicted(x)], key=lambda each: each.value
        )
        held = np.arange(point.theta.size) == self._i
        for _ in range(_ACTIVE_SETS):
            if not math.isfinite(point.value):
                break
            # A trust region that begins on a bound makes no way: what pushes against one is held
            # there, and what only lies there is moved in.
            at = self._at_bounds(point)
            free = ~held & ~(at * point.gradient > 0)
            start = self._away_from_bounds(point, at, held, free)
            if free.any():
                conditional = ConditionalFunction(function, free, start)
                with np.errstate(all="ignore"):
                    OPTIMIZERS[self._plan.optimizer](conditional, start[free], Stage(False, False))
            elif not np.array_equal(start, point.theta):
                function.at(start)
            assert function.best is not None
            point = function.best
            pulled_in = ~held & ~free & (self._at_bounds(point) * point.gradient < 0)
            if not pulled_in.any():
                break
        self._count(function)
        if function.best is None:
            self._why = function.start(0, self._plan.optimum, "failed", "").message
        return function.best

    def _at_bounds(self, point: Point) -> NDArray[np.int8]:
        return on_bounds_of(point.theta, self._plan.lower, self._plan.upper)

    def _away_from_bounds(
        self,
        point: Point,
        at: NDArray[np.int8],
        held: NDArray[np.bool_],
        free: NDArray[np.bool_],
    ) -> FloatArray:
        """Where to begin: parameters that push against a bound on it, others at a distance."""
        lower, upper = self._plan.lower, self._plan.upper
        with np.errstate(invalid="ignore"):
            inside = np.where(np.isfinite(upper - lower), _INSIDE * (upper - lower), 0.0)
        theta = np.where(at > 0, upper, np.where(at < 0, lower, point.theta))
        theta = np.where(free & (at != 0), theta - at * inside, theta)
        return np.where(held, point.theta, theta)

    def _predicted(self, x: float) -> list[FloatArray]:
        """Where the others may be at their best: by Gauss-Newton, in the last direction, as now."""
        here = self._steps[-1]
        ahead = x - float(here.theta[self._i])
        moves = [np.zeros_like(here.theta)]
        assert self._last is not None
        # Where the last direction is known, Gauss-Newton and staying are not worth their try.
        if len(self._steps) < 3 and self._last.curvature is not None and here.theta.size > 1:
            moves.append(tangent(self._last.curvature, self._i, self._units)[0] * ahead)
        if len(self._steps) > 1:
            before = self._steps[-2].theta
            made = float(here.theta[self._i] - before[self._i])
            if made:
                moves.append((here.theta - before) * (ahead / made))
        points = []
        for move in moves if len(self._steps) < 3 else moves[1:]:
            point = np.clip(here.theta + move, self._plan.lower, self._plan.upper)
            point[self._i] = x
            points.append(point)
        return points

    def _refined(self) -> Side:
        """The end of a side whose last point is below the threshold."""
        inside, outside = self._steps[-2], self._steps[-1]
        for k in range(_CROSSINGS):
            x = self._crossing(inside, outside)
            if (
                k == _CROSSINGS - 1
                or min(abs(each.value - self._level) for each in (inside, outside))
                <= _CLOSE * self._plan.threshold
            ):
                break
            self._steps.pop()  # predictions go on from the point inside
            point = self._optimised(x)
            if point is not None:
                self._keep(point)
                if self._is_better(point):
                    return self._side("better")
                if point.value >= self._level:
                    inside = self._steps[-1]
                else:
                    outside = self._steps.pop()
            self._steps.append(outside)
            if point is None:
                break
        if inside.value - outside.value > _STEEP * self._plan.threshold:
            return self._side(
                "failed",
                f"llh jumps by {inside.value - outside.value:.3g} to "
                f"{float(outside.theta[self._i]):.4g}: the others' optimum was not found at all "
                "points. Fit with more starts, or take tighter tolerances.",
            )
        return self._side("threshold", crossing=self._crossing(inside, outside))

    def _crossing(self, inside: _Step, outside: _Step) -> float:
        return crossing(
            (float(inside.theta[self._i]), float(outside.theta[self._i])),
            (inside.value, outside.value), (inside.slope, outside.slope), self._level,
        )  # fmt: skip

    def _function(self) -> FitFunction:
        plan = self._plan
        return FitFunction(
            self._objective, plan.lower, plan.upper, priors=plan.priors, watch=self._watch
        )

    def _watch(self, function: FitFunction) -> None:
        if time.monotonic() - self._reported > _REPORT_SECONDS:
            self._reported = time.monotonic()
            self._report(self._side("running", more=function.n_evaluations))

    def _count(self, function: FitFunction) -> None:
        self._n_before += function.n_evaluations

    def _step_at(self, point: Point) -> _Step:
        return _Step(point.theta, point.value, float(point.gradient[self._i]))

    def _keep(self, point: Point) -> None:
        self._steps.append(self._step_at(point))
        self._last = point
        self._reported = time.monotonic()
        self._report(self._side("running"))

    def _side(self, end: End, message: str = "", crossing: float = math.nan, more: int = 0) -> Side:
        steps = self._steps
        return Side(
            position=self._i, side=self._task.side,
            thetas=np.array([step.theta for step in steps]).reshape(len(steps), -1),
            values=np.array([step.value for step in steps]),
            slopes=np.array([step.slope for step in steps]),
            end=end, message=message, crossing=crossing,
            n_evaluations=self._n_before + more,
            seconds=self._seconds_before + time.monotonic() - self._clock,
        )  # fmt: skip
