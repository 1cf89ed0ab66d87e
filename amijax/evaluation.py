"""One evaluation of a log-likelihood as a record, and how AMICI's results become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import amici.sim.sundials as sundials
import numpy as np

from amijax.failures import NOT_RUN, Failure, integration_failure, output_failure
from amijax.preparation import Condition
from amijax.scales import FloatArray
from amijax.solver import SolverSettings


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of a problem's log-likelihood at a point.

    Attributes:
        theta: the point, shape (n_parameters,), on the PEtab scale.
        llh: log-likelihood, NaN after a failure.
        gradient: its derivative with respect to theta, shape (n_parameters,); NaN after a
            failure, None if it was not asked for.
        failure: why there is no result, None if there is one.
        wall_seconds: duration of the whole call; in a batch, this point's share of it.
        cpu_seconds: AMICI's own CPU time, summed over conditions.
        solver: the settings that produced it.
    """

    theta: FloatArray
    llh: float
    gradient: FloatArray | None
    failure: Failure | None
    wall_seconds: float
    cpu_seconds: float
    solver: SolverSettings


def failed_evaluation(
    theta: FloatArray, gradient: bool, failure: Failure, wall_seconds: float, solver: SolverSettings
) -> Evaluation:
    """The evaluation of a point that was not simulated."""
    nothing = np.full(theta.shape, np.nan) if gradient else None
    return Evaluation(theta, np.nan, nothing, failure, wall_seconds, 0.0, solver)


def evaluation_of(
    theta: FloatArray,
    conditions: Sequence[Condition],
    rdatas: Sequence[Any],
    gradient: bool,
    wall_seconds: float,
    solver: SolverSettings,
) -> Evaluation:
    """Sum up AMICI's results of all conditions at a point.

    Args:
        theta: shape (n_parameters,).
        conditions: what was simulated.
        rdatas: AMICI's ReturnData of each.
        gradient: whether they hold sensitivities.
        wall_seconds: what it took.
        solver: the settings used.
    """
    failure = _failure(conditions, rdatas, gradient)
    llh, sllh = np.nan, None
    if failure is None:
        llh = float(sum(rdata.llh for rdata in rdatas))
    if gradient:
        sllh = np.full(theta.shape, np.nan) if failure else _sllh(theta, conditions, rdatas)
    return Evaluation(
        theta=theta,
        llh=llh,
        gradient=sllh,
        failure=failure,
        wall_seconds=wall_seconds,
        cpu_seconds=sum(rdata.cpu_time_total for rdata in rdatas) * 1e-3,  # AMICI's are ms
        solver=solver,
    )


def _failure(
    conditions: Sequence[Condition], rdatas: Sequence[Any], gradient: bool
) -> Failure | None:
    for condition, rdata in zip(conditions, rdatas, strict=True):
        if (failure := stopped(condition.label, rdata)) is not None:
            return failure
    for condition, rdata in zip(conditions, rdatas, strict=True):
        if not np.isfinite(rdata.llh):
            return output_failure(condition.label, "log-likelihood")
        if gradient and not np.isfinite(rdata.sllh).all():
            return output_failure(condition.label, "gradient")
    return None


def stopped(label: str, rdata: Any) -> Failure | None:
    """Why AMICI could not finish a simulation, None if it did or was not run.

    Args:
        label: the condition's.
        rdata: AMICI's ReturnData.
    """
    if rdata.status >= 0 or rdata.status == NOT_RUN:
        return None
    return integration_failure(
        label,
        rdata.t_last,
        rdata.status,
        sundials.simulation_status_to_str(rdata.status),
        [message.message for message in rdata.messages],
    )


def _sllh(theta: FloatArray, conditions: Sequence[Condition], rdatas: Sequence[Any]) -> FloatArray:
    gradient = np.zeros(theta.shape)
    for condition, rdata in zip(conditions, rdatas, strict=True):
        if condition.wanted.size:  # else AMICI differentiates for all, of which none is ours
            np.add.at(gradient, condition.wanted, rdata.sllh)
    return gradient
