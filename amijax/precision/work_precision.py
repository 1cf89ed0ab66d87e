"""Work against precision: the gradient's error and time along AMICI's tolerances, by method."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.float32 import float32_gradient, float32_point
from amijax.precision.reference import Reference
from amijax.precision.tolerances import RTOLS
from amijax.precision.values import Report, silent
from amijax.scales import FloatArray
from amijax.simulation.settings import INTERNAL_SENSITIVITY_METHODS, SolverSettings
from amijax.simulation.trust import distrusts_adjoint
from amijax.tuning.errors import gradient_error
from amijax.tuning.timing import evaluated, within

_REPEATS = 3
_REPEAT_BELOW = 0.1  # seconds; shorter gradients are timed several times
# What takes longer than AMICI's defaults by this is left out: adjoint sensitivities can.
_LONGEST = 50.0
_LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class WorkPoint:
    """One setting in a work-precision diagram.

    Attributes:
        settings: what was used.
        error: of the gradient in norm (`amijax.tuning.errors.gradient_error`); not less than the
            reference's own uncertainty. Infinite where AMICI failed or took too long.
        seconds: CPU time of the gradient, the median of several where it is short; NaN
            where AMICI failed or took too long.
    """

    settings: SolverSettings
    error: float
    seconds: float


@dataclass(frozen=True, eq=False)
class WorkPrecision:
    """Errors and times of one gradient.

    Attributes:
        lines: by method, from loose to tight tolerances.
        marked: single settings by name, for example those that were chosen.
        uncertainty: of the reference, as an error: nothing is known below.
        float32_floor: the error that float32 leaves however tight the tolerances are.
    """

    lines: dict[str, tuple[WorkPoint, ...]]
    marked: dict[str, WorkPoint]
    uncertainty: float
    float32_floor: float


def work_precision(
    objective: AmiciObjective,
    theta: ArrayLike,
    reference: Reference,
    *,
    marked: Mapping[str, SolverSettings] | None = None,
    rtols: Sequence[float] = RTOLS,
    report: Report = silent,
) -> WorkPrecision:
    """Measure a gradient's error and time for each method along relative tolerances.

    Args:
        objective: the problem; of its settings all but tolerances and methods are kept.
        theta: shape (n_parameters,), on the PEtab scale.
        reference: of llh and all gradient entries there.
        marked: settings to measure besides, by name.
        rtols: relative tolerances, from large to small; atol is the objective's.
        report: called after each setting.

    Raises:
        ValueError: the reference is not of all gradient entries.
    """
    theta = objective.problem.checked(theta)
    truth = reference.values.gradient
    if truth.shape != theta.shape:
        raise ValueError("The reference must have all entries of the gradient.")
    uncertainty = gradient_error(reference.looser.gradient, truth)
    base = objective.solver.at(objective.solver.rtol, objective.solver.atol)
    methods = dict(_methods(objective, base))
    marked = marked or {}
    total = len(methods) * len(rtols) + len(marked)
    one_core = objective.with_executor(None).with_num_threads(1)
    default = one_core.with_solver(base).evaluate(theta)
    limit = max(_LONGEST * default.cpu_seconds, _LEAST_SECONDS)
    done = 0

    def measure(settings: SolverSettings) -> WorkPoint:
        nonlocal done
        tried = one_core.with_solver(settings)
        seconds, gradient = _timed(tried, theta, limit)
        done += 1
        report(done, total)
        if gradient is None:
            return WorkPoint(settings, np.inf, np.nan)
        return WorkPoint(settings, max(gradient_error(gradient, truth), uncertainty), seconds)

    lines = {
        name: tuple(measure(replace(method, rtol=rtol)) for rtol in rtols)
        for name, method in methods.items()
    }
    found = {name: measure(settings) for name, settings in marked.items()}
    return WorkPrecision(lines, found, uncertainty, _float32_floor(objective, theta, reference))


def _methods(
    objective: AmiciObjective, base: SolverSettings
) -> Iterator[tuple[str, SolverSettings]]:
    """AMICI's ways to a gradient, by the names that a diagram has."""
    steps = max(base.max_steps, 100_000)
    for method in INTERNAL_SENSITIVITY_METHODS:
        yield (
            f"forward, {method}",
            replace(
                base, sensitivities="forward", internal_sensitivity_method=method, max_steps=steps
            ),
        )
    if distrusts_adjoint(objective.simulator.plan) is None and not objective.simulator.has_events:
        # Adjoint sensitivities reserve memory for all steps.
        yield "adjoint", replace(base, sensitivities="adjoint")


def _timed(
    objective: AmiciObjective, theta: FloatArray, limit: float
) -> tuple[float, FloatArray | None]:
    """CPU seconds and the gradient; NaN and None where AMICI failed or took too long."""
    first = within(objective, theta, limit)
    if first is None or first.failure is not None:
        return np.nan, None
    seconds = [first.cpu_seconds]
    if first.cpu_seconds < _REPEAT_BELOW:
        seconds += [evaluated(objective, theta).cpu_seconds for _ in range(_REPEATS - 1)]
    return statistics.median(seconds), first.gradient


def _float32_floor(objective: AmiciObjective, theta: FloatArray, reference: Reference) -> float:
    """What float32 leaves of AMICI's gradient at the reference's tolerances."""
    point = float32_point(theta, objective.scales)
    tight = objective.with_solver(reference.solver).evaluate(point.host)
    if tight.gradient is None:
        return np.nan
    gradient = float32_gradient(tight.gradient, point, objective.scales)
    return gradient_error(gradient, reference.values.gradient)
