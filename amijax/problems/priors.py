"""Priors of the parameter table: what they are, and their log-density at a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from petab.v1 import C
from petab.v2 import C as C2

from amijax.problems.distributions import TruncatedPrior, read_distribution
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import FloatArray, linear_slope


@dataclass(frozen=True)
class ObjectivePrior:
    """The objective prior of one free parameter.

    Attributes:
        parameter: its id.
        type: PEtab's name of the distribution. Those that begin with `parameterScale` are of the
            parameter on its PEtab scale, the others of the parameter on linear scale.
        location, scale: the two objectivePriorParameters: lower and upper end of a uniform
            distribution, mean and standard deviation of a normal one, location and scale of a
            Laplace one; for `logNormal` and `logLaplace` those of the natural logarithm.
    """

    parameter: str
    type: str
    location: float
    scale: float

    @property
    def on_parameter_scale(self) -> bool:
        """Whether the distribution is of the parameter on its PEtab scale."""
        return self.type in C.PARAMETER_SCALE_PRIOR_TYPES

    def log_density(self, value: float) -> float:
        """Log-density at a value on the distribution's own scale; -inf outside of its support."""
        a, b = self.location, self.scale
        if self.type in (C.UNIFORM, C.PARAMETER_SCALE_UNIFORM):
            return -math.log(b - a) if a <= value <= b else -math.inf
        logarithmic = self.type in (C.LOG_NORMAL, C.LOG_LAPLACE)
        if logarithmic and value <= 0:
            return -math.inf
        # The density of x is that of log(x) times d log(x) / dx = 1 / x.
        x, jacobian = (math.log(value), -math.log(value)) if logarithmic else (value, 0.0)
        z = (x - a) / b
        if self._is_normal:
            return jacobian - 0.5 * z * z - math.log(b) - 0.5 * math.log(2 * math.pi)
        return jacobian - abs(z) - math.log(2 * b)

    def slope(self, value: float) -> float:
        """Derivative of the log-density with respect to the value on the distribution's own scale.

        NaN outside of the support. At the kink of a Laplace distribution it is the mean of both
        sides.
        """
        a, b = self.location, self.scale
        if self.type in (C.UNIFORM, C.PARAMETER_SCALE_UNIFORM):
            return 0.0 if a <= value <= b else math.nan
        logarithmic = self.type in (C.LOG_NORMAL, C.LOG_LAPLACE)
        if logarithmic and value <= 0:
            return math.nan
        x, inner = (math.log(value), 1 / value) if logarithmic else (value, 1.0)
        z = (x - a) / b
        outer = z if self._is_normal else float(np.sign(z))
        return inner * (-outer / b - (1.0 if logarithmic else 0.0))

    def curvature(self, value: float) -> float:
        """Minus the second derivative of the log-density as far as it is never below 0: that of
        the square of a normal distribution, 0 of the others. As a Gauss-Newton method has it.
        """
        if not self._is_normal or (self.type == C.LOG_NORMAL and value <= 0):
            return 0.0
        inner = 1 / value if self.type == C.LOG_NORMAL else 1.0
        return (inner / self.scale) ** 2

    @property
    def _is_normal(self) -> bool:
        return self.type in (C.NORMAL, C.PARAMETER_SCALE_NORMAL, C.LOG_NORMAL)


@dataclass(frozen=True, eq=False)
class LogPrior:
    """The log-density of the objective priors at a point, with derivatives.

    Attributes:
        value: summed over parameters, as `log_prior` has it; -inf outside of a support.
        gradient: with respect to theta, shape (n_parameters,); 0 for parameters without a prior,
            NaN outside of a support.
        curvature: minus the second derivatives as far as they are never below 0
            (`ObjectivePrior.curvature`), shape (n_parameters,): a diagonal.
    """

    value: float
    gradient: FloatArray
    curvature: FloatArray


type Prior = ObjectivePrior | TruncatedPrior


def objective_priors(problem: Problem) -> tuple[Prior, ...]:
    """The objective priors that the parameter table gives for free parameters, in its order.

    In PEtab v2, where one parameter has a prior, all others have a uniform one within their
    bounds; one whose bounds are not finite has none.

    In PEtab v1 a parameter without objectivePriorType has none here: PEtab's default for it,
    parameterScaleUniform within the bounds, is "equivalent to no prior". An explicit
    parameterScaleUniform without parameters lies within the bounds.

    Raises:
        ProblemError: a type is unknown, or its parameters are not two numbers that fit it.
    """
    table = problem.petab_problem.parameter_df
    if problem.petab_version == "2":
        return _truncated_priors(problem)
    if C.OBJECTIVE_PRIOR_TYPE not in table:
        return ()
    priors = []
    for i, parameter in enumerate(problem.parameter_ids):
        row = table.loc[parameter]
        kind = row[C.OBJECTIVE_PRIOR_TYPE]
        if not isinstance(kind, str) or not kind.strip():
            continue
        read = read_prior(
            f"{problem.problem_id}: the objective prior of {parameter}",
            kind.strip(), row.get(C.OBJECTIVE_PRIOR_PARAMETERS),
            problem.lower_theta[i], problem.upper_theta[i],
        )  # fmt: skip
        if read is not None:
            priors.append(ObjectivePrior(parameter, kind.strip(), *read))
    return tuple(priors)


def _truncated_priors(problem: Problem) -> tuple[TruncatedPrior, ...]:
    table = problem.petab_problem.parameter_df
    if C2.PRIOR_DISTRIBUTION not in table:
        return ()
    kinds = table.loc[list(problem.parameter_ids), C2.PRIOR_DISTRIBUTION]
    if not any(isinstance(kind, str) for kind in kinds):
        return ()
    priors = []
    for i, (parameter, kind) in enumerate(kinds.items()):
        shown = table.loc[parameter].get(C2.PRIOR_PARAMETERS)
        low, high = float(problem.lower_p[i]), float(problem.upper_p[i])
        if not isinstance(kind, str):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                continue
            kind, shown = C2.UNIFORM, f"{low!r}{C2.PARAMETER_SEPARATOR}{high!r}"
        what = f"{problem.problem_id}: the prior of {parameter}"
        given = shown if isinstance(shown, str) else ""
        priors.append(read_distribution(what, kind, given, low, high, str(parameter)))
    return tuple(priors)


def log_prior(problem: Problem, theta: FloatArray) -> float | None:
    """The log-density of the objective priors at theta, summed; None if there are none.

    In PEtab v2 all densities are of the linear parameter, whatever the scale of theta is, truncated
    at the bounds and renormalised, as PEtab says: beyond the bounds the log-prior is -inf. The rest
    is about PEtab v1.

    Each density is that of the variable that PEtab defines the prior of: the parameter on its
    PEtab scale for `parameterScale...`, the linear parameter for the others. No Jacobian is added
    to bring them to one scale, and none is renormalised to the part within the bounds, so that
    llh + log-prior is minus the objective of pyPESTO (pypesto/objective/priors.py), up to the
    constant of explicit parameterScaleUniform priors, which pyPESTO leaves out. PEtab's own
    classes (petab.v1.priors.Prior) take all densities of the linear parameter, truncated and
    renormalised at the bounds: for `parameterScale...` theirs differ by the Jacobian, which
    depends on theta, for the others by a constant. Bounds do not enter here: a theta beyond
    them has a finite log-prior unless a uniform prior ends there.

    Args:
        problem: gives the priors.
        theta: shape (n_parameters,), on the PEtab scale.

    Raises:
        ProblemError: a prior can't be used; the message says which.
    """
    found = log_prior_at(problem, objective_priors(problem), theta)
    return None if found is None else found.value


def log_prior_at(problem: Problem, priors: Sequence[Prior], theta: FloatArray) -> LogPrior | None:
    """The log-density of priors that were read before, with derivatives; None if there are none.

    Args:
        problem: whose priors they are.
        priors: from `objective_priors`.
        theta: shape (n_parameters,), on the PEtab scale.
    """
    if not priors:
        return None
    theta = np.asarray(theta, dtype=np.float64)
    linear = problem.linear(theta)
    inner = linear_slope(linear, problem.scales)
    total, gradient, curvature = 0.0, np.zeros(theta.size), np.zeros(theta.size)
    for prior in priors:
        i = problem.parameter_ids.index(prior.parameter)
        value = float((theta if prior.on_parameter_scale else linear)[i])
        chain = 1.0 if prior.on_parameter_scale else float(inner[i])
        if math.isnan(value):
            total, gradient[i] = math.nan, math.nan
            continue
        total += prior.log_density(value)
        gradient[i] += prior.slope(value) * chain
        curvature[i] += prior.curvature(value) * chain**2
    return LogPrior(total, gradient, curvature)


def prior_residuals(
    problem: Problem, priors: Sequence[Prior], theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Residuals whose squares are minus twice the log-density of normal priors, but for a constant.

    Args:
        problem: whose priors they are.
        priors: from `objective_priors`; uniform ones have none.
        theta: shape (n_parameters,), on the PEtab scale.

    Returns:
        Shape (n,), and their derivatives with respect to theta, shape (n, n_parameters).

    Raises:
        ProblemError: a prior's log-density is no square.
    """
    linear = problem.linear(theta)
    inner = linear_slope(linear, problem.scales)
    values, rows = [], []
    for prior in priors:
        if prior.type in (C.UNIFORM, C.PARAMETER_SCALE_UNIFORM):
            continue
        if prior.type not in (C.NORMAL, C.PARAMETER_SCALE_NORMAL):
            raise ProblemError(
                f"Least squares are for normal priors, but {prior.parameter} has a {prior.type} "
                "one. Use another optimiser, or leave priors out."
            )
        i = problem.parameter_ids.index(prior.parameter)
        value = float((theta if prior.on_parameter_scale else linear)[i])
        row = np.zeros(theta.size)
        row[i] = (1.0 if prior.on_parameter_scale else float(inner[i])) / prior.scale
        values.append((value - prior.location) / prior.scale)
        rows.append(row)
    return np.array(values), np.array(rows).reshape(len(rows), theta.size)


def read_prior(
    what: str, kind: str, shown: object, lower: float, upper: float
) -> tuple[float, float] | None:
    """The two parameters of a prior of the parameter table.

    Args:
        what: the prior, as sentences begin.
        kind: its type.
        shown: its parameters as the table has them.
        lower: the parameter's lower bound on its PEtab scale.
        upper: its upper bound.

    Returns:
        None for a uniform prior between bounds that are not finite: it is equivalent to none.

    Raises:
        ProblemError: the type is unknown, or its parameters are not two numbers that fit it.
    """
    if kind not in C.PRIOR_TYPES:
        raise ProblemError(
            f"{what} has the unknown type {kind[:40]!r}; PEtab has {', '.join(C.PRIOR_TYPES)}."
        )
    empty = shown is None or shown != shown or not str(shown).strip()
    if empty and kind == C.PARAMETER_SCALE_UNIFORM:
        first, second = lower, upper
        if not (math.isfinite(first) and math.isfinite(second)):
            return None
    else:
        try:
            first, second = (float(text) for text in str(shown).split(C.PARAMETER_SEPARATOR))
        except ValueError as error:
            raise ProblemError(
                f"{what} has the parameters {'' if empty else str(shown)[:40]!r}; two numbers with "
                "a semicolon between them were expected."
            ) from error
    uniform = kind in (C.UNIFORM, C.PARAMETER_SCALE_UNIFORM)
    width = second - first if uniform else second
    if not (width > 0 and math.isfinite(first) and math.isfinite(second)):
        raise ProblemError(
            f"{what} has the parameters {first:g} and {second:g}; "
            + ("the end must be above the beginning." if uniform else "the scale must be above 0.")
        )
    return float(first), float(second)
