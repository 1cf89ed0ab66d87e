"""Log-likelihood along single parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure

POINTS = 41


@dataclass(frozen=True, eq=False)
class Slice:
    """The log-likelihood along one parameter, the others as in theta; arrays have shape (n,).

    Attributes:
        position: the parameter's position in theta.
        parameter: its id.
        values: on its PEtab scale, ascending; the current and, where the range holds it, the
            nominal one are among them exactly.
        llh: NaN after a failure.
        gradient: derivative of llh with respect to the parameter on its PEtab scale, NaN after a
            failure; None if it was not asked for.
        failures: why llh is NaN, None where it is not.
        current: where in `values` the current one is.
        nominal: where the nominal one is, None if it is outside the range.
    """

    position: int
    parameter: str
    values: FloatArray
    llh: FloatArray
    gradient: FloatArray | None
    failures: tuple[Failure | None, ...]
    current: int
    nominal: int | None


def parameter_slices(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: Sequence[int],
    *,
    ranges: Mapping[int, tuple[float, float]] | None = None,
    points: int = POINTS,
    gradient: bool = False,
    on_chunk: Callable[[int], None] | None = None,
) -> tuple[Slice, ...]:
    """Evaluate along parameters, one at a time, all of them in a single batch.

    With gradient, sensitivities are computed for the chosen parameters only, which is faster;
    values and entries then differ from those of a full gradient by what the solver's tolerances
    allow, and values from those without sensitivities as well.

    Args:
        objective: the problem, its solver settings and cores.
        theta: the current point, shape (n_parameters,), on the PEtab scale.
        positions: of the parameters in theta.
        ranges: ends on the PEtab scale by position; `slice_range` where none is given. A range
            that leaves out the current value is extended to it.
        points: how many evenly spaced values a range has, both ends included, at least 2.
        gradient: whether to compute the derivative as well.
        on_chunk: called with the number of points finished so far.

    Raises:
        ValueError: theta has the wrong shape, a position is none, or a range is not two finite
            numbers in order.
    """
    problem = objective.problem
    theta = problem.checked(theta)
    columns = []
    for i in positions:
        if not 0 <= i < problem.n_parameters:
            raise ValueError(f"{i} is not the position of one of {problem.n_parameters} parameters")
        ends = (ranges or {}).get(i) or slice_range(problem, theta, i)
        columns.append(_values(ends, float(theta[i]), float(problem.nominal_theta[i]), points))
    thetas = np.repeat(theta[None], sum(column.size for column in columns), axis=0)
    first = np.cumsum([0, *(column.size for column in columns)])
    for i, column, k in zip(positions, columns, first, strict=False):
        thetas[k : k + column.size, i] = column
    if gradient:
        objective = objective.with_gradient_of(np.array(positions, dtype=np.intp))
    evaluations = objective.evaluate_batch(thetas, gradient, on_chunk=on_chunk)
    return tuple(
        _slice(problem, theta, i, column, evaluations[k : k + column.size])
        for i, column, k in zip(positions, columns, first, strict=False)
    )


def slice_range(problem: Problem, theta: FloatArray, position: int) -> tuple[float, float]:
    """A parameter's bounds on its PEtab scale; where one is infinite, instead of it the value in
    theta plus or minus 1 on a logarithmic scale, or plus or minus its size (1 for 0) on linear
    scale.
    """
    value = theta[position]
    reach = max(abs(value), 1.0) if problem.scales[position] == "lin" else 1.0
    lower, upper = problem.lower_theta[position], problem.upper_theta[position]
    return (
        float(lower if np.isfinite(lower) else value - reach),
        float(upper if np.isfinite(upper) else value + reach),
    )


def _values(ends: tuple[float, float], current: float, nominal: float, points: int) -> FloatArray:
    lower, upper = ends
    if not (np.isfinite(lower) and np.isfinite(upper) and lower <= upper):
        raise ValueError(f"A range is two finite numbers, the lower one first, not {ends}.")
    marks = [current, *([nominal] if lower <= nominal <= upper else [])]
    return np.unique(np.append(np.linspace(lower, upper, max(points, 2)), marks))


def _slice(
    problem: Problem,
    theta: FloatArray,
    position: int,
    values: FloatArray,
    evaluations: Sequence[Evaluation],
) -> Slice:
    gradients = [e.gradient for e in evaluations]
    at_nominal = np.flatnonzero(values == problem.nominal_theta[position])
    return Slice(
        position=position,
        parameter=problem.parameter_ids[position],
        values=values,
        llh=np.array([e.llh for e in evaluations]),
        gradient=(
            None
            if any(g is None for g in gradients)
            else np.array([g[position] for g in gradients if g is not None])
        ),
        failures=tuple(e.failure for e in evaluations),
        current=int(np.searchsorted(values, theta[position])),
        nominal=int(at_nominal[0]) if at_nominal.size else None,
    )
