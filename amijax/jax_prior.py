"""Log-priors and log-posteriors as JAX functions of theta, twice differentiable everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from amijax.jax_theta import checked_theta
from amijax.problems.distributions import TruncatedPrior
from amijax.problems.priors import Prior, objective_priors
from amijax.problems.problem import Problem
from amijax.scales import LN10
from amijax.scaling import unscale

type _Density = Callable[[jax.Array, np.ndarray, np.ndarray], jax.Array]


@jax.tree_util.register_static
class JaxPrior:
    """The log-density of a problem's objective priors as a JAX function of theta.

    Equal to `amijax.log_prior`: each density is that of the variable that PEtab defines the prior
    of, the parameter on its PEtab scale for `parameterScale...` and on linear scale for the others,
    without a Jacobian between them; truncated at the bounds in PEtab v2 only. Outside of a prior's
    support it is minus infinity with derivatives 0; derivatives are never NaN. Without any priors
    it is 0. To JAX it is a static value; it pickles, and equals others of the same priors.
    """

    def __init__(self, problem: Problem) -> None:
        """Read the priors.

        Args:
            problem: whose priors count.

        Raises:
            ProblemError: a prior can't be used; the message says which.
        """
        self._ids = tuple(problem.parameter_ids)
        self._scales = tuple(problem.scales)
        self._priors = objective_priors(problem)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JaxPrior) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[Any, ...]:
        return self._ids, self._scales, self._priors

    @property
    def priors(self) -> tuple[Prior, ...]:
        """The priors, in the order of the parameter table."""
        return self._priors

    def __call__(self, theta: Any) -> jax.Array:
        """The log-density at theta, a scalar in theta's precision.

        Args:
            theta: shape (n_parameters,), float32 or float64, on the PEtab scale; or a pytree of
                single numbers under their parameters' ids.

        Raises:
            PrecisionError, TypeError, ValueError: as calling a `JaxObjective` does.
        """
        theta = jnp.asarray(checked_theta(theta, len(self._ids), self._ids))
        total = jnp.zeros((), theta.dtype)
        for kind, density in _DENSITIES.items():
            for on_scale in (False, True):
                chosen = [
                    prior
                    for prior in self._priors
                    if prior.on_parameter_scale is on_scale and _family(prior) == kind
                ]
                if chosen:
                    total += self._sum(theta, chosen, density, kind, on_scale)
        return total

    def _sum(
        self,
        theta: jax.Array,
        priors: list[Prior],
        density: _Density,
        kind: str,
        on_scale: bool,
    ) -> jax.Array:
        """The log-densities of priors of one family, added up."""
        at = np.array([self._ids.index(prior.parameter) for prior in priors])
        a, b = (
            np.array([getattr(prior, name) for prior in priors]).astype(theta.dtype)
            for name in ("location", "scale")
        )
        given, scales = theta[at], [self._scales[i] for i in at]
        x = jnp.where(jnp.isfinite(given), given, 0)  # products of infinities would be NaN
        if on_scale:
            found = density(x, a, b)
        else:
            lower, upper, log_mass = _limits(priors, theta.dtype)
            p = unscale(x, scales)
            usable = jnp.isfinite(p) & (lower <= p) & (p <= upper)
            usable &= (p > 0) if kind in _POSITIVE else True
            if kind.startswith("log"):
                inside = _of_logarithm(x, scales, lambda log: density(log, a, b))
                usable &= jnp.isfinite(inside)
            else:
                # 1 where p can't be used: what is not selected must not be infinite or NaN.
                safe = jnp.where(usable, unscale(jnp.where(usable, x, 0), scales), 1)
                inside = density(safe, a, b)
            found = jnp.where(usable, inside - log_mass, -jnp.inf)
        found = jnp.where(jnp.isfinite(given), found, -jnp.inf)
        return jnp.where(jnp.isnan(given), jnp.nan, found).sum()


@jax.tree_util.register_static
class JaxPosterior:
    """Log-likelihood plus log-prior as a JAX function of theta, up to a constant.

    Bounds don't enter: see `Bounds`. Samplers want failed points to be minus infinity:
    `JaxPosterior(JaxObjective(objective, on_failure="reject"))`. To JAX it is a static value; it
    pickles as its parts.
    """

    def __init__(self, likelihood: Any, prior: JaxPrior | None = None) -> None:
        """Put both together.

        Args:
            likelihood: a `JaxObjective`, or another function of theta.
            prior: if not given, that of the problem of the likelihood's objective.

        Raises:
            ProblemError: a prior can't be used.
        """
        self.likelihood = likelihood
        self.prior = JaxPrior(likelihood.objective.problem) if prior is None else prior

    def __call__(self, theta: Any) -> jax.Array:
        """The log-density at theta, a scalar in theta's precision.

        Args:
            theta: shape (n_parameters,), as the likelihood takes it.
        """
        return self.likelihood(theta) + self.prior(theta)


def _family(prior: Prior) -> str:
    """The distribution's name in PEtab v1 and v2: `logNormal` and `log-normal` are `lognormal`."""
    return prior.type.removeprefix("parameterScale").replace("-", "").lower()


def _of_logarithm(x: jax.Array, scales: list[Any], density: _OfLogarithm) -> jax.Array:
    """Log-density of p, given that of log(p): times d log(p) / dp = 1 / p.

    On logarithmic scales log(p) is at hand, and p itself need not be.
    """
    factor = np.array([{"log": 1.0, "log10": LN10}.get(s, 0.0) for s in scales], dtype=x.dtype)
    is_linear = factor == 0.0
    inside = ~is_linear | (x > 0)
    log = jnp.where(is_linear, jnp.log(jnp.where(is_linear & (x > 0), x, 1.0)), factor * x)
    return jnp.where(inside, density(log) - log, -jnp.inf)


def _limits(priors: list[Prior], dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where densities are cut off on linear scale, and the logarithm of what is between."""
    limits = [
        (prior.lower, prior.upper, math.log(prior.mass()))
        if isinstance(prior, TruncatedPrior)
        else (-np.inf, np.inf, 0.0)
        for prior in priors
    ]
    lower, upper, log_mass = np.array(limits).T.astype(dtype)
    return lower, upper, log_mass


def _uniform(x: jax.Array, a: np.ndarray, b: np.ndarray) -> jax.Array:
    return jnp.where((a <= x) & (x <= b), -jnp.log(b - a), -jnp.inf)


def _normal(x: jax.Array, a: np.ndarray, b: np.ndarray) -> jax.Array:
    return -0.5 * ((x - a) / b) ** 2 - jnp.log(b) - 0.5 * math.log(2 * math.pi)


def _laplace(x: jax.Array, a: np.ndarray, b: np.ndarray) -> jax.Array:
    return -jnp.abs((x - a) / b) - jnp.log(2 * b)


def _cauchy(x: jax.Array, a: np.ndarray, b: np.ndarray) -> jax.Array:
    return -jnp.log1p(((x - a) / b) ** 2) - jnp.log(math.pi * b)


def _exponential(x: jax.Array, _a: np.ndarray, b: np.ndarray) -> jax.Array:
    return -x / b - jnp.log(b)


def _gamma(x: jax.Array, a: np.ndarray, b: np.ndarray) -> jax.Array:
    return (a - 1) * jnp.log(x) - x / b - gammaln(a) - a * jnp.log(b)


def _chi_squared(x: jax.Array, a: np.ndarray, _b: np.ndarray) -> jax.Array:
    return _gamma(x, a / 2, np.full_like(a, 2))


def _rayleigh(x: jax.Array, _a: np.ndarray, b: np.ndarray) -> jax.Array:
    return jnp.log(x) - 2 * jnp.log(b) - 0.5 * (x / b) ** 2


def _log_uniform(log: jax.Array, a: np.ndarray, b: np.ndarray) -> jax.Array:
    return _uniform(log, np.log(a), np.log(b))


_POSITIVE = ("gamma", "chisquare", "rayleigh", "exponential")

type _OfLogarithm = Callable[[jax.Array], jax.Array]

_DENSITIES: dict[str, _Density] = {
    "uniform": _uniform,
    "normal": _normal,
    "laplace": _laplace,
    "lognormal": _normal,
    "loglaplace": _laplace,
    "loguniform": _log_uniform,
    "cauchy": _cauchy,
    "exponential": _exponential,
    "gamma": _gamma,
    "chisquare": _chi_squared,
    "rayleigh": _rayleigh,
}
