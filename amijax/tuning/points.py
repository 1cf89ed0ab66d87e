"""Where settings are measured: the points, the truth there, and what witnesses say of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from amijax.audit.testimony import Testimony
from amijax.audit.witnesses import finite_differences, tight_gradient, tight_objective
from amijax.objective import AmiciObjective
from amijax.problems.problem import Problem
from amijax.problems.steps import random_directions, step_sizes
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import LADDER, SolverSettings
from amijax.tuning.errors import digits_of, gradient_error
from amijax.tuning.timing import evaluated

type GoOn = Callable[[], None]

# Around nominal: up to 5 % of the distance between the bounds, half a decade where they are ten
# decades apart. Far away many models don't simulate, and a fit that is there needs few digits.
_AROUND = 0.05
_UNBOUNDED = 10.0  # distance of bounds that there are none of, on the PEtab scale
N_DIRECTIONS = 2
_RTOLS = (1e-13, 1e-12, 1e-11, 1e-10)
_ATOLS = (1e-16, 1e-14, 1e-12, 1e-10)
# Of a reference's sensitivities, relative and absolute: a gradient at rtol 1e-13 takes 1.3 times
# AMICI's defaults with them and 32 times without (Weber_BMC2015), and differs by 1e-8.
_SENSITIVITIES = (1e-8, 1e-10)
# A reference is sharp enough if its uncertainty is a quarter of the errors that it shall tell.
_SHARP = 4.0
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
        norm = math.hypot(*(gradient * self.sizes))
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
        witnessed: what witnesses say; None where they were not asked.
    """

    name: str
    theta: FloatArray
    reference: FloatArray
    uncertainty: float
    tight: SolverSettings
    baseline: Evaluation
    witnessed: Witnessed | None

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
        evaluation = evaluated(objective.with_solver(settings), theta)
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
    target: float | None,
    go_on: GoOn,
    *,
    first: SolverSettings | None = None,
    witnessed: bool = True,
) -> KnownPoint | None:
    """The truth at a point; None where AMICI does not simulate there at tight tolerances.

    Args:
        objective: the problem, with the baseline's settings.
        name: what the point is called.
        theta: shape (n_parameters,), on the PEtab scale.
        baseline: the evaluation there.
        target: the error that shall be told; None for the baseline's.
        go_on: called every now and then; what it raises ends it.
        first: tight settings that worked at another point.
        witnessed: whether finite differences are asked.
    """
    best: tuple[float, Testimony, SolverSettings] | None = None
    limit = max(_ALLOWANCE * baseline.cpu_seconds, _LEAST_ALLOWANCE)
    for tight in _tight_settings(objective.solver, first):
        if best is not None and tight.rtol_fsa is not None:
            continue  # looser than what worked
        found = tight_gradient(objective.with_solver(tight), theta, limit, go_on)
        size = math.hypot(*found.values)
        if found.reason or not size:
            continue
        uncertainty = math.hypot(*found.uncertainty) / size
        if best is None or uncertainty < best[0]:
            best = uncertainty, found, tight
        assert baseline.gradient is not None
        wanted = gradient_error(baseline.gradient, best[1].values) if target is None else target
        if _SHARP * best[0] <= wanted or tight.rtol_fsa is None:
            break
    if best is None:
        return None
    uncertainty, found, tight = best
    heard = None
    if witnessed:
        sharp = (1e-4 if target is None else target) / 10.0
        heard = _witnessed(objective, theta, baseline, sharp, go_on)
    return KnownPoint(name, theta, found.values, uncertainty, tight, baseline, heard)


def _tight_settings(base: SolverSettings, first: SolverSettings | None) -> Iterator[SolverSettings]:
    """Settings for a reference in the order in which they are tried; None of them is loose.

    The cheap ones first, the tightest first; then, where these are not sharp enough, those whose
    sensitivities are as tight as the states. atol is as small as the baseline can bear.
    """
    if first is not None:
        yield first
    atols = sorted({base.atol, *(atol for atol in _ATOLS if atol > base.atol)})
    relative, absolute = _SENSITIVITIES
    plain = [base.at(r, atol, max_steps=_MAX_STEPS) for r in _RTOLS for atol in atols]
    for each in plain:
        yield replace(
            each, internal_sensitivity_method="staggered", rtol_fsa=relative, atol_fsa=absolute
        )
    yield from plain


def _witnessed(
    objective: AmiciObjective, theta: FloatArray, baseline: Evaluation, sharp: float, go_on: GoOn
) -> Witnessed:
    """Finite differences at the tightest tolerances at which llh can be had.

    Without sensitivities these may be tighter than the reference's: Fujita_SciSignal2010 simulates
    at atol 1e-16 then, and differences are a hundred times as sharp as at 1e-12.
    """
    sizes = step_sizes(objective.problem, theta)
    directions = random_directions(theta, sizes, N_DIRECTIONS)
    tightest = objective.with_solver(objective.solver.at(_RTOLS[0], _ATOLS[0]))
    tight = tight_objective(tightest, theta, baseline.cpu_seconds) or tight_objective(
        objective, theta, baseline.cpu_seconds
    )
    if tight is None:
        nothing = np.full(N_DIRECTIONS, np.nan)
        return Witnessed(directions, nothing, np.full(N_DIRECTIONS, np.inf), sizes)
    found = finite_differences(tight, theta, directions, go_on, few=True, enough=sharp)
    return Witnessed(directions, found.values, found.uncertainty, sizes)


def chosen_points(
    problem: Problem, drawn: int, own: Sequence[FloatArray]
) -> list[tuple[str, FloatArray]]:
    """Names and points: nominal first, then a person's own, then some around nominal."""
    nominal = np.array(problem.nominal_theta)
    named = [("nominal", nominal)]
    named += [(f"own {i + 1}", theta) for i, theta in enumerate(own) if (theta != nominal).any()]
    return [*named, *((f"drawn {i + 1}", x) for i, x in enumerate(around(problem, drawn)))]
