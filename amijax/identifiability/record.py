"""The record of what the curvature at a point says of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amijax.scales import FloatArray, Scale
from amijax.simulation.failures import Failure
from amijax.simulation.hessians import HessianMethod
from amijax.simulation.settings import SolverSettings

DirectionKind = Literal["flat", "weak", "negative"]


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in which the data determine parameters badly or not at all.

    Attributes:
        kind: flat: the curvature does not stand above its noise; weak: it does, but the 95 %
            interval along it is longer than what the bounds leave; negative: llh curves upwards,
            so that the point is no maximum along it.
        eigenvalue: the curvature along it, per unit (`Identifiability.units`) squared; of a basis
            of several flat directions, the largest of theirs.
        components: how far each parameter moves along it, in units, the largest 1; shape (n,).
        parameters: those that move by at least a tenth of the largest, that one first.
        sentence: the same in words.
    """

    kind: DirectionKind
    eigenvalue: float
    components: FloatArray
    parameters: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, eq=False)
class Identifiability:
    """What minus the second derivative of llh + log prior says at a point.

    Arrays follow `parameter_ids`; n is their number.

    Attributes:
        problem_id: the problem.
        problem_digest: of its files.
        parameter_ids: the free parameters.
        scales: their PEtab scales.
        theta: the point, on the PEtab scale.
        lower, upper: bounds on the PEtab scale.
        at_bounds: -1 on the lower, 1 on the upper bound, else 0.
        llh: log-likelihood there.
        log_prior: None where priors don't count.
        gradient: of llh + log prior with respect to theta.
        method: how the second derivatives were computed (`AmiciObjective.hessian`).
        left_out: what the method leaves out, a sentence; empty for differences.
        level: of the intervals, 0.95.
        curvature: minus the second derivative with respect to theta, shape (n, n).
        error: of each entry, in 95 of 100 cases; shape (n, n).
        units: of each parameter in the spectrum: 1 on logarithmic scales (a decade, a factor e),
            the parameter's own size on linear scale.
        eigenvalues: of the curvature per unit, the largest first, shape (n,).
        eigenvectors: in columns, in the same order, in units.
        eigenvalue_noise: what the entries' errors make of each eigenvalue.
        noise: the floor: what does not stand above it is not counted in the rank.
        rank: eigenvalues above the floor.
        directions: those that are flat, negative or weak, the flattest first.
        standard_errors: of theta to first order, shape (n,); infinite for parameters that flat
            directions move.
        standard_errors_linear: of the linear parameters, by the derivative of the scale.
        intervals: theta -+ a multiple of the standard error, shape (n, 2); may leave the bounds.
        intervals_linear: the same ends on linear scale.
        correlations: of the estimates, shape (n, n); NaN for parameters without standard error.
        expected_gain: by how much llh + log prior would grow at the maximum of the quadratic
            approximation within the bounds' active side; 0 at an optimum.
        failure: why there is no result; None if there is one.
        evaluations: simulations with sensitivities that it took.
        seconds: wall time.
        solver: the settings of the second derivatives.
    """

    problem_id: str
    problem_digest: str
    parameter_ids: tuple[str, ...]
    scales: tuple[Scale, ...]
    theta: FloatArray
    lower: FloatArray
    upper: FloatArray
    at_bounds: NDArray[np.int8]
    llh: float
    log_prior: float | None
    gradient: FloatArray
    method: HessianMethod
    left_out: str
    level: float
    curvature: FloatArray
    error: FloatArray
    units: FloatArray
    eigenvalues: FloatArray
    eigenvectors: FloatArray
    eigenvalue_noise: FloatArray
    noise: float
    rank: int
    directions: tuple[Direction, ...]
    standard_errors: FloatArray
    standard_errors_linear: FloatArray
    intervals: FloatArray
    intervals_linear: FloatArray
    correlations: FloatArray
    expected_gain: float
    failure: Failure | None
    evaluations: int
    seconds: float
    solver: SolverSettings

    @property
    def n_parameters(self) -> int:
        """Free parameters."""
        return len(self.parameter_ids)

    @property
    def is_optimum(self) -> bool:
        """Whether the quadratic approximation finds nothing better that a test could tell."""
        return self.expected_gain <= NO_GAIN


# llh that could grow by less is at its optimum: as `amijax.fit.optima.SAME_OPTIMUM`.
NO_GAIN = 0.1
