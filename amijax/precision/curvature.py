"""The float32 error of the gradient predicted from curvature: a Hessian times the rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.budget import ErrorBudget
from amijax.precision.noise import NoiseFloor
from amijax.precision.reference import Reference
from amijax.precision.values import Report, silent
from amijax.scales import LN10, FloatArray

HessianMethod = Literal["finite differences", "Fisher information"]
Outcome = Literal["predicted", "noise floor", "result", "higher order"]

UNIT_ROUNDOFF = 2.0**-24  # of float32

# Steps of the differences, in decades or, on linear scale, relative to the value: sixteen times
# what float32 rounds, since curvature over that distance is what counts; where that leads to a
# point that can't be simulated (Crauste_CellSystems2017), as far as float32 rounds. Where
# float32's error matters, both are far above the noise of a gradient at rtol 1e-13.
_STEPS = (2.0**-20, UNIT_ROUNDOFF)
# Time limit for a simulation next to theta, relative to AMICI's time for all of the reference.
_ALLOWANCE = 10.0
_LEAST_ALLOWANCE = 2.0  # seconds
_FITS = 0.5  # a prediction fits if it misses at most this share of what was measured
_NOISE_WIDTH = 3.0 * np.sqrt(2.0)  # standard deviations of a difference of two noisy numbers
_RESULT = 8.0 * UNIT_ROUNDOFF  # relative; what the three roundings of the result may cost


@dataclass(frozen=True, eq=False)
class PredictedError:
    """The first-order prediction of the gradient's float32 error, and what became of it.

    Rows are the chosen parameters (n), columns all (m).

    Attributes:
        hessian: of llh with respect to theta, shape (n, m), from the method chosen.
        method: finite differences of the gradient at the reference's tolerances, or AMICI's
            Fisher information matrix: products of residual sensitivities, the Gauss-Newton part
            of the Hessian, which holds only half of the curvature of noise parameters.
        misses: for each method that could be tried, how far it misses the change of the gradient
            along the direction of the rounding, measured directly; relative, in norm.
        rounding: how far float32 moves theta, by rounding and by the transformation; shape (m,).
        predicted: hessian @ rounding, shape (n,).
        measured: float32 - float64 gradient, shape (n,).
        predicted_input: the same for rounding theta alone, without the transformation.
        measured_input: likewise.
        condition: condition number of each entry with respect to float32's rounding of theta and
            p; times 2**-24 a first-order bound of the relative error. Shape (n,).
        hessian_condition: condition number of the Hessian in the 2-norm.
        outcomes: for each entry, whether the prediction fits, or why it does not.
    """

    hessian: FloatArray
    method: HessianMethod
    misses: dict[HessianMethod, float]
    rounding: FloatArray
    predicted: FloatArray
    measured: FloatArray
    predicted_input: FloatArray
    measured_input: FloatArray
    condition: FloatArray
    hessian_condition: float
    outcomes: tuple[Outcome, ...]


def predict_error(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: np.ndarray,
    budget: ErrorBudget,
    noise: NoiseFloor,
    reference: Reference,
    report: Report = silent,
) -> PredictedError | None:
    """Compute the Hessian in both ways, take the better one, and predict.

    2 m + 3 evaluations at the reference's tolerances for m parameters.

    Args:
        objective: the problem with all its sensitivities.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: of the chosen parameters in theta.
        budget: at theta, for the same parameters.
        noise: likewise.
        reference: likewise.
        report: called after each chunk of evaluations.

    Returns:
        None where float32, the reference or both kinds of Hessian have no result.
    """
    theta = np.array(theta, dtype=np.float64)
    rounding = budget.points[2] - theta
    if not (reference.values.is_finite and budget.float32.is_finite):
        return None
    limit = max(_ALLOWANCE * reference.cpu_seconds, _LEAST_ALLOWANCE)
    tight = objective.with_solver(replace(reference.solver, time_limit=limit))
    total = 2 * len(theta) + 3
    fisher = -fisher_information(tight, theta)[positions]
    report(1, total)
    chosen = tight.with_gradient_of(positions)
    furthest = 1

    def progress(done: int, _: int) -> None:
        nonlocal furthest  # a second step size does not start from the beginning
        furthest = max(furthest, 1 + done)
        report(furthest, total)

    for size in _STEPS:
        steps = difference_steps(theta, objective, size)
        differences = difference_hessian(chosen, theta, steps, progress)[positions]
        actual = _along(chosen, theta, rounding, steps)[positions]
        if np.isfinite(differences).all() and np.isfinite(actual).all():
            break
    candidates: dict[HessianMethod, FloatArray] = {
        "Fisher information": fisher,
        "finite differences": differences,
    }
    report(total, total)
    direction = rounding / np.linalg.norm(rounding) if rounding.any() else rounding
    misses = {
        method: _miss(hessian @ direction, actual)
        for method, hessian in candidates.items()
        if np.isfinite(hessian).all() and np.isfinite(actual).all()
    }
    if not misses:
        return None
    method = min(misses, key=lambda name: misses[name])
    hessian = candidates[method]
    predicted = hessian @ rounding
    measured = budget.float32.gradient - budget.float64.gradient
    return PredictedError(
        hessian=hessian,
        method=method,
        misses=misses,
        rounding=rounding,
        predicted=predicted,
        measured=measured,
        predicted_input=hessian @ (budget.points[1] - theta),
        measured_input=budget.stages[0].gradient - budget.float64.gradient,
        condition=entry_condition(hessian, theta, objective, reference.values.gradient),
        hessian_condition=float(np.linalg.cond(hessian)),
        outcomes=_outcomes(predicted, measured, budget, noise, reference),
    )


def difference_steps(theta: FloatArray, objective: AmiciObjective, size: float) -> FloatArray:
    """Steps for finite differences: of some decades, or that share of a value on linear scale.

    Args:
        theta: shape (m,), on the PEtab scale.
        objective: the problem.
        size: in decades.
    """
    units = {"log10": 1.0, "log": LN10}
    problem = objective.problem
    span = problem.upper_theta - problem.lower_theta
    return np.array(
        [
            size * (units.get(scale) or abs(value) or (width if np.isfinite(width) else 1.0))
            for scale, value, width in zip(problem.scales, theta, span, strict=True)
        ]
    )


def difference_hessian(
    objective: AmiciObjective, theta: FloatArray, steps: FloatArray, report: Report = silent
) -> FloatArray:
    """Derivatives of the gradient by central differences, shape (m, m): row i is of entry i.

    NaN where a simulation failed. Two evaluations for each parameter, in one batch.

    Args:
        objective: with tight tolerances, or the differences are noise.
        theta: shape (m,), on the PEtab scale.
        steps: shape (m,).
        report: called after each chunk of the batch.
    """
    from scipy.differentiate import jacobian

    total = 2 * len(theta) + 1
    finished = 0

    def gradients(moves: FloatArray) -> FloatArray:
        """Gradients, along the first axis, at theta + steps * moves."""
        nonlocal finished
        flat = moves.reshape(len(theta), -1).T
        # The central point is asked for once for each parameter.
        different, where = np.unique(flat, axis=0, return_inverse=True)
        evaluations = objective.evaluate_batch(
            theta + steps * different, on_chunk=lambda done: report(finished + done, total)
        )
        finished += len(different)
        values = np.array([e.gradient for e in evaluations])[where.ravel()]
        return values.T.reshape(moves.shape)

    # Nothing is gained by iterating: the step is chosen, and the noise grows as it shrinks.
    differences = jacobian(gradients, np.zeros(len(theta)), initial_step=1.0, order=2, maxiter=1)
    return np.asarray(differences.df) / steps


def fisher_information(objective: AmiciObjective, theta: FloatArray) -> FloatArray:
    """AMICI's Fisher information matrix with respect to theta, shape (m, m).

    NaN where the simulation failed or AMICI gives none.

    Args:
        objective: the problem with all its sensitivities, forward ones.
        theta: shape (m,), on the PEtab scale.
    """
    try:
        return objective.llh_gradient_fim(theta).fim
    except ValueError:  # adjoint sensitivities, or noise that is not normal
        return np.full((len(theta), len(theta)), np.nan)


def entry_condition(
    hessian: FloatArray, theta: FloatArray, objective: AmiciObjective, gradient: FloatArray
) -> FloatArray:
    """Amplification of float32's relative roundings of theta and p in each gradient entry.

    sum_j |H_ij| (|theta_j| + s_j) / |g_i|, where s_j is how far theta moves when p changes by
    all of itself, to first order: 1 / ln 10, 1 or |theta_j| for log10, log and lin.

    Args:
        hessian: shape (n, m).
        theta: shape (m,).
        objective: the problem.
        gradient: shape (n,).
    """
    by_scale = {"log10": 1 / LN10, "log": 1.0}
    moved = np.array(
        [by_scale.get(s, abs(x)) for s, x in zip(objective.scales, theta, strict=True)]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(hessian) @ (np.abs(theta) + moved) / np.abs(gradient)


def _along(
    objective: AmiciObjective, theta: FloatArray, direction: FloatArray, steps: FloatArray
) -> FloatArray:
    """Derivative of the gradient along a direction (of any length), measured by itself."""
    if not direction.any():
        return np.zeros_like(theta)
    move = direction / np.max(np.abs(direction) / steps)
    ahead, behind = objective.evaluate_batch([theta + move, theta - move])
    assert ahead.gradient is not None
    assert behind.gradient is not None
    return (ahead.gradient - behind.gradient) / (2 * np.linalg.norm(move))


def _miss(predicted: FloatArray, actual: FloatArray) -> float:
    size = np.linalg.norm(actual)
    return float(np.linalg.norm(predicted - actual) / size) if size else 0.0


def _outcomes(
    predicted: FloatArray,
    measured: FloatArray,
    budget: ErrorBudget,
    noise: NoiseFloor,
    reference: Reference,
) -> tuple[Outcome, ...]:
    missed = np.abs(measured - predicted)
    size = np.abs(budget.float64.gradient)
    # Two evaluations differ by the noise, and by up to twice the solver's error.
    solver = 2 * np.abs(budget.float64.gradient - reference.values.gradient)
    floor = np.fmax(_NOISE_WIDTH * noise.spread[1:], solver)
    fits = missed <= _FITS * np.abs(measured)
    outcomes: list[Outcome] = []
    for i in range(len(predicted)):
        if fits[i]:
            outcomes.append("predicted")
        elif np.abs(measured[i]) <= _RESULT * size[i]:
            outcomes.append("result")
        elif missed[i] <= floor[i]:
            outcomes.append("noise floor")
        else:
            outcomes.append("higher order")
    return tuple(outcomes)
