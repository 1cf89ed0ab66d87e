"""What a model says of each measurement: observable, noise scale and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from amijax.scales import FloatArray
from amijax.simulation.evaluation import (
    ConditionResult,
    Evaluation,
    condition_result,
    failed_evaluation,
)
from amijax.simulation.failures import Failure, output_failure
from amijax.simulation.preparation import Condition, Prepared
from amijax.simulation.settings import SolverSettings
from amijax.simulation.vectors import as_array


@dataclass(frozen=True, eq=False)
class MeasuredValues:
    """The simulation of every measurement at a point, from one simulation of all conditions.

    Arrays are in the order of the problem's measurement table (`problem.measurements`), and NaN
    altogether after a failure.

    Attributes:
        y: observables, on linear scale whatever their observableTransformation; shape (n,).
        sigma: noise scales, on the scale of the observableTransformation; shape (n,).
        y_jacobian: derivatives of y with respect to theta, shape (n, n_parameters); None if they
            were not asked for.
        sigma_jacobian: those of sigma, likewise.
        evaluation: log-likelihood and gradient of the same simulation, and what it took.
    """

    y: FloatArray
    sigma: FloatArray
    y_jacobian: FloatArray | None
    sigma_jacobian: FloatArray | None
    evaluation: Evaluation

    @property
    def theta(self) -> FloatArray:
        """The point, shape (n_parameters,), on the PEtab scale."""
        return self.evaluation.theta

    @property
    def llh(self) -> float:
        """Log-likelihood, NaN after a failure."""
        return self.evaluation.llh

    @property
    def failure(self) -> Failure | None:
        """Why there is no result, None if there is one."""
        return self.evaluation.failure


class ConditionValues(NamedTuple):
    """What is kept of one simulation: of its measurements, in the order of `condition.rows`.

    Attributes:
        result: its share of the likelihood.
        y, sigma: shape (n,).
        sy, ssigma: shape (n, len(condition.sensitivity_positions)); None if not asked for.
    """

    result: ConditionResult
    y: FloatArray
    sigma: FloatArray
    sy: FloatArray | None
    ssigma: FloatArray | None

    @property
    def stopped(self) -> Failure | None:
        """Why AMICI could not finish, None if it did or was not run."""
        return self.result.stopped


def condition_values(
    condition: Condition, rdata: Any, jacobian: bool, unsteady: Failure | None = None
) -> ConditionValues:
    """Read what belongs to the measurements from AMICI's ReturnData, each member once.

    Args:
        condition: what was simulated.
        rdata: AMICI's ReturnData, reported as `return_measured` asks for.
        jacobian: whether it holds forward sensitivities.
        unsteady: as in `condition_result`.
    """
    result = condition_result(condition, rdata, jacobian, unsteady)
    times, columns = condition.times, condition.observables
    if rdata.status < 0:  # arrays of a simulation that was not run have other sizes
        unknown = np.full(times.size, np.nan)
        slopes_unknown = np.full((times.size, condition.sensitivity_positions.size), np.nan)
        return ConditionValues(
            result, unknown, unknown, *([slopes_unknown if jacobian else None] * 2)
        )
    n_times, n_observables = rdata.nt, rdata.ny

    def at_measurements(vector: Any) -> FloatArray:
        return as_array(vector).reshape(n_times, n_observables)[times, columns]

    def slopes(vector: Any) -> FloatArray:
        if not condition.sensitivity_positions.size:  # AMICI differentiates for others then
            return np.empty((times.size, 0))
        return as_array(vector).reshape(n_times, -1, n_observables)[times, :, columns]

    return ConditionValues(
        result,
        at_measurements(rdata.y),
        at_measurements(rdata.sigmay),
        slopes(rdata.sy) if jacobian else None,
        slopes(rdata.ssigmay) if jacobian else None,
    )


def values_of(
    evaluation: Evaluation,
    prepared: Prepared,
    results: Sequence[ConditionValues],
    jacobian: bool,
) -> MeasuredValues:
    """Put the results of all conditions at a point into the measurement table's order.

    Args:
        evaluation: of the same results; after its failure there are no values.
        prepared: the conditions.
        results: of the conditions in order; after one that failed there may be fewer.
        jacobian: whether they have derivatives.
    """
    if evaluation.failure is not None:
        return _without_values(evaluation, prepared, jacobian)
    n, m = prepared.noise.measurements.size, evaluation.theta.size
    y, sigma = np.empty(n), np.empty(n)
    y_jacobian = np.zeros((n, m)) if jacobian else None
    sigma_jacobian = np.zeros((n, m)) if jacobian else None
    for condition, result in zip(prepared.conditions, results, strict=True):
        y[condition.rows], sigma[condition.rows] = result.y, result.sigma
        for whole, part in ((y_jacobian, result.sy), (sigma_jacobian, result.ssigma)):
            if whole is not None and part is not None:
                _put(whole, condition, part)
    for condition, result in zip(prepared.conditions, results, strict=True):
        if not all(part is None or np.isfinite(part).all() for part in result[1:]):
            failure = output_failure(condition.label, "observables, noise scales or derivatives")
            nothing = np.full(evaluation.theta.shape, np.nan) if jacobian else None
            failed = replace(evaluation, llh=np.nan, gradient=nothing, failure=failure)
            return _without_values(failed, prepared, jacobian)
    return MeasuredValues(y, sigma, y_jacobian, sigma_jacobian, evaluation)


def refused_values(
    theta: FloatArray, failure: Failure, prepared: Prepared, jacobian: bool, solver: SolverSettings
) -> MeasuredValues:
    """The values of a point that was not simulated."""
    return _without_values(
        failed_evaluation(theta, jacobian, failure, 0.0, solver), prepared, jacobian
    )


def _put(whole: FloatArray, condition: Condition, part: FloatArray) -> None:
    """Add a condition's derivatives to the Jacobian of all."""
    positions = condition.sensitivity_positions
    if np.unique(positions).size == positions.size:
        whole[np.ix_(condition.rows, positions)] = part
    else:  # a parameter of theta is several of the model's
        np.add.at(whole, np.ix_(condition.rows, positions), part)


def _without_values(evaluation: Evaluation, prepared: Prepared, jacobian: bool) -> MeasuredValues:
    n, m = prepared.noise.measurements.size, evaluation.theta.size
    return MeasuredValues(
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full((n, m), np.nan) if jacobian else None,
        np.full((n, m), np.nan) if jacobian else None,
        evaluation,
    )
