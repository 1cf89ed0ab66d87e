"""The search: settings are tried in the order of their cost until some give the digits."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings
from amijax.simulation.trust import distrusts_adjoint
from amijax.tuning.candidates import methods, starts, tightened, variations
from amijax.tuning.errors import digits_of
from amijax.tuning.points import GoOn, KnownPoint, baseline_at, chosen_points, known_point
from amijax.tuning.record import MARGIN, MeasuredPoint, Outcome, Tried, Tuning
from amijax.tuning.timing import evaluated, in_turns, within

N_DRAWN = 9
LEAST_DIGITS, MOST_DIGITS = 1.0, 10.0
_MOST_TRIED = 160
_ENOUGH_FOUND = 4  # settings that give the digits, before the search ends
_FINALISTS = 4
# What takes longer than the best so far by this is given up: times scatter.
_SLOWER = 1.3
_MOST_TIMES_BASELINE = 30.0
# Points at which finite differences are asked, besides a person's own: nominal and three others.
_WITNESSED = 4
_LEAST_SECONDS = 0.02  # allowed for a gradient in any case
# Finalists are timed in turns with the baseline, so often or for so long.
_TURNS, _TIMING_SECONDS = 9, 4.0
_REPEAT_BELOW = 0.05  # seconds; shorter gradients are timed twice when they are tried
_WORTH_IT = 0.96  # of the baseline's time; what gains less is no reason to leave it
_FIRST_STEP = 1.15  # how much longer a tightened setting is expected to take

type OnProgress = Callable[[int, int], None]


def tune(
    objective: AmiciObjective,
    digits: float | None,
    *,
    points: Sequence[ArrayLike] = (),
    n_drawn: int = N_DRAWN,
    on_progress: OnProgress = lambda _done, _most: None,
) -> Tuning:
    """Find the settings with the least CPU time whose gradient has the digits at every point.

    Digits are those of `amijax.tuning.errors.gradient_error`, against AMICI at tight tolerances;
    what is promised is limited by what finite differences of llh confirm. Settings are tried in
    the order of the time that they are expected to take; what misses the target is tightened, and
    what takes longer than the best so far is given up. Nothing is kept on disk:
    `amijax.tuning.found.tuned` does that.

    Args:
        objective: the problem; of its settings the limits and the way to steady states are kept.
        digits: of the gradient, 1 to 10; None asks for the error of AMICI's defaults, or less, at
            each point.
        points: a person's own, besides nominal and those around it, each of shape
            (n_parameters,), on the PEtab scale.
        n_drawn: how many points are drawn around nominal.
        on_progress: called with the number of settings tried and the most that there can be; what
            it raises ends the search.

    Raises:
        ValueError: digits is out of range, or a point has the wrong shape.

    Examples:
        >>> from amijax import AmiciObjective, load_problem
        >>> from amijax.tuning.search import tune
        >>> found = tune(AmiciObjective(load_problem("Conversion_Reaction")), 4, n_drawn=1)
        >>> found.outcome, len(found.points), found.digits_measured > 4
        ('reached', 2, True)
    """
    if digits is not None and not LEAST_DIGITS <= digits <= MOST_DIGITS:
        raise ValueError(f"digits must be from 1 to 10, but is {digits:g}.")
    own = [objective.problem.checked(theta) for theta in points]
    digits = None if digits is None else float(digits)
    here = objective.with_executor(None).with_num_threads(1)
    return _Search(here, digits, on_progress).run(own, n_drawn)


class _Search:
    """One search under way."""

    def __init__(
        self, objective: AmiciObjective, digits: float | None, on_progress: OnProgress
    ) -> None:
        self._objective, self._digits = objective, digits
        self._on_progress = on_progress
        self._points: list[KnownPoint] = []
        self._allowed: list[float] = []  # errors, at each point
        self._is_judged = True  # whether the truth is known well enough at all points
        self._tried: dict[SolverSettings, Tried] = {}
        self._gradients: dict[SolverSettings, list[FloatArray]] = {}
        self._found: dict[SolverSettings, float] = {}  # settings that give the digits, and seconds
        self._skipped: list[str] = []

    def run(self, own: Sequence[FloatArray], n_drawn: int) -> Tuning:
        start = time.perf_counter()
        go_on = self._look
        problem = self._objective.problem
        nominal = baseline_at(self._objective, problem.nominal_theta)
        if nominal.failure is not None:
            return self._nothing(nominal, f"AMICI fails at nominal: {nominal.failure}", start)
        baseline = self._objective.with_solver(nominal.solver)
        for name, theta in chosen_points(problem, n_drawn, own):
            self._add_point(baseline, name, theta, go_on)
        if not self._points:
            return self._nothing(nominal, " ".join(self._skipped), start)
        n_states = baseline.simulator.loaded.nx_solver
        baseline.simulator.probation.try_ahead(methods(baseline.solver, n_states))
        self._begin_with(baseline.solver)
        self._explore(baseline)
        self._refine(n_states)
        finalists = self._finalists()
        outcome: Outcome = "reached" if self._found and self._is_judged else "missed"
        seconds = in_turns(
            self._objective, dict.fromkeys((*finalists, baseline.solver)), self._points[0].theta,
            turns=_TURNS, budget=_TIMING_SECONDS, look=self._look,
        )  # fmt: skip
        settings = min(finalists, key=lambda each: seconds[each])
        is_enough = baseline.solver in self._found
        if is_enough and seconds[settings] > _WORTH_IT * seconds[baseline.solver]:
            settings = baseline.solver
        measured = self._measured(settings)
        tuning = Tuning(
            problem.problem_id, self._digits, settings, outcome, measured, seconds[settings],
            baseline.solver, seconds[baseline.solver], tuple(self._tried.values()),
            tuple(self._skipped), time.perf_counter() - start,
        )  # fmt: skip
        asked = 0.0 if self._digits is None else self._digits
        if outcome == "reached" and tuning.digits_confirmed < asked:
            tuning = replace(tuning, outcome="unconfirmed")
        return tuning

    def _look(self) -> None:
        self._on_progress(len(self._tried), _MOST_TRIED)

    def _add_point(
        self, baseline: AmiciObjective, name: str, theta: FloatArray, go_on: GoOn
    ) -> None:
        """Take a point in, if the truth is known there."""
        go_on()
        evaluation = evaluated(baseline, theta)
        if evaluation.failure is not None or evaluation.gradient is None:
            why = "" if evaluation.failure is None else evaluation.failure.message
            self._skipped.append(f"{name}: AMICI fails there. {why.split(' (AMICI')[0]}.")
            return
        point = known_point(
            baseline, name, theta, evaluation,
            None if self._digits is None else 10.0**-self._digits / MARGIN, go_on,
            first=self._points[-1].tight if self._points else None,
            witnessed=len(self._points) < _WITNESSED or name.startswith("own"),
        )  # fmt: skip
        if point is None:
            self._skipped.append(f"{name}: AMICI does not simulate there at tight tolerances.")
            return
        own = point.error(evaluation.gradient)
        allowed = own if self._digits is None else 10.0**-self._digits / MARGIN
        if self._digits is not None and point.uncertainty > allowed and self._points:
            self._skipped.append(
                f"{name}: AMICI agrees with itself at tight tolerances to "
                f"{digits_of(point.uncertainty):.1f} digits only."
            )
            return
        self._points.append(point)
        # What is closer to the truth than the truth is known can't be told apart.
        self._allowed.append(max(allowed, point.uncertainty))
        self._is_judged &= point.uncertainty <= allowed or self._digits is None

    def _begin_with(self, baseline: SolverSettings) -> None:
        """The baseline is measured already: what is slower is of no use where it is right."""
        gradients = [p.baseline.gradient for p in self._points if p.baseline.gradient is not None]
        errors = tuple(p.error(g) for p, g in zip(self._points, gradients, strict=True))
        seconds = self._points[0].baseline.cpu_seconds
        self._tried[baseline] = Tried(baseline, errors, seconds)
        if all(e <= allowed for e, allowed in zip(errors, self._allowed, strict=True)):
            self._found[baseline], self._gradients[baseline] = seconds, gradients

    def _explore(self, baseline: AmiciObjective) -> None:
        """Try settings, the cheapest first, until some give the digits."""
        number = itertools.count()
        queue: list[tuple[float, int, SolverSettings, float]] = []
        wanted = -np.log10(min(self._allowed)) if self._digits is None else self._digits
        adjoint = not (distrusts_adjoint(baseline.simulator.plan) or baseline.simulator.has_events)
        for settings in starts(baseline.solver, float(wanted), adjoint):
            heapq.heappush(queue, (0.0, next(number), settings, np.inf))
        enough = len(self._found) + _ENOUGH_FOUND
        while queue and len(self._tried) < _MOST_TRIED and len(self._found) < enough:
            expected, _, settings, before = heapq.heappop(queue)
            if settings in self._tried:
                continue
            if self._found and expected > _SLOWER * min(self._found.values()):
                break
            excess, seconds = self._try(settings)
            if excess <= 1.0 or seconds is None:
                continue
            error = self._tried[settings].errors[-1]
            for each in tightened(settings, error, excess, before):
                heapq.heappush(queue, (_FIRST_STEP * seconds, next(number), each, error))

    def _refine(self, n_states: int) -> None:
        """Try what is next to the best settings, as long as that wins."""
        for _ in range(2):
            if not self._found:
                return
            best = min(self._found, key=lambda each: self._found[each])
            for settings in variations(best, n_states):
                if settings not in self._tried and len(self._tried) < _MOST_TRIED:
                    self._try(settings)
            if min(self._found.values()) >= self._found[best]:
                return

    def _try(self, settings: SolverSettings) -> tuple[float, float | None]:
        """Measure settings at the points until one misses its target.

        Returns:
            The worst error, relative to what is allowed; infinite after a failure. CPU seconds at
            the first point; None where it is not worth going on from these settings.
        """
        self._look()
        objective = self._objective.with_solver(settings)
        errors: list[float] = []
        seconds: list[float] = []
        gradients: list[FloatArray] = []
        worst = 0.0
        baseline_seconds = self._points[0].baseline.cpu_seconds
        for point, allowed in zip(self._points, self._allowed, strict=True):
            evaluation = self._within(objective, point, bool(seconds))
            if evaluation is None or evaluation.failure is not None:
                errors.append(np.inf)
                self._tried[settings] = Tried(
                    settings, tuple(errors), seconds[0] if seconds else np.nan
                )
                # What is tighter takes longer, and is the same code.
                if evaluation is None or evaluation.failure.kind == "trial":  # type: ignore[union-attr]
                    return np.inf, None
                return np.inf, seconds[0] if seconds else 0.5 * baseline_seconds
            assert evaluation.gradient is not None
            gradients.append(evaluation.gradient)
            errors.append(point.error(evaluation.gradient))
            seconds.append(evaluation.cpu_seconds)
            worst = max(worst, errors[-1] / allowed)
            if worst > 1.0:
                break
        self._tried[settings] = Tried(settings, tuple(errors), seconds[0])
        if worst <= 1.0:
            self._found[settings] = seconds[0]
            self._gradients[settings] = gradients
        return worst, seconds[0]

    def _within(
        self, objective: AmiciObjective, point: KnownPoint, is_later: bool
    ) -> Evaluation | None:
        """The gradient at a point, unless it takes longer than it may; the faster of two runs."""
        limit = _MOST_TIMES_BASELINE * point.baseline.cpu_seconds
        if self._found and not is_later:  # elsewhere the same settings may take longer
            limit = min(limit, _SLOWER * min(self._found.values()))
        limit = max(limit, _LEAST_SECONDS)
        evaluation = within(objective, point.theta, limit)
        if evaluation is None or evaluation.failure is not None or is_later:
            return evaluation
        if evaluation.cpu_seconds < _REPEAT_BELOW:
            again = within(objective, point.theta, limit)
            if again is not None and again.cpu_seconds < evaluation.cpu_seconds:
                return again
        return evaluation

    def _finalists(self) -> list[SolverSettings]:
        """The fastest that give the digits; where none do, the most accurate as far as is known."""
        if self._found:
            fastest = sorted(self._found, key=lambda each: self._found[each])[:_FINALISTS]
            baseline = self._points[0].baseline.solver
            return [*fastest, *([baseline] if baseline in self._found else ())]
        usable = [each for each in self._tried.values() if np.isfinite(each.seconds)]
        best = min(usable, key=lambda each: max(each.errors), default=None)
        return [self._points[0].baseline.solver if best is None else best.settings]

    def _measured(self, settings: SolverSettings) -> tuple[MeasuredPoint, ...]:
        """What settings give at all points."""
        gradients = self._gradients.get(settings)
        if gradients is None:  # they missed the target at one of them
            objective = self._objective.with_solver(settings)
            evaluations = [objective.evaluate(point.theta) for point in self._points]
            nothing = np.full(self._objective.problem.n_parameters, np.nan)
            gradients = [nothing if e.gradient is None else e.gradient for e in evaluations]
        measured = []
        for point, gradient in zip(self._points, gradients, strict=True):
            assert point.baseline.gradient is not None
            measured.append(
                MeasuredPoint(
                    point.name, point.theta, gradient, point.reference, point.error(gradient),
                    point.error(point.baseline.gradient),
                    None if point.witnessed is None else point.witnessed.digits(gradient),
                )
            )  # fmt: skip
        return tuple(measured)

    def _nothing(self, nominal: Evaluation, why: str, start: float) -> Tuning:
        settings, seconds = nominal.solver, nominal.cpu_seconds
        return Tuning(
            self._objective.problem.problem_id, self._digits, settings, "missed", (), seconds,
            settings, seconds, (), (why,), time.perf_counter() - start,
        )  # fmt: skip
