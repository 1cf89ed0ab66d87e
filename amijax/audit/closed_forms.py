"""Embedded problems that have a closed form: their log-likelihood and gradient without a solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from petab.v1 import C

from amijax.audit.testimony import Testimony
from amijax.problems.catalogue import is_embedded
from amijax.problems.problem import Problem
from amijax.scales import FloatArray

# Rounding of sums of squares; relative to the largest term.
_ROUNDING = 1e-12


def closed_form(problem: Problem, theta: FloatArray) -> tuple[Testimony, Testimony] | None:
    """Log-likelihood and gradient (with respect to theta) as testimonies; None without one.

    Args:
        problem: any.
        theta: shape (n_parameters,), on the PEtab scale.
    """
    function = _FORMS.get(problem.problem_id) if is_embedded(problem) else None
    if function is None:
        return None
    llh, gradient = function(problem, theta)
    return (
        Testimony("closed form", np.array([llh]), np.array([_ROUNDING * max(1.0, abs(llh))])),
        Testimony("closed form", gradient, np.full(len(gradient), _ROUNDING * _size(gradient))),
    )


def _size(gradient: FloatArray) -> float:
    return max(1.0, float(np.abs(gradient).max(initial=0.0)))


def _conversion_reaction(problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """A <-> B with constant total: a linear equation, d(a)/dt = -k1 a + k2 (total - a)."""
    p = problem.linear(theta)
    k1, k2, total, background, sigma_a, sigma_b = p
    table = problem.measurements
    time = table[C.TIME].to_numpy(dtype=np.float64)
    start = table[C.SIMULATION_CONDITION_ID].eq("start_with_A").to_numpy(dtype=np.float64)
    is_b = table[C.OBSERVABLE_ID].eq("B_measured").to_numpy()
    rate = k1 + k2
    decay = np.exp(-rate * time)
    rest = k2 / rate
    a = rest + (start - rest) * decay
    by_rate = -time * (start - rest) * decay
    a_by_k1 = -rest / rate * (1.0 - decay) + by_rate
    a_by_k2 = k1 / rate**2 * (1.0 - decay) + by_rate
    sign = np.where(is_b, -1.0, 1.0)
    share = np.where(is_b, 1.0 - a, a)
    sigma = np.where(is_b, sigma_b, sigma_a)
    measured = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    residual = (measured - total * share - background * is_b) / sigma
    llh = -0.5 * float(np.sum(np.log(2.0 * np.pi * sigma**2) + residual**2))
    by_sigma = (residual**2 - 1.0) / sigma
    weights = residual / sigma
    by_p = np.array(
        [
            weights @ (sign * total * a_by_k1),
            weights @ (sign * total * a_by_k2),
            weights @ share,
            weights @ is_b.astype(float),
            by_sigma @ (~is_b).astype(float),
            by_sigma @ is_b.astype(float),
        ]
    )
    slope = {"lin": np.ones_like(p), "log": p, "log10": np.log(10.0) * p}
    return llh, by_p * np.array([slope[s][i] for i, s in enumerate(problem.scales)])


_FORMS: dict[str, Callable[[Problem, FloatArray], tuple[float, FloatArray]]] = {
    "Conversion_Reaction": _conversion_reaction
}
