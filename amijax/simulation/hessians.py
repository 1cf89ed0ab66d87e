"""Hessians of the log-likelihood, each with what is known of its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

import numpy as np

from amijax.differences import vector_derivatives
from amijax.problems.problem import Problem
from amijax.problems.steps import step_sizes
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure
from amijax.simulation.information import FisherInformation
from amijax.simulation.measured_values import MeasuredValues
from amijax.simulation.measurements import MeasuredNoise
from amijax.simulation.residuals import check_normal
from amijax.simulation.settings import SolverSettings
from amijax.simulation.simulator import Simulator

HessianMethod = Literal["differences", "ggn", "fisher"]
METHODS: tuple[HessianMethod, ...] = ("differences", "ggn", "fisher")

LEFT_OUT = {
    "ggn": (
        "The second derivatives of observables and noise scales with respect to theta, weighted "
        "by the residuals, are left out. Directions of little curvature, which standard errors "
        "are made of, may be wrong by far where the matrix as a whole is right."
    ),
    "fisher": (
        "The second derivatives of observables and noise scales with respect to theta are left "
        "out, and so is half of the curvature of estimated noise scales and half of what mixes "
        "them with other parameters."
    ),
}

# Tolerances for gradients that are differentiated: the tightest that work at the point.
_TIGHT = ((1e-12, 1e-16), (1e-12, 1e-14), (1e-11, 1e-12), (1e-10, 1e-10))
_MAX_STEPS = 1_000_000
# CPU time of a gradient at tight tolerances, relative to the usual one.
_ALLOWANCE = 20.0
_LEAST_ALLOWANCE = 2.0  # seconds
# Entries are taken for sharp at this uncertainty, relative to the entry or to this share of the
# largest of its column.
_ENOUGH, _NEGLIGIBLE = 1e-5, 1e-2
# Directions along which an approximation is held against differences, and what its error is more
# than what they show. At 9 points of 3 problems 99 of 100 entries were within, in the median 8
# times as far as need be.
_DIRECTIONS, _SAFETY = 5, 2.0
_DIRECTION_STAGES = (10.0 ** -np.array([2.5, 3.5]), 10.0 ** -np.array([3.0, 4.0, 4.5]))

type Gradients = Callable[[FloatArray], Sequence[Evaluation]]
"""Evaluates at points, shape (k, m), with gradients."""


@dataclass(frozen=True, eq=False)
class Hessian:
    """Second derivatives of the log-likelihood at a point.

    Attributes:
        hessian: of llh (not of minus llh) with respect to theta on the PEtab scale, symmetric;
            shape (m, m); NaN after a failure.
        error: the true error of each entry is smaller in 95 of 100 cases; shape (m, m). Of
            differences: truncation, the solver's noise and asymmetry. Of the approximations: what
            they left out, as measured along a few random directions, and spread over the entries.
            None if it was not asked for.
        method: differences of gradients at tight tolerances, the generalised Gauss-Newton matrix,
            or AMICI's Fisher information, negated.
        left_out: what the method leaves out, a sentence; empty for differences.
        asymmetry: norm of the antisymmetric part before it was taken off, relative to the whole.
        evaluations: simulations with sensitivities that it took, those for the error included.
        evaluation: llh and gradient at the point, by the solver settings used there.
        failure: why there is no result, or which entries have none; None if all are there.
    """

    hessian: FloatArray
    error: FloatArray | None
    method: HessianMethod
    left_out: str
    asymmetry: float
    evaluations: int
    evaluation: Evaluation
    failure: Failure | None

    @property
    def theta(self) -> FloatArray:
        """The point, shape (m,), on the PEtab scale."""
        return self.evaluation.theta

    @property
    def standard_errors(self) -> FloatArray:
        """Roots of the diagonal of the inverse of -hessian, shape (m,).

        At a maximum of llh, the parameters' standard errors to first order (on the PEtab scale).
        NaN where -hessian is not positive definite: there is no such approximation then.
        """
        unknown = np.full(len(self.hessian), np.nan)
        if not np.isfinite(self.hessian).all():
            return unknown
        try:
            root = np.linalg.inv(np.linalg.cholesky(-self.hessian))
        except np.linalg.LinAlgError:
            return unknown
        return np.sqrt((root**2).sum(axis=0))


class Differentiated(Protocol):
    """What a Hessian is made of: an `AmiciObjective`."""

    @property
    def problem(self) -> Problem:
        """Gives scales, bounds and ids."""

    @property
    def simulator(self) -> Simulator:
        """Gives the measurements' noise."""

    @property
    def solver(self) -> SolverSettings:
        """How AMICI integrates."""

    def with_solver(self, solver: SolverSettings) -> Self:
        """The same with other settings."""

    def evaluate(self, theta: FloatArray) -> Evaluation:
        """Llh and gradient."""

    def evaluate_batch(self, thetas: FloatArray) -> Sequence[Evaluation]:
        """Llh and gradient at many points."""

    def gradient_within(self, theta: FloatArray, cpu_seconds: float) -> Evaluation | None:
        """Llh and gradient, None if it takes longer than allowed."""

    def measured_values(self, theta: FloatArray) -> MeasuredValues:
        """All measurements and their derivatives."""

    def llh_gradient_fim(self, theta: FloatArray) -> FisherInformation:
        """llh, gradient and AMICI's Fisher information."""


def hessian_of(
    objective: Differentiated, theta: FloatArray, method: HessianMethod, errors: bool
) -> Hessian:
    """The Hessian of an objective's log-likelihood by one of the methods.

    Args:
        objective: the problem and the settings.
        theta: shape (n_parameters,), on the PEtab scale.
        method: of `METHODS`.
        errors: whether to measure what an approximation leaves out.

    Raises:
        ProblemError: an approximation is asked for where noise is not normal.
        ValueError: the method is unknown, or an approximation is asked for with adjoint
            sensitivities.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but is {method!r}.")
    sizes = step_sizes(objective.problem, theta)
    if method == "differences":
        tight, centre, tried = _tight(objective, theta, objective.evaluate(theta))
        found = difference_hessian(tight.evaluate_batch, centre, sizes)
        return replace(found, evaluations=found.evaluations + tried)
    evaluation: Evaluation
    if method == "ggn":
        noise = objective.simulator.prepared.noise
        check_normal(noise)
        measured = objective.measured_values(theta)
        hessian, evaluation = gauss_newton(measured, noise), measured.evaluation
    else:
        information = objective.llh_gradient_fim(theta)
        hessian, evaluation = -information.fim, information.evaluation
    found = Hessian(
        hessian=hessian,
        error=None,
        method=method,
        left_out=LEFT_OUT[method],
        asymmetry=0.0,
        evaluations=1,
        evaluation=evaluation,
        failure=evaluation.failure,
    )
    if not errors or found.failure is not None:
        return found
    tight, _, tried = _tight(objective, theta, evaluation)
    error, further = approximation_error(hessian, tight.evaluate_batch, theta, sizes)
    return replace(found, error=error, evaluations=1 + tried + further)


def _tight[D: Differentiated](
    objective: D, theta: FloatArray, usual: Evaluation
) -> tuple[D, Evaluation, int]:
    """The objective at the tightest tolerances that work within reasonable time.

    Returns:
        The objective, its evaluation at theta, and how many were tried beside that.
    """
    limit = max(_ALLOWANCE * usual.cpu_seconds, _LEAST_ALLOWANCE)
    base = objective.solver
    if usual.failure is not None and usual.failure.kind != "integration":
        return objective, usual, 0  # no settings mend it
    tried = 1
    for rtol, atol in _TIGHT:
        if rtol < base.rtol:
            tight = objective.with_solver(
                base.at(rtol, atol, max_steps=max(base.max_steps, _MAX_STEPS))
            )
            evaluation = tight.gradient_within(theta, limit)
            if evaluation is not None and evaluation.failure is None:
                return tight, evaluation, tried
            tried += 1
    return objective, usual, tried - 1


def difference_hessian(gradients: Gradients, centre: Evaluation, sizes: FloatArray) -> Hessian:
    """The Hessian by extrapolated central differences of gradients.

    Args:
        gradients: at tight tolerances, or the differences are noise (which `error` tells).
        centre: llh and gradient at the point by the same settings.
        sizes: how far each parameter moves where a step is 1, shape (m,).
    """
    m = centre.theta.size
    if centre.failure is not None:
        unknown = np.full((m, m), np.nan)
        return Hessian(unknown, None, "differences", "", np.nan, 1, centre, centre.failure)
    found = vector_derivatives(
        lambda points: _stacked(gradients(points)), centre.theta, np.diag(sizes),
        enough=_ENOUGH, negligible=_NEGLIGIBLE,
    )  # fmt: skip
    raw, uncertainty = found.values / sizes[:, None], found.uncertainty / sizes[:, None]
    hessian, antisymmetric = 0.5 * (raw + raw.T), 0.5 * np.abs(raw - raw.T)
    error = np.fmax(0.5 * (uncertainty + uncertainty.T), antisymmetric)
    failure = None
    if not np.isfinite(hessian).all():
        lost = int((~np.isfinite(hessian)).sum())
        failure = Failure(
            "output",
            f"{lost} of {m * m} entries of the Hessian have no differences: simulations next to "
            "the point fail",
            "Bring parameters nearer to nominal, or away from where the model ends.",
        )
    whole = np.linalg.norm(raw)
    return Hessian(
        hessian=hessian,
        error=np.where(np.isfinite(error), error, np.inf),
        method="differences",
        left_out="",
        asymmetry=float(np.linalg.norm(antisymmetric) / whole) if whole else 0.0,
        evaluations=1 + found.evaluations,
        evaluation=centre,
        failure=failure,
    )


def gauss_newton(measured: MeasuredValues, noise: MeasuredNoise) -> FloatArray:
    """The generalised Gauss-Newton matrix of llh in z = t(y) and s = log(sigma), shape (m, m).

    J' D J, where J are the derivatives of z and s with respect to theta and D the second
    derivatives of each measurement's log-density -s - r**2 / 2 with r = (z - t(m)) / sigma:
    -1 / sigma**2 for z twice, 2 r / sigma mixed, -2 r**2 for s twice (Schraudolph, Neural Comput.
    14, 2002, for the general form). What is left out has the second derivatives of z and s, which
    for a noise parameter on a logarithmic scale are 0.

    Args:
        measured: the simulation, with its Jacobian.
        noise: of the measurements, all normal.
    """
    assert measured.y_jacobian is not None
    assert measured.sigma_jacobian is not None
    r, slope = np.empty(measured.y.size), np.empty(measured.y.size)
    for model, rows in noise.models:
        y, sigma = measured.y[rows], measured.sigma[rows]
        r[rows] = -model.residual(noise.measurements[rows], y, sigma)
        slope[rows] = model.slope(y)
    by_z = measured.y_jacobian * (slope / measured.sigma)[:, None]
    by_s = measured.sigma_jacobian / measured.sigma[:, None]
    mixed = by_z.T @ (2.0 * r[:, None] * by_s)
    return -by_z.T @ by_z + mixed + mixed.T - by_s.T @ (2.0 * (r**2)[:, None] * by_s)


def approximation_error(
    hessian: FloatArray, gradients: Gradients, theta: FloatArray, sizes: FloatArray
) -> tuple[FloatArray, int]:
    """What an approximation leaves out, measured along random directions.

    For random directions v of entries +-1, the mean of ((H - A) v)_i**2 is the squared norm of
    row i of the error (Hutchinson's argument); no entry is larger, and by symmetry none is larger
    than the norm of its column.

    Args:
        hessian: the approximation A, shape (m, m).
        gradients: at tight tolerances.
        theta: the point.
        sizes: how far each parameter moves where a step is 1.

    Returns:
        The error of each entry, infinite where no difference can be had, and the simulations
        with sensitivities that it took.
    """
    random = np.random.default_rng(theta.size)
    directions = random.choice((-1.0, 1.0), (_DIRECTIONS, theta.size)) * sizes
    found = vector_derivatives(
        lambda points: _stacked(gradients(points)), theta, directions,
        enough=1e-3, stages=_DIRECTION_STAGES, negligible=1e-3,
    )  # fmt: skip
    missed = np.abs(found.values - directions @ hessian) + found.uncertainty
    rows = _SAFETY * np.sqrt((missed**2).mean(axis=0))
    rows = np.where(np.isfinite(rows), rows, np.inf)
    return np.minimum(rows[:, None] / sizes, rows[None, :] / sizes[:, None]), found.evaluations


def _stacked(evaluations: Sequence[Evaluation]) -> FloatArray:
    return np.array([evaluation.gradient for evaluation in evaluations])
