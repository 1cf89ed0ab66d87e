"""How far the next step of a profile goes, where its start is predicted, and where it crosses."""

from __future__ import annotations

import numpy as np

from amijax.scales import FloatArray

# Curvature per unit squared that is added: what the data determine no better than to some units
# does not run away.
_RIDGE = 0.1


def tangent(curvature: FloatArray, position: int, units: FloatArray) -> tuple[FloatArray, float]:
    """How the other parameters' optimum moves with one, and the profile's own curvature.

    By Gauss-Newton: with F the curvature of minus llh, o the others and i the one,
    d theta_o / d theta_i = -inverse(F_oo) F_oi, and F_ii - F_io inverse(F_oo) F_oi.

    Args:
        curvature: shape (n, n).
        position: of the one.
        units: of all parameters, shape (n,).

    Returns:
        The move of all parameters, 1 for the one, shape (n,); the curvature, not below 0.
    """
    n = len(curvature)
    others = np.arange(n) != position
    move = np.zeros(n)
    move[position] = 1.0
    if n == 1:
        return move, max(float(curvature[0, 0]), 0.0)
    inner = curvature[np.ix_(others, others)]
    mixed = curvature[others, position]
    move[others] = -np.linalg.solve(inner + np.diag(_RIDGE / units[others] ** 2), mixed)
    return move, max(float(curvature[position, position] + mixed @ move[others]), 0.0)


def step_to(drop: float, rate: float, curvature: float) -> float:
    """The step along which a parabola falls by `drop`; infinite if it does not.

    Args:
        drop: above 0.
        rate: at which it falls already; one that rises counts as level.
        curvature: of minus the parabola, not below 0.
    """
    rate = max(rate, 0.0)
    root = np.sqrt(rate**2 + 2.0 * curvature * drop)
    return float(2.0 * drop / (rate + root)) if root > 0 else np.inf


def summit(
    x: tuple[float, float], values: tuple[float, float], slopes: tuple[float, float]
) -> tuple[float, float]:
    """Where the cubic through two points with slopes is largest between them, and its value.

    Args:
        x: of the two points.
        values: of the two.
        slopes: with respect to x.
    """
    from scipy.interpolate import CubicHermiteSpline

    width = x[1] - x[0]
    cubic = CubicHermiteSpline((0.0, 1.0), values, (slopes[0] * width, slopes[1] * width))
    turns = cubic.derivative().roots(extrapolate=False)
    places = [0.0, 1.0, *(t for t in turns if np.isfinite(t))]
    best = max(places, key=lambda t: float(cubic(t)))
    return x[0] + width * best, float(cubic(best))


def crossing(
    x: tuple[float, float], values: tuple[float, float], slopes: tuple[float, float], level: float
) -> float:
    """Where the cubic through two points with slopes is at a level between their values.

    Args:
        x: of the two points.
        values: one above the level, the other below.
        slopes: with respect to x.
        level: between the values.
    """
    from scipy.interpolate import CubicHermiteSpline
    from scipy.optimize import brentq

    width = x[1] - x[0]
    # On a unit interval, so that x may run downwards.
    cubic = CubicHermiteSpline(
        (0.0, 1.0), np.array(values) - level, (slopes[0] * width, slopes[1] * width)
    )
    return float(x[0] + width * brentq(cubic, 0.0, 1.0, xtol=1e-12))
