"""Simulations of all measurements at one point and at many."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from amijax.scales import FloatArray
from amijax.simulation.evaluation import evaluation_of
from amijax.simulation.failures import Failure
from amijax.simulation.measured_values import (
    ConditionValues,
    MeasuredValues,
    condition_values,
    refused_values,
    values_of,
)
from amijax.simulation.points import each_point
from amijax.simulation.settings import SolverSettings
from amijax.simulation.simulator import Simulator, return_measured

type Refusal = Callable[[FloatArray, bool], Failure | None]
"""Why a point is not simulated, with or without sensitivities; None if it is."""


def measure(
    simulator: Simulator, theta: FloatArray, refusal: Refusal, *, jacobian: bool, num_threads: int
) -> MeasuredValues:
    """Simulate all conditions at a point.

    Args:
        simulator: of the problem.
        theta: shape (n_parameters,), on the PEtab scale.
        refusal: of points that must not be simulated.
        jacobian: with derivatives.
        num_threads: cores to use.

    Raises:
        ValueError: derivatives are asked for with adjoint sensitivities.
    """
    start = time.perf_counter()
    check_forward(simulator.settings, jacobian)
    prepared = simulator.prepared
    if (failure := refusal(theta, jacobian)) is not None:
        return refused_values(theta, failure, prepared, jacobian, simulator.settings)
    rdatas = simulator.likelihoods(
        theta, gradient=jacobian, num_threads=num_threads, report=return_measured
    )
    results = [
        condition_values(condition, rdata, jacobian, simulator.never_steady(theta, i, rdata))
        for i, (condition, rdata) in enumerate(zip(prepared.conditions, rdatas, strict=True))
    ]
    return _together(simulator, theta, results, jacobian, time.perf_counter() - start)


def measure_each(
    simulator: Simulator,
    points: FloatArray,
    refusal: Refusal,
    *,
    jacobian: bool,
    num_threads: int,
    on_chunk: Callable[[int], None] | None = None,
) -> tuple[MeasuredValues, ...]:
    """Simulate all conditions at many points, as `simulate_points` does.

    Args:
        simulator: of the problem.
        points: shape (n, n_parameters), on the PEtab scale.
        refusal: as in `measure`.
        jacobian: likewise.
        num_threads: likewise.
        on_chunk: as in `each_point`.

    Raises:
        ValueError: as `measure`.
    """
    check_forward(simulator.settings, jacobian)
    prepared, settings = simulator.prepared, simulator.settings
    batch = each_point(
        simulator, points, refusal,
        lambda condition, rdata, unsteady: condition_values(condition, rdata, jacobian, unsteady),
        return_measured, gradient=jacobian, num_threads=num_threads, on_chunk=on_chunk,
    )  # fmt: skip
    values: dict[int, MeasuredValues] = {}
    with closing(batch):
        for i, results, seconds in batch:
            values[i] = (
                refused_values(points[i], results, prepared, jacobian, settings)
                if isinstance(results, Failure)
                else _together(simulator, points[i], results, jacobian, seconds)
            )
    return tuple(values[i] for i in range(len(points)))


def check_forward(settings: SolverSettings, jacobian: bool = True) -> None:
    """Refuse Jacobians and Fisher information with adjoint sensitivities, which have none.

    Raises:
        ValueError: the settings say adjoint.
    """
    if jacobian and settings.sensitivities != "forward":
        raise ValueError(
            "Jacobians and the Fisher information need forward sensitivities, but the solver "
            f"settings say {settings.sensitivities}: take objective.with_solver("
            'dataclasses.replace(objective.solver, sensitivities="forward")).'
        )


def _together(
    simulator: Simulator,
    theta: FloatArray,
    results: Sequence[ConditionValues],
    jacobian: bool,
    seconds: float,
) -> MeasuredValues:
    shares = [each.result for each in results]
    evaluation = evaluation_of(theta, simulator.conditions, shares, seconds, simulator.settings)
    return values_of(evaluation, simulator.prepared, results, jacobian)
