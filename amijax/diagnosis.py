"""What is behind a failed evaluation: condition by condition, measurement by measurement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.problems.problem import Problem
from amijax.scales import FloatArray, to_linear
from amijax.simulation.evaluation import stopped
from amijax.simulation.failures import AMICI_ERROR, Failure
from amijax.simulation.native_code import METHODS
from amijax.simulation.preparation import Condition
from amijax.simulation.settings import LADDER, SolverSettings
from amijax.simulation.simulator import Simulator

_MAX_SUSPECTS = 12
_TIME_LIMIT = 10.0  # seconds for each condition: a diagnosis should not take minutes


@dataclass(frozen=True)
class ConditionOutcome:
    """How the simulation of one condition ended.

    Attributes:
        condition: its label.
        llh: its share of the log-likelihood, NaN if it failed.
        failure: why it failed, None if it worked.
    """

    condition: str
    llh: float
    failure: Failure | None


@dataclass(frozen=True)
class SuspectMeasurement:
    """A measurement whose share of the log-likelihood is not finite.

    Attributes:
        condition, observable, time, measurement: which one.
        simulation: what the model gives for it.
        sigma: its noise scale.
        reason: what is wrong, in words.
    """

    condition: str
    observable: str
    time: float
    measurement: float
    simulation: float
    sigma: float
    reason: str


@dataclass(frozen=True)
class SuspectParameter:
    """A parameter at or beyond a bound, or whose linear value is no finite number above 0."""

    parameter: str
    theta: float
    reason: str


@dataclass(frozen=True, eq=False)
class Remedy:
    """Something to try; what is not None can be done immediately.

    Attributes:
        text: what it is, as an imperative.
        solver: settings to use.
        theta: point to go to.
    """

    text: str
    solver: SolverSettings | None = None
    theta: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is known of a failed evaluation.

    Attributes:
        conditions: how each condition ended; empty if nothing could be simulated.
        measurements: those that make the log-likelihood NaN or infinite.
        parameters: those that stand out.
    """

    conditions: tuple[ConditionOutcome, ...]
    measurements: tuple[SuspectMeasurement, ...]
    parameters: tuple[SuspectParameter, ...]


def diagnose(objective: AmiciObjective, theta: ArrayLike, *, gradient: bool = True) -> Diagnosis:
    """Look closer at a point where an evaluation failed: all conditions, even after a failure.

    Each condition is given 10 s at most, or the objective's time limit if that is shorter.

    Args:
        objective: the problem and the settings that failed.
        theta: shape (n_parameters,), on the PEtab scale.
        gradient: whether it was an evaluation with gradient.
    """
    theta = np.array(theta, dtype=np.float64)
    problem = objective.problem
    conditions: tuple[ConditionOutcome, ...] = ()
    measurements: tuple[SuspectMeasurement, ...] = ()
    if objective.refusal(theta, gradient) is None:
        limit = min(_TIME_LIMIT, objective.solver.time_limit)
        simulator = objective.simulator.with_settings(replace(objective.solver, time_limit=limit))
        rdatas = simulator.everything(theta, gradient=gradient, num_threads=objective.num_threads)
        conditions = tuple(
            _outcome(condition, rdata)
            for condition, rdata in zip(simulator.conditions, rdatas, strict=True)
        )
        # AMICI stops at the first bad noise scale; without measurements it goes on.
        spoilt = [
            i
            for i, rdata in enumerate(rdatas)
            if rdata.status == AMICI_ERROR or not np.isfinite(rdata.llh)
        ]
        if spoilt and simulator.refusal(gradient=False) is not None:
            spoilt = []
        bare = simulator.unmeasured(theta, spoilt) if spoilt else []
        measurements = tuple(
            suspect
            for i, rdata in zip(spoilt, bare, strict=True)
            if rdata.status >= 0
            for suspect in _suspect_measurements(simulator, i, rdata)
        )
    return Diagnosis(conditions, measurements, _suspect_parameters(problem, theta))


def suggest(objective: AmiciObjective, theta: ArrayLike, failure: Failure) -> tuple[Remedy, ...]:
    """What to try after a failure, the likeliest first.

    Args:
        objective: the problem and the settings that failed.
        theta: shape (n_parameters,), on the PEtab scale.
        failure: of AMICI alone, or of AMICI inside JAX.
    """
    theta = np.array(theta, dtype=np.float64)
    problem = objective.problem
    remedies: list[Remedy] = []
    if failure.kind == "trial":  # the model is refused at any point
        return tuple(_other_code(objective.solver))
    inside = np.clip(
        np.where(np.isfinite(theta), theta, problem.nominal_theta),
        problem.lower_theta,
        problem.upper_theta,
    )
    if (inside != theta).any():
        remedies.append(Remedy("Bring all parameters back into their bounds", theta=inside))
    if failure.kind == "integration":
        remedies += _solver_remedies(objective.solver)
    if (theta != problem.nominal_theta).any():
        remedies.append(Remedy("Go back to the nominal point", theta=problem.nominal_theta))
        halfway = (inside + problem.nominal_theta) / 2
        remedies.append(Remedy("Go halfway back to nominal", theta=halfway))
    return tuple(remedies)


def _outcome(condition: Condition, rdata: Any) -> ConditionOutcome:
    failure = stopped(condition, rdata)
    llh = float(rdata.llh) if failure is None else float("nan")
    return ConditionOutcome(condition.label, llh, failure)


def _suspect_measurements(
    simulator: Simulator, i_simulation: int, rdata: Any
) -> list[SuspectMeasurement]:
    label = simulator.condition_labels[i_simulation]
    observables = simulator.plan.observables
    shape = (rdata.nt, len(observables))
    measured = np.array(simulator.edatas[i_simulation].get_measurements()).reshape(shape)
    simulated, sigma = (np.array(values).reshape(shape) for values in (rdata.y, rdata.sigmay))
    logarithmic = ["log" in observable.distribution for observable in observables]
    times = np.array(rdata.ts)
    found = []
    for i, j in zip(*np.nonzero(np.isfinite(measured)), strict=True):
        y, s, m = simulated[i, j], sigma[i, j], measured[i, j]
        if not np.isfinite(y):
            reason = "the simulated value is not finite"
        elif not np.isfinite(s) or s <= 0:
            reason = "the noise scale is not a number above 0"
        elif logarithmic[j] and y <= 0:
            reason = "the simulated value has no logarithm"
        elif logarithmic[j] and m <= 0:
            reason = "the measurement has no logarithm"
        else:
            continue
        found.append(
            SuspectMeasurement(
                label, observables[j].label, float(times[i]), float(m), float(y), float(s), reason
            )
        )
    return found


def _suspect_parameters(problem: Problem, theta: FloatArray) -> tuple[SuspectParameter, ...]:
    found = []
    linear = to_linear(theta, problem.scales)
    for i, name in enumerate(problem.parameter_ids):
        value, lower, upper = theta[i], problem.lower_theta[i], problem.upper_theta[i]
        scale = problem.scales[i]
        if not np.isfinite(value):
            reason = "is not a finite number"
        elif not np.isfinite(linear[i]):
            reason = "overflows on linear scale"
        elif scale != "lin" and linear[i] == 0:
            reason = "underflows to 0 on linear scale"
        elif value < lower or value > upper:
            reason = f"is outside its bounds {lower:.6g} to {upper:.6g}"
        elif value in (lower, upper) and value != problem.nominal_theta[i]:
            reason = "is at its bound"
        else:
            continue
        found.append(SuspectParameter(name, float(value), reason))
    return tuple(found[:_MAX_SUSPECTS])


def _other_code(solver: SolverSettings) -> list[Remedy]:
    """Settings with which other native code runs."""
    default = SolverSettings()
    usual = replace(
        solver,
        steady_state=default.steady_state,
        steady_state_sensitivities=default.steady_state_sensitivities,
    )
    if usual != solver:
        return [Remedy("Compute steady states by integration only", solver=usual)]
    usual = replace(solver, **{name: getattr(default, name) for name in METHODS})
    if usual != solver:
        return [Remedy("Use AMICI's default methods", solver=usual)]
    if solver.sensitivities == "adjoint":
        return [_with_forward(solver)]
    return []


def _with_forward(solver: SolverSettings) -> Remedy:
    return Remedy("Use forward sensitivities", solver=replace(solver, sensitivities="forward"))


def _solver_remedies(solver: SolverSettings) -> list[Remedy]:
    remedies = []
    looser = next((rung for rung in LADDER if rung.atol > solver.atol), None)
    if looser is not None:
        steps = max(solver.max_steps, looser.max_steps)
        tried = replace(solver, rtol=looser.rtol, atol=looser.atol, max_steps=steps)
        text = f"Use atol {looser.atol:g} (costs accuracy of the gradient)"
        remedies.append(Remedy(text, solver=tried))
    if solver.sensitivities == "adjoint":
        remedies.append(_with_forward(solver))
    more = replace(solver, max_steps=10 * solver.max_steps, time_limit=10 * solver.time_limit)
    remedies.append(Remedy("Allow ten times the steps and the time", solver=more))
    return remedies
