"""Local identifiability: spectrum, standard errors, intervals and flat directions at a point."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amijax.fit.start_points import Bounds, checked_bounds
from amijax.identifiability.directions import directions_of, reach_of
from amijax.identifiability.record import Identifiability
from amijax.identifiability.spectrum import Spectrum, covariance_of, spectrum_of
from amijax.identifiability.watched import Watched
from amijax.objective import AmiciObjective
from amijax.problems.points import on_bounds_of
from amijax.problems.priors import log_prior_at, objective_priors
from amijax.problems.problem import Problem
from amijax.problems.steps import step_sizes
from amijax.scales import FloatArray, linear_slope
from amijax.simulation.hessians import HessianMethod, hessian_of

LEVEL = 0.95
_PRIOR_STEP = 1e-4  # in units, of differences of the prior's slopes, which are exact


def identify(
    objective: AmiciObjective,
    theta: ArrayLike | None = None,
    *,
    method: HessianMethod = "differences",
    priors: bool = True,
    bounds: Bounds | None = None,
    level: float = LEVEL,
    on_progress: Callable[[int], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> Identifiability:
    """What the curvature of llh + log prior at a point says of its parameters.

    Standard errors and intervals are those of a quadratic llh around its maximum: to be trusted
    where the point is one and llh is nearly quadratic as far as the intervals reach; profiles
    (`amijax.profile`) need neither.

    Args:
        objective: the problem, and the solver's settings.
        theta: shape (n_parameters,), on the PEtab scale; nominal if not given.
        method: `differences` of gradients at tight tolerances, whose only errors are measured, in
            some 6 gradients for each parameter; `ggn` or `fisher`, some 30 gradients, which leave
            out what may matter (`AmiciObjective.hessian`). AMICI's Fisher information has half of
            the curvature of estimated noise scales only.
        priors: whether objective priors of the parameter table count.
        bounds: as in `amijax.fit`; the problem's if not given.
        level: of the intervals.
        on_progress: called with the number of gradients so far.
        check: called several times a second; what it raises ends it.

    Raises:
        ProblemError: a prior can't be used, or noise is not normal and the method needs it.
        ValueError: theta has the wrong shape, or another argument can't be used.
    """
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but is {level:g}.")
    clock = time.perf_counter()
    problem = objective.problem
    point = problem.checked(problem.nominal_theta if theta is None else theta)
    lower, upper = checked_bounds(problem, bounds)
    found_priors = objective_priors(problem) if priors else ()
    watched = Watched(objective, on_progress, check)
    hessian = hessian_of(watched, point, method, errors=True)
    evaluation, failure = hessian.evaluation, hessian.failure
    gradient = evaluation.gradient
    assert gradient is not None
    curvature, error = -hessian.hessian, hessian.error
    prior = log_prior_at(problem, found_priors, point)
    units = step_sizes(problem, point)
    if prior is not None:
        gradient = gradient + prior.gradient
        curvature = curvature + np.diag(_prior_curvature(problem, found_priors, point, units))
    n = problem.n_parameters
    if error is None:
        error = np.full((n, n), np.nan)
    at_bounds = on_bounds_of(point, lower, upper)
    if failure is None and np.isfinite(curvature).all():
        square = np.outer(units, units)
        spectrum = spectrum_of(curvature * square, error * square)
        multiple = float(ndtri(0.5 + 0.5 * level))
        reach = reach_of(spectrum.eigenvectors * units[:, None], point, lower, upper)
        covariance, determined = covariance_of(spectrum, reach, units)
        directions = directions_of(
            spectrum, reach, multiple, problem.parameter_ids, problem.scales, units
        )
        gain = _expected_gain(curvature * square, gradient * units, at_bounds, spectrum.floor)
    else:
        nothing = np.full(n, np.nan)
        spectrum = Spectrum(nothing, np.full((n, n), np.nan), nothing, np.nan)
        covariance, determined = np.full((n, n), np.nan), np.zeros(n, dtype=bool)
        multiple, directions, gain = np.nan, (), np.nan
    deviations = np.sqrt(np.diag(covariance))
    errors = np.where(determined, deviations, np.nan if failure else np.inf)
    intervals = point[:, None] + np.outer(errors, (-multiple, multiple))
    slope = linear_slope(problem.linear(point), problem.scales)
    return Identifiability(
        problem_id=problem.problem_id, problem_digest=problem.identity,
        parameter_ids=problem.parameter_ids, scales=problem.scales,
        theta=point, lower=lower, upper=upper, at_bounds=at_bounds,
        llh=evaluation.llh, log_prior=None if prior is None else prior.value, gradient=gradient,
        method=method, left_out=hessian.left_out, level=level,
        curvature=curvature, error=error, units=units,
        eigenvalues=spectrum.eigenvalues, eigenvectors=spectrum.eigenvectors,
        eigenvalue_noise=spectrum.noise, noise=spectrum.floor, rank=spectrum.rank,
        directions=directions, standard_errors=errors, standard_errors_linear=errors * slope,
        intervals=intervals, intervals_linear=problem.linear(intervals.T).T,
        correlations=covariance / np.outer(deviations, deviations),
        expected_gain=gain, failure=failure, evaluations=hessian.evaluations,
        seconds=time.perf_counter() - clock, solver=evaluation.solver,
    )  # fmt: skip


def _expected_gain(
    curvature: FloatArray, gradient: FloatArray, at_bounds: np.ndarray, floor: float
) -> float:
    """By how much the quadratic approximation grows up to its maximum, all in units.

    Parameters that push against a bound stay; directions that are flat lead nowhere.
    """
    free = ~((at_bounds > 0) & (gradient > 0) | (at_bounds < 0) & (gradient < 0))
    if not free.any():
        return 0.0
    values, vectors = np.linalg.eigh(curvature[np.ix_(free, free)])
    along = vectors.T @ gradient[free]
    up = values > floor
    return float(0.5 * (along[up] ** 2 / values[up]).sum())


def _prior_curvature(
    problem: Problem, priors: Sequence[Any], theta: FloatArray, units: FloatArray
) -> FloatArray:
    """Minus the second derivatives of the log prior with respect to theta, a diagonal.

    Each prior is of one parameter, so that two shifts of all parameters at once give all of them.
    0 where a prior's support or its kink is within the shift.
    """
    step = _PRIOR_STEP * units
    ahead, behind = (log_prior_at(problem, priors, theta + s * step) for s in (1.0, -1.0))
    assert ahead is not None
    assert behind is not None
    found = -(ahead.gradient - behind.gradient) / (2.0 * step)
    return np.where(np.isfinite(found), found, 0.0)
