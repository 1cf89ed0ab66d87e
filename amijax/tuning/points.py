"""Where settings are measured: the points, the truth there, and what witnesses say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from amijax.audit.steps import random_directions, step_sizes
from amijax.audit.witnesses import finite_differences, tight_gradient, tight_objective
from amijax.objective import AmiciObjective
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import LADDER, SolverSettings
from amijax.tuning.errors import digits_of, gradient_error

type GoOn = Callable[[], None]

# Around nominal: up to 5 % of the distance between the bounds, half a decade where they are ten
# decades apart. Far away many models don't simulate, and a fit that is there needs few digits.
_AROUND = 0.05
_UNBOUNDED = 10.0  # distance of bounds that there are none of, on the PEtab scale
N_DIRECTIONS = 2
_RTOLS = (1e-13, 1e-12, 1e-11, 1e-10)
_ATOLS = (1e-16, 1e-14, 1e-12, 1e-10)
_MAX_STEPS = 1_000_000
# Time for a simulation at tight tolerances, relative to one at the baseline's.
_ALLOWANCE, _LEAST_ALLOWANCE = 20.0, 2.0


@dataclass(frozen=True, eq=False)
class Witnessed:
    """Derivatives of llh along random directions by finite differences, without sensitivities.

    Attributes:
        directions: shape (m, n_parameters).
        values, uncertainty: shape (m,); NaN and infinite where there is nothing to say.
        sizes: each parameter's unit, shape (n_parameters,).
    """

    directions: FloatArray
    values: FloatArray
    uncertainty: FloatArray
    sizes: FloatArray

    def digits(self, gradient: FloatArray) -> float:
        """Digits of a gradient that they confirm, relative to its norm; 0 where they can't say.

        As the audit counts them: the distance and the witness's uncertainty add up.

        Args:
            gradient: shape (n_parameters,).
        """
        norm = float(np.linalg.norm(gradient * self.sizes))
        off = np.abs(self.directions @ gradient - self.values) + self.uncertainty
        worst = float(np.max(off, initial=0.0))
        if not (np.isfinite(worst) and norm > 0):
            return 0.0
        return digits_of(worst / norm)


@dataclass(frozen=True, eq=False)
class KnownPoint:
    """A point at which settings can be judged.

    Attributes:
        name: what it is called.
        theta: shape (n_parameters,), on the PEtab scale.
        reference: AMICI's gradient at tight tolerances, shape (n_parameters,).
        uncertainty: how far that may be off, as an error (`gradient_error`).
        tight: the settings of the reference.
        baseline: the evaluation with the settings that the result is compared with.
        witnessed: what witnesses say.
    """

    name: str
    theta: FloatArray
    reference: FloatArray
    uncertainty: float
    tight: SolverSettings
    baseline: Evaluation
    witnessed: Witnessed

    def error(self, gradient: FloatArray) -> float:
        """The error of a gradient here; never less than the reference's own uncertainty."""
        return max(gradient_error(gradient, self.reference), self.uncertainty)


def around(problem: Problem, count: int, seed: int = 0) -> FloatArray:
    """Points around nominal within the bounds, always the same; shape (count, n_parameters).

    Args:
        problem: gives nominal values and bounds.
        count: how many.
        seed: other points for another one.
    """
    width = problem.upper_theta - problem.lower_theta
    width = np.where(np.isfinite(width), width, _UNBOUNDED)
    random = np.random.default_rng(seed)
    moves = random.uniform(-_AROUND, _AROUND, (count, problem.n_parameters)) * width
    return np.clip(problem.nominal_theta + moves, problem.lower_theta, problem.upper_theta)


def baseline_at(objective: AmiciObjective, theta: FloatArray) -> Evaluation:
    """The evaluation with AMICI's default tolerances or, where they fail, the first that work.

    The last one's failure, if all fail.

    Args:
        objective: the problem; its limits and way to steady states are kept.
        theta: shape (n_parameters,), on the PEtab scale.
    """
    for settings in baselines(objective.solver):
        evaluation = objective.with_solver(settings).evaluate(theta)
        if evaluation.failure is None or evaluation.failure.kind != "integration":
            break
    return evaluation


def baselines(base: SolverSettings) -> Iterator[SolverSettings]:
    """What `auto` tries, with AMICI's default methods."""
    for rung in LADDER:
        yield SolverSettings(
            rtol=rung.rtol, atol=rung.atol, max_steps=max(rung.max_steps, base.max_steps),
            time_limit=base.time_limit, steady_state=base.steady_state,
            steady_state_sensitivities=base.steady_state_sensitivities,
        )  # fmt: skip


def known_point(
    objective: AmiciObjective,
    name: str,
    theta: FloatArray,
    baseline: Evaluation,
    sharp: float,
    go_on: GoOn,
    first: SolverSettings | None = None,
) -> KnownPoint | None:
    """The truth at a point; None where AMICI does not simulate there at tight tolerances.

    Args:
        objective: the problem, with the baseline's settings.
        name: what the point is called.
        theta: shape (n_parameters,), on the PEtab scale.
        baseline: the evaluation there.
        sharp: the relative uncertainty that is wanted of the witnesses.
        go_on: called every now and then; what it raises ends it.
        first: tight settings that worked at another point.
    """
    limit = max(_ALLOWANCE * baseline.cpu_seconds, _LEAST_ALLOWANCE)
    tried = () if first is None else (first,)
    for tight in (*tried, *_tight_settings(objective.solver)):
        found = tight_gradient(objective.with_solver(tight), theta, limit, go_on)
        size = np.linalg.norm(found.values)
        uncertainty = float(np.linalg.norm(found.uncertainty) / size) if size else np.inf
        if not found.reason and np.isfinite(uncertainty):
            witnessed = _witnessed(objective.with_solver(tight), theta, baseline, sharp, go_on)
            return KnownPoint(name, theta, found.values, uncertainty, tight, baseline, witnessed)
    return None


def _tight_settings(base: SolverSettings) -> Iterator[SolverSettings]:
    """Settings for a reference, the tightest first; atol as small as the baseline can bear."""
    for rtol in _RTOLS:
        for atol in sorted({base.atol, *(atol for atol in _ATOLS if atol > base.atol)}):
            yield base.at(rtol, atol, max_steps=_MAX_STEPS)


def _witnessed(
    tight: AmiciObjective, theta: FloatArray, baseline: Evaluation, sharp: float, go_on: GoOn
) -> Witnessed:
    """Finite differences at the reference's settings or, where llh fails there, the audit's."""
    sizes = step_sizes(tight.problem, theta)
    directions = random_directions(theta, sizes, N_DIRECTIONS)
    limit = max(_ALLOWANCE * baseline.cpu_seconds, _LEAST_ALLOWANCE)
    objective: AmiciObjective | None = tight.with_solver(replace(tight.solver, time_limit=limit))
    if tight.evaluate_batch([theta], gradient=False)[0].failure is not None:
        objective = tight_objective(tight, theta, baseline.cpu_seconds)
    if objective is None:
        nothing = np.full(N_DIRECTIONS, np.nan)
        return Witnessed(directions, nothing, np.full(N_DIRECTIONS, np.inf), sizes)
    found = finite_differences(objective, theta, directions, go_on, enough=sharp)
    return Witnessed(directions, found.values, found.uncertainty, sizes)


def chosen_points(
    problem: Problem, drawn: int, own: Sequence[FloatArray]
) -> list[tuple[str, FloatArray]]:
    """Names and points: nominal first, then a person's own, then some around nominal."""
    nominal = np.array(problem.nominal_theta)
    named = [("nominal", nominal)]
    named += [(f"own {i + 1}", theta) for i, theta in enumerate(own) if (theta != nominal).any()]
    return [*named, *((f"drawn {i + 1}", x) for i, x in enumerate(around(problem, drawn)))]
