"""The three parameter scales of PEtab (`lin`, `log`, `log10`) for NumPy arrays."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["lin", "log", "log10"]
FloatArray = NDArray[np.float64]

LN10 = float(np.log(10.0))


def to_linear(theta: ArrayLike, scales: Sequence[Scale]) -> FloatArray:
    """Bring parameters from their PEtab scale to linear scale.

    Args:
        theta: shape (..., n), on the PEtab scale.
        scales: the n scales.

    Returns:
        float64 array of the same shape; overflow gives `inf`, without a warning.
    """
    theta = np.asarray(theta, dtype=np.float64)
    p = theta.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for i, scale in enumerate(scales):
            if scale == "log10":
                p[..., i] = 10.0 ** theta[..., i]
            elif scale == "log":
                p[..., i] = np.exp(theta[..., i])
    return p


def to_scaled(p: ArrayLike, scales: Sequence[Scale]) -> FloatArray:
    """Bring parameters from linear scale to their PEtab scale.

    Args:
        p: shape (..., n), on linear scale.
        scales: the n scales.

    Returns:
        float64 array of the same shape; the logarithm of 0 is `-inf`, of a negative
        number NaN, without a warning.
    """
    p = np.asarray(p, dtype=np.float64)
    theta = p.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        for i, scale in enumerate(scales):
            if scale == "log10":
                theta[..., i] = np.log10(p[..., i])
            elif scale == "log":
                theta[..., i] = np.log(p[..., i])
    return theta


def linear_slope(p: ArrayLike, scales: Sequence[Scale]) -> FloatArray:
    """Derivative of the linear parameters with respect to the scaled ones, at `p`.

    A gradient with respect to theta divided by this is one with respect to p.

    Args:
        p: shape (..., n), on linear scale.
        scales: the n scales.
    """
    p = np.asarray(p, dtype=np.float64)
    slope = np.ones_like(p)
    for i, scale in enumerate(scales):
        if scale == "log10":
            slope[..., i] = p[..., i] * LN10
        elif scale == "log":
            slope[..., i] = p[..., i]
    return slope
