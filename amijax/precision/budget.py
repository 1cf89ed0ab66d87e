"""The float32 error of llh and gradient, split by the stage of the computation that causes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amijax.comparison import jax_failure, jax_objective_of
from amijax.jax_objective import JaxEvaluation
from amijax.objective import AmiciObjective
from amijax.precision.float32 import chain_rule, float32_point, rounded_linear_gradient
from amijax.precision.values import Report, Values, silent, values_of
from amijax.scales import FloatArray, linear_slope
from amijax.simulation.failures import Failure

STAGES = ("input", "transform", "result", "chain rule")


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """llh and gradient while one stage after the other is done in float32.

    Each stage is an evaluation with explicit casts and includes the stages before it:
    `input` rounds theta to float32; `transform` computes linear parameters in float32; `result`
    rounds llh and the gradient with respect to linear parameters to float32; `chain rule`
    multiplies with the derivative of the transformation in float32.

    Attributes:
        amici: AMICI alone.
        float64: AMICI inside JAX in float64: where the budget starts.
        stages: after each of the four stages, in the order of `STAGES`.
        float32: AMICI inside JAX in float32, from `JaxObjective` itself.
        points: where AMICI was evaluated: in float64, with rounded theta, and with the
            transformation in float32; shape (3, n_parameters), on the PEtab scale.
        failures: of the three simulations; None where there was none.
        bit_identical: whether the last stage equals `float32` bit for bit, as it must.
    """

    amici: Values
    float64: Values
    stages: tuple[Values, Values, Values, Values]
    float32: Values
    points: FloatArray
    failures: tuple[Failure | None, Failure | None, Failure | None]
    bit_identical: bool

    def errors(self) -> FloatArray:
        """What each stage adds, relative to the float64 value: (after - before) / |float64|.

        Shape (4, n + 1), llh first. The four add up to the whole float32 error. Where the float64
        value is 0, 0 if nothing changes, else infinite. NaN from a stage that failed.
        """
        every = np.array([v.all for v in (self.float64, *self.stages)])
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.diff(every, axis=0)
            return np.where(steps == 0, 0.0, steps / np.abs(every[0]))

    @property
    def enters_before_amici(self) -> bool:
        """Whether, for half of the gradient's entries or more, rounding theta and transforming it
        cost at least three times what the stages after AMICI do.
        """
        sizes = np.abs(self.errors()[:, 1:])
        before, after = sizes[:2].sum(axis=0), sizes[2:].sum(axis=0)
        return bool(np.mean(before >= 3 * after) >= 0.5)

    @property
    def failed_stage(self) -> int | None:
        """The first stage without a result; None if all have one."""
        for i, values in enumerate(self.stages):
            if not values.is_finite:
                return i
        return None


def error_budget(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: np.ndarray,
    report: Report = silent,
) -> ErrorBudget:
    """Split the float32 error at a point. Five evaluations.

    JAX's 64-bit mode must be on.

    Args:
        objective: the problem, with sensitivities of at least the chosen parameters.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: of the chosen parameters in theta.
        report: called after each evaluation.

    Raises:
        PrecisionError: JAX's 64-bit mode is off.
        ValueError: theta has the wrong shape.
    """
    theta = np.array(theta, dtype=np.float64)
    scales = objective.scales
    inside = jax_objective_of(objective)
    amici = objective.evaluate(theta)  # which refuses a wrong shape
    report(1, 5)
    point = float32_point(theta, scales)
    rounded = point.theta.astype(np.float64)
    float64 = inside.evaluate(theta)
    report(2, 5)
    stage_input = inside.evaluate(rounded)
    report(3, 5)
    transformed = objective.evaluate(point.host)
    report(4, 5)
    float32 = inside.evaluate(point.theta)
    report(5, 5)

    assert transformed.gradient is not None
    slope = linear_slope(point.p.astype(np.float64), scales)
    linear = rounded_linear_gradient(transformed.gradient, point, scales)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rounded_llh = float(np.float32(transformed.llh))
        stages = (
            _inside(stage_input, positions),
            Values(transformed.llh, (transformed.gradient / slope * slope)[positions]),
            Values(rounded_llh, (linear.astype(np.float64) * slope)[positions]),
            Values(rounded_llh, chain_rule(linear, point, scales).astype(np.float64)[positions]),
        )
    last, actual = stages[3], _inside(float32, positions)
    return ErrorBudget(
        amici=values_of(amici, positions),
        float64=_inside(float64, positions),
        stages=stages,
        float32=actual,
        points=np.array([_where(float64, theta), _where(stage_input, theta), point.host]),
        failures=(jax_failure(float64), jax_failure(stage_input), transformed.failure),
        bit_identical=np.array_equal(last.all, actual.all, equal_nan=True),
    )


def _inside(evaluation: JaxEvaluation, positions: np.ndarray) -> Values:
    assert evaluation.gradient is not None
    return Values(float(evaluation.llh), evaluation.gradient.astype(np.float64)[positions])


def _where(evaluation: JaxEvaluation, theta: FloatArray) -> FloatArray:
    """Where AMICI was evaluated inside JAX."""
    host: Any = evaluation.host
    return np.full_like(theta, np.nan) if host is None else host.theta
