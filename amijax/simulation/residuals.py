"""Normal residuals and their Jacobian, whose sum of squares is the log-likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amijax.problems.problem import ProblemError
from amijax.scales import FloatArray
from amijax.simulation.failures import Failure
from amijax.simulation.measured_values import MeasuredValues
from amijax.simulation.measurements import MeasuredNoise

# AMICI's constant (`Model.set_minimum_sigma_residuals`): noise scales above exp(-25) = 1.4e-11.
NOISE_OFFSET = 50.0


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals at a point: llh = -0.5 * sum(values**2) + constant.

    Attributes:
        values: shape (n_measurements,), or (2 n_measurements,) with the noise terms behind; NaN
            after a failure.
        jacobian: derivatives with respect to theta on the PEtab scale, one row for each residual;
            None if not asked for.
        constant: what is missing to llh. With noise terms the same at every theta; without them
            at every theta only if no noise scale depends on theta. NaN after a failure, unless
            it is the same at every theta.
        measured: the simulation that they were made of.
        failure: why there is no result, None if there is one.
    """

    values: FloatArray
    jacobian: FloatArray | None
    constant: float
    measured: MeasuredValues
    failure: Failure | None


def residuals_of(
    noise: MeasuredNoise, extended: bool, offset: float = NOISE_OFFSET
) -> Callable[[MeasuredValues], Residuals]:
    """What makes residuals of simulations.

    Args:
        noise: of the measurements.
        extended: with noise terms.
        offset: of the noise terms.

    Raises:
        ProblemError: the noise of some measurements is not normal.
    """
    check_normal(noise)
    if extended:
        return lambda measured: extended_residuals(measured, noise, offset)
    return lambda measured: residuals(measured, noise)


def check_normal(noise: MeasuredNoise) -> None:
    """Refuse measurements whose log-likelihood is no sum of squares.

    Raises:
        ProblemError: the noise of some is not normal.
    """
    others = {str(model): rows for model, rows in noise.models if model.distribution != "normal"}
    if others:
        n = sum(rows.size for rows in others.values())
        raise ProblemError(
            "This is for normal noise after lin, log or log10, whose log-likelihood is a sum of "
            f"squares, but {n} of {noise.measurements.size} measurements have "
            f"{' and '.join(others)} noise. Use llh and its gradient, measured_values for a "
            'likelihood of your own, or hessian(theta, method="differences").'
        )


def extended_constant(noise: MeasuredNoise, offset: float = NOISE_OFFSET) -> float:
    """What the sum of squares of `extended_residuals` lacks to llh, the same at every theta.

    Args:
        noise: of the measurements, all normal.
        offset: as in `extended_residuals`.
    """
    free = np.isnan(noise.sigma)
    n = noise.measurements.size
    total = 0.5 * offset * np.count_nonzero(free) - 0.5 * n * np.log(2.0 * np.pi)
    total -= np.log(noise.sigma[~free]).sum()
    for model, rows in noise.models:
        total += np.log(model.slope(noise.measurements[rows])).sum()
    return float(total)


def residuals(measured: MeasuredValues, noise: MeasuredNoise) -> Residuals:
    """(t(y) - t(m)) / sigma for each measurement m, and their Jacobian.

    t is the identity, log or log10, as PEtab's observableTransformation says. AMICI's residuals
    (`ReturnData.res`) have the other sign.

    Args:
        measured: the simulation, with its Jacobian if one is wanted.
        noise: of the measurements, all normal.
    """
    values, jacobian = _scaled_differences(measured, noise)
    constant = measured.llh + 0.5 * float(values @ values)
    return Residuals(values, jacobian, constant, measured, measured.failure)


def extended_residuals(
    measured: MeasuredValues, noise: MeasuredNoise, offset: float = NOISE_OFFSET
) -> Residuals:
    """The residuals, and behind them a noise term for each measurement.

    With r = (t(y) - t(m)) / sigma, the log-density of a measurement is
    -r**2 / 2 - log(sigma) - log(2 pi) / 2 + log(t'(m)), and the noise term
    s = sqrt(2 log(sigma) + offset) makes a sum of squares of it: -(r**2 + s**2) / 2 plus what does
    not depend on theta. The scheme is AMICI's (`Model.set_add_sigma_residuals`,
    src/rdata.cpp: `fres_error`). Where the measurement table gives sigma as a number, the term is
    0, and log(sigma) part of the constant: as small as that may be, there is nothing to take a
    root of.

    Gauss-Newton on this sum takes half of the curvature of log(sigma) from r, and from s the
    other half divided by s**2: a smaller offset is better, as long as sigma stays above
    exp(-offset / 2).

    Args:
        measured: the simulation, with its Jacobian if one is wanted.
        noise: of the measurements, all normal.
        offset: AMICI's if not given.
    """
    values, jacobian = _scaled_differences(measured, noise)
    constant = extended_constant(noise, offset)
    n = values.size
    free = np.isnan(noise.sigma)
    squares = np.zeros(n)
    failure = measured.failure
    with np.errstate(divide="ignore", invalid="ignore"):
        squares[free] = 2.0 * np.log(measured.sigma[free]) + offset
        terms = np.sqrt(squares)
        if failure is None and not (squares[free] > 0.0).all():
            failure = _too_small(measured.sigma[free], offset)
        both = np.concatenate([values, terms])
        if jacobian is not None:
            assert measured.sigma_jacobian is not None
            slopes = np.zeros_like(jacobian)
            inverse = 1.0 / (terms[free] * measured.sigma[free])
            slopes[free] = measured.sigma_jacobian[free] * inverse[:, None]
            jacobian = np.concatenate([jacobian, slopes])
    if failure is not None:
        both = np.full(2 * n, np.nan)
        jacobian = None if jacobian is None else np.full(jacobian.shape, np.nan)
    return Residuals(both, jacobian, constant, measured, failure)


def _scaled_differences(
    measured: MeasuredValues, noise: MeasuredNoise
) -> tuple[FloatArray, FloatArray | None]:
    y, sigma = measured.y, measured.sigma
    values, slope = np.empty(y.size), np.empty(y.size)
    for model, rows in noise.models:
        values[rows] = -model.residual(noise.measurements[rows], y[rows], sigma[rows])
        slope[rows] = model.slope(y[rows])
    if measured.y_jacobian is None or measured.sigma_jacobian is None:
        return values, None
    jacobian = measured.y_jacobian * (slope / sigma)[:, None]
    jacobian -= measured.sigma_jacobian * (values / sigma)[:, None]
    return values, jacobian


def _too_small(sigma: FloatArray, offset: float) -> Failure:
    return Failure(
        "output",
        f"A noise scale of {sigma.min():g} is too small for a noise term with offset {offset:g}, "
        f"which needs {np.exp(-0.5 * offset):.2g} or more",
        "Give a larger noise offset, or keep noise parameters away from 0 by their lower bounds.",
    )
