"""One evaluation of a log-likelihood as a record, and how AMICI's results become one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import amici.sim.sundials as sundials
import numpy as np

from amijax.html_tables import Column, Row
from amijax.models.neutral_ids import with_own_ids
from amijax.notebook_html import number, report
from amijax.scales import FloatArray
from amijax.simulation.failures import (
    MAX_TIME_EXCEEDED,
    NOT_RUN,
    Failure,
    integration_failure,
    output_failure,
)
from amijax.simulation.preparation import Condition
from amijax.simulation.settings import SolverSettings
from amijax.simulation.vectors import as_array


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
        fim: AMICI's Fisher information matrix with respect to theta, an approximation of minus
            the second derivative of llh; shape (n_parameters, n_parameters). None if it was not
            asked for, after a failure, and with adjoint sensitivities, which do not give it.
    """

    theta: FloatArray
    llh: float
    gradient: FloatArray | None
    failure: Failure | None
    wall_seconds: float
    cpu_seconds: float
    solver: SolverSettings
    fim: FloatArray | None = None

    def _repr_html_(self) -> str:
        """Llh, and the gradient as a table, for notebooks."""
        gradient = () if self.gradient is None else zip(self.theta, self.gradient, strict=True)
        return report(
            f"llh {self.llh:.9g}",
            [
                f"Failed: {self.failure}" if self.failure else "",
                f"{self.wall_seconds * 1e3:.3g} ms, of which AMICI's CPU time "
                f"{self.cpu_seconds * 1e3:.3g} ms. Solver: {self.solver}.",
            ],
            "position in theta",
            ["theta", Column("gradient", "of llh with respect to theta", strong=True)],
            [
                Row(str(i), [number(theta), number(entry, ".9g")])
                for i, (theta, entry) in enumerate(gradient)
            ],
            rest=".gradient",
        )


def failed_evaluation(
    theta: FloatArray, gradient: bool, failure: Failure, wall_seconds: float, solver: SolverSettings
) -> Evaluation:
    """The evaluation of a point that was not simulated."""
    nothing = np.full(theta.shape, np.nan) if gradient else None
    return Evaluation(theta, np.nan, nothing, failure, wall_seconds, 0.0, solver)


class ConditionResult(NamedTuple):
    """What is kept of AMICI's ReturnData of one simulation.

    Attributes:
        llh: the condition's share of the log-likelihood.
        sllh: its derivatives, in the order of `condition.sensitivity_positions`; None if not
            asked for.
        stopped: why AMICI could not finish, None if it did or was not run.
        cpu_seconds: AMICI's CPU time.
        fim: the condition's share of the Fisher information, in the same order, both axes; None
            if not asked for.
    """

    llh: float
    sllh: FloatArray | None
    stopped: Failure | None
    cpu_seconds: float
    fim: FloatArray | None = None


def condition_result(
    condition: Condition,
    rdata: Any,
    gradient: bool,
    unsteady: Failure | None = None,
    *,
    fim: bool = False,
) -> ConditionResult:
    """Read what the likelihood needs from AMICI's ReturnData, each member once.

    Args:
        condition: what was simulated.
        rdata: AMICI's ReturnData.
        gradient: whether it holds sensitivities.
        unsteady: why its steady state is none, if it is none.
        fim: whether to read the Fisher information, which forward sensitivities give where no
            observable has Laplace noise.
    """
    sllh = None
    if gradient:
        # Without any that is ours, AMICI differentiates for all parameters.
        sllh = as_array(rdata.sllh) if condition.sensitivity_positions.size else np.empty(0)
    return ConditionResult(
        llh=rdata.llh,
        sllh=sllh,
        stopped=unsteady if rdata.status >= 0 else stopped(condition, rdata),
        cpu_seconds=rdata.cpu_time_total * 1e-3,  # AMICI's are ms
        fim=_fim(condition, rdata) if fim and rdata.status >= 0 else None,
    )


def _fim(condition: Condition, rdata: Any) -> FloatArray | None:
    """A condition's Fisher information as a matrix; empty where AMICI's parameters are not ours.

    None where AMICI has none: an observable of the model has Laplace noise.
    """
    n = condition.sensitivity_positions.size
    if not n:
        return np.empty((0, 0))
    values = as_array(rdata.FIM)
    return values.reshape(n, n) if values.size else None


def stopped(condition: Condition, rdata: Any) -> Failure | None:
    """Why AMICI could not finish a simulation, None if it did or was not run.

    Args:
        condition: what was simulated.
        rdata: AMICI's ReturnData.
    """
    if rdata.status >= 0 or rdata.status == NOT_RUN:
        return None
    return integration_failure(
        condition.label,
        rdata.t_last,
        rdata.status,
        sundials.simulation_status_to_str(rdata.status),
        [with_own_ids(message.message, condition.own_ids) for message in rdata.messages],
    )


def evaluation_of(
    theta: FloatArray,
    conditions: Sequence[Condition],
    results: Sequence[ConditionResult],
    wall_seconds: float,
    solver: SolverSettings,
) -> Evaluation:
    """Sum up the results of all conditions at a point.

    Args:
        theta: shape (n_parameters,).
        conditions: all of them.
        results: of the conditions in order; after one that failed there may be fewer.
        wall_seconds: what it took.
        solver: the settings used.
    """
    llh, gradient = math.nan, None
    failure = next((result.stopped for result in results if result.stopped is not None), None)
    if failure is None:
        # AMICI looks at the clock now and then only, and never in a simulation of a few steps.
        failure = _too_slow(conditions, results, solver.time_limit)
    if failure is None:
        llh = sum(result.llh for result in results)
    slopes = [result.sllh for result in results if result.sllh is not None]
    if slopes and failure is None:
        positions = np.concatenate([condition.sensitivity_positions for condition in conditions])
        gradient = np.bincount(positions, np.concatenate(slopes), minlength=theta.size)
    if failure is None and not (
        math.isfinite(llh) and (gradient is None or np.isfinite(gradient).all())
    ):
        failure = _not_finite(conditions, results)
    if failure is not None:
        llh, gradient = math.nan, np.full(theta.shape, np.nan) if slopes else None
    return Evaluation(
        theta=theta,
        llh=llh,
        gradient=gradient,
        failure=failure,
        wall_seconds=wall_seconds,
        cpu_seconds=sum(result.cpu_seconds for result in results),
        solver=solver,
        fim=_sum_of_fims(theta.size, conditions, results) if failure is None else None,
    )


def _sum_of_fims(
    n: int, conditions: Sequence[Condition], results: Sequence[ConditionResult]
) -> FloatArray | None:
    """The Fisher information of all conditions, shape (n, n); None if it was not read."""
    total = np.zeros((n, n))
    for condition, result in zip(conditions, results, strict=True):
        if result.fim is None:
            return None
        positions = condition.sensitivity_positions  # may have a parameter more than once
        np.add.at(total, np.ix_(positions, positions), result.fim)
    return total


def _too_slow(
    conditions: Sequence[Condition], results: Sequence[ConditionResult], limit: float
) -> Failure | None:
    """The failure of the first condition that took longer than it may; None without one."""
    for condition, result in zip(conditions, results, strict=False):
        if result.cpu_seconds > limit:
            name = sundials.simulation_status_to_str(MAX_TIME_EXCEEDED)
            return integration_failure(condition.label, math.nan, MAX_TIME_EXCEEDED, name, ())
    return None


def _not_finite(
    conditions: Sequence[Condition], results: Sequence[ConditionResult]
) -> Failure | None:
    """The failure of the first condition with a result that is not finite; None without one."""
    for condition, result in zip(conditions, results, strict=True):
        if not math.isfinite(result.llh):
            return output_failure(condition.label, "log-likelihood")
        if result.sllh is not None and not np.isfinite(result.sllh).all():
            return output_failure(condition.label, "gradient")
    return None
