"""Optimisers of well-kept libraries, told what a likelihood needs of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from amijax.fit.function import FitFunction, Maximised
from amijax.fit.record import Exit
from amijax.objective import AmiciObjective
from amijax.problems.priors import objective_priors, prior_residuals
from amijax.scales import FloatArray
from amijax.simulation.residuals import check_normal

# llh that grows by less is as good as the same: relative, and absolute. Values at AMICI's default
# tolerances differ by 1e-8 of themselves from step to step.
_TOLERANCE = 1e-8
_GRADIENT = 1e-6
_ITERATIONS = 1000
# A stage that another one follows only has to come near: a likelihood-ratio test sees 1.92. With
# 1e-3 slow valleys are left to the costlier stage, with 1e-5 noise is climbed (Elowitz, Boehm).
_NEAR = 1e-4
_NEAR_RELATIVE = 1e-6
_PATIENCE, _PATIENCE_NEAR, _PATIENCE_AT_OPTIMUM = 100, 8, 10
_LATER_RADIUS = 0.1  # of fides' first step in such a next stage, on the PEtab scale


class End(NamedTuple):
    """Why an optimiser ended: in a word, and in its own words."""

    exit: Exit
    message: str


class Optimizer(Protocol):
    """Maximises a function from a point on, within bounds; anything like it can be given to `fit`.

    The best point that `function` saw within its bounds is the result, whatever it returns.
    """

    def __call__(self, function: FitFunction, theta: FloatArray) -> Any:
        """Maximise.

        Args:
            function: `function(theta)` is llh + log prior, -inf where it can't be computed;
                `function.minus_value_and_gradient` is for what minimises; `function.lower` and
                `function.upper` are the bounds.
            theta: where to begin, shape (n_parameters,), on the PEtab scale.
        """


class Stage(NamedTuple):
    """Which of several optimisations, one after the other, this is."""

    is_first: bool = True
    is_last: bool = True

    def patience(self, is_at_optimum: bool) -> int:
        """Evaluations within which llh must grow by more than `least_gain`, or the stage is over.

        Plateaus far from any optimum, and the noise of llh at one, keep a trust region busy until
        its limit of iterations, or until 25 radii have been tried. A radius of 1e-15 needs 50
        doublings to recover, which a single stage is given.

        Args:
            is_at_optimum: whether the stage before it seems to have found one.
        """
        if not self.is_last:
            return _PATIENCE_NEAR
        return _PATIENCE_AT_OPTIMUM if is_at_optimum else _PATIENCE

    def least_gain(self, value: float) -> float:
        """Growth of a value that counts: what the optimisers themselves take for none."""
        absolute, relative = (_TOLERANCE, _TOLERANCE) if self.is_last else (_NEAR, _NEAR_RELATIVE)
        return max(absolute, relative * abs(value)) if math.isfinite(value) else absolute


def fides_options(stage: Stage = Stage()) -> dict[str, float]:  # noqa: B008 - it is frozen
    """What fides is told: its own defaults but for stages that others follow or precede."""
    near = not stage.is_last
    return {
        "maxiter": _ITERATIONS,
        "fatol": _NEAR if near else _TOLERANCE,
        "frtol": _NEAR_RELATIVE if near else _TOLERANCE,
        "gatol": _GRADIENT,
        "delta_init": 1.0 if stage.is_first else _LATER_RADIUS,
    }


def run_fides(function: Maximised, theta: FloatArray, stage: Stage) -> End:
    """fides: a trust region that reflects at the bounds (Coleman, Li 1996; Froehlich, Sorger 2022).

    The Hessian is AMICI's Fisher information, which forward sensitivities give at no cost: against
    BFGS a sixth of the evaluations on Bruno_JExpBot2016 and as many on Boehm. With adjoint
    sensitivities it is BFGS. Steps to points that fail are taken back by a smaller radius.
    """
    import logging  # with fides, only when a fit runs

    import fides

    has_curvature = function.at(theta).curvature is not None

    def with_curvature(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        point = function.at(theta)
        failed = point.curvature is None
        hessian = np.full((theta.size, theta.size), np.nan) if failed else point.curvature
        assert hessian is not None
        return -point.value, -point.gradient, hessian

    optimizer = fides.Optimizer(
        with_curvature if has_curvature else function.minus_value_and_gradient,
        ub=function.upper,
        lb=function.lower,
        verbose=logging.CRITICAL,  # what it would say is in the record
        options=fides_options(stage),
        hessian_update=None if has_curvature else fides.BFGS(),
    )
    try:
        optimizer.minimize(theta)
    except RuntimeError as error:  # the first point, or one beyond the bounds
        return End("stalled", str(error))
    flags = fides.ExitFlag
    ends: dict[Any, Exit] = {
        flags.FTOL: "converged", flags.XTOL: "converged", flags.GTOL: "converged",
        flags.MAXITER: "iteration limit",
    }  # fmt: skip
    flag = optimizer.exitflag
    words = {
        flags.FTOL: "llh no longer grows",
        flags.GTOL: "the gradient is 0, as far as the bounds allow",
        flags.XTOL: "parameters no longer move",
        flags.MAXITER: f"{_ITERATIONS} iterations",
        flags.DELTA_TOO_SMALL: "no smaller step improves llh: its noise is in the way",
    }
    return End(ends.get(flag, "stalled"), f"fides: {words.get(flag, flag.name)}")


def run_lbfgsb(function: Maximised, theta: FloatArray, stage: Stage) -> End:
    """L-BFGS-B of scipy: a line search, without curvature from AMICI."""
    from scipy.optimize import minimize

    last_finite = math.nan

    def value_and_gradient(theta: FloatArray) -> tuple[float, FloatArray]:
        nonlocal last_finite
        value, gradient = function.minus_value_and_gradient(theta)
        if math.isfinite(value):
            last_finite = value
            return value, gradient
        if math.isnan(last_finite):
            raise _NothingToBeginWithError
        # Its line search interpolates: inf would become NaN, a huge value a tiny step.
        return last_finite + max(1.0, abs(last_finite)), np.zeros_like(theta)

    near = not stage.is_last
    try:
        found = minimize(
            value_and_gradient,
            np.clip(theta, function.lower, function.upper),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(function.lower, function.upper, strict=True)),
            options={
                "maxiter": _ITERATIONS,
                "maxfun": 10 * _ITERATIONS,
                "ftol": _NEAR_RELATIVE if near else 1e-2 * _TOLERANCE,
                "gtol": _GRADIENT,
            },
        )
    except _NothingToBeginWithError:
        return End("stalled", "the first point can't be evaluated")
    ends: dict[int, Exit] = {0: "converged", 1: "iteration limit"}
    return End(ends.get(found.status, "stalled"), f"L-BFGS-B: {found.message}".strip(": "))


def run_least_squares(function: Maximised, theta: FloatArray, stage: Stage) -> End:
    """least_squares of scipy (trf): Gauss-Newton in a trust region that reflects at the bounds.

    For normal noise and normal priors. Estimated noise scales get residuals of their own.

    Raises:
        ProblemError: noise or a prior is not normal.
    """
    from scipy.optimize import least_squares

    near = not stage.is_last
    try:
        found = least_squares(
            lambda theta: function.residuals_at(theta)[0],
            np.clip(theta, function.lower, function.upper),
            jac=lambda theta: function.residuals_at(theta)[1],
            bounds=(function.lower, function.upper),
            method="trf",
            ftol=_NEAR_RELATIVE if near else _TOLERANCE,
            xtol=_TOLERANCE,
            gtol=_TOLERANCE,
            max_nfev=_ITERATIONS,
        )
    except ValueError:  # scipy's only reason here: residuals at the first point are not finite
        if function.best is None:
            return End("stalled", "the first point can't be evaluated")
        raise
    exit: Exit = "converged" if found.status > 0 else "iteration limit"
    return End(exit, f"least squares: {found.message}")


def check_least_squares(objective: AmiciObjective, priors: bool) -> None:
    """Refuse problems that `run_least_squares` can't fit.

    Raises:
        ProblemError: noise or a prior is not normal.
        ValueError: sensitivities are adjoint.
    """
    check_normal(objective.simulator.prepared.noise)
    if objective.solver.sensitivities != "forward":
        raise ValueError("least-squares needs forward sensitivities, but the solver's are adjoint.")
    if priors:
        problem = objective.problem
        prior_residuals(problem, objective_priors(problem), problem.nominal_theta)


class _NothingToBeginWithError(Exception):
    """The first point of a line search failed."""


# By the name that `fit` takes.
OPTIMIZERS: dict[str, Callable[[Maximised, FloatArray, Stage], End]] = {
    "fides": run_fides,
    "scipy-lbfgsb": run_lbfgsb,
    "least-squares": run_least_squares,
}
