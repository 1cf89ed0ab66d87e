"""Which parameters move the log-likelihood most, the curvature included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.problems.problem import Problem
from amijax.scales import LN10, FloatArray

DECADE = 0.1  # standard step of a parameter on a logarithmic scale, in decades
FRACTION = 0.1  # standard step of a parameter on linear scale, relative to its value


def standard_changes(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    on_chunk: Callable[[int], None] | None = None,
) -> FloatArray:
    """How much llh changes when one parameter alone moves by its standard step, in absolute value.

    Simulated, not foretold by the gradient: at an optimum the gradient is close to 0, and what
    moves llh is its curvature. Each parameter moves in both directions, as far as its bounds
    allow, and the larger change counts. One batch of 2 n_parameters + 1 simulations without
    sensitivities.

    Args:
        objective: the problem, its solver settings and cores.
        theta: the point, shape (n_parameters,), on the PEtab scale.
        on_chunk: called with the number of points finished so far.

    Returns:
        Shape (n_parameters,); NaN where neither direction has a result.

    Raises:
        ValueError: theta has the wrong shape.
    """
    problem = objective.problem
    theta = problem.checked(theta)
    n = theta.size
    steps = standard_steps(problem, theta)
    points = np.repeat(theta[None], 2 * n + 1, axis=0)
    each = np.arange(n)
    points[each, each] = np.maximum(theta - steps, np.minimum(problem.lower_theta, theta))
    points[n + each, each] = np.minimum(theta + steps, np.maximum(problem.upper_theta, theta))
    evaluations = objective.evaluate_batch(points, gradient=False, on_chunk=on_chunk)
    llh = np.array([evaluation.llh for evaluation in evaluations])
    changes = np.abs(llh[:-1] - llh[-1]).reshape(2, n)
    return np.fmax(changes[0], changes[1])


def foretold_changes(problem: Problem, theta: FloatArray, gradient: FloatArray) -> FloatArray:
    """The same to first order, by the gradient alone, which costs nothing: |gradient| · step.

    Args:
        problem: gives scales, nominal values and bounds.
        theta: the point, shape (n_parameters,), on the PEtab scale.
        gradient: of llh there, with respect to theta.
    """
    return np.abs(gradient) * standard_steps(problem, theta)


def most_influential(changes: FloatArray, n: int = 6) -> tuple[int, ...]:
    """Positions of the largest changes, the largest first.

    Args:
        changes: from `standard_changes` or `foretold_changes`; missing ones come last, ties in
            the table's order.
        n: how many, at most.
    """
    known = np.where(np.isnan(changes), -1.0, changes)
    return tuple(int(i) for i in np.argsort(-known, kind="stable")[:n])


def standard_steps(problem: Problem, theta: FloatArray) -> FloatArray:
    """The steps of `standard_changes` on the PEtab scale, shape (n_parameters,).

    A tenth of a decade on a logarithmic scale; on linear scale a tenth of the value, or of the
    nominal one if that is larger, or, where both are 0, of the distance between the bounds.

    Args:
        problem: gives scales, nominal values and bounds.
        theta: the point, shape (n_parameters,), on the PEtab scale.
    """
    size = np.maximum(np.abs(theta), np.abs(problem.nominal_theta))
    width = problem.upper_theta - problem.lower_theta
    size = np.where(size > 0, size, np.where(np.isfinite(width), width, 1.0))
    steps = {"log10": DECADE, "log": DECADE * LN10}
    return np.array(
        [steps.get(scale, FRACTION * s) for scale, s in zip(problem.scales, size, strict=True)]
    )
