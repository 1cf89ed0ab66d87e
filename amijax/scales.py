"""The three parameter scales of PEtab (`lin`, `log`, `log10`) for NumPy arrays."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["lin", "log", "log10"]
FloatArray = NDArray[np.float64]

LN10 = float(np.log(10.0))
SURELY_FINITE = 300.0  # below it theta is finite on linear scale as well, whatever its scale


def to_linear(theta: ArrayLike, scales: Sequence[Scale]) -> FloatArray:
    """Bring parameters from their PEtab scale to linear scale.

    Args:
        theta: shape (..., n), on the PEtab scale.
        scales: the n scales.

    Returns:
        float64 array of the same shape; overflow gives `inf`, without a warning.
    """
    p = np.array(theta, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        for scale, columns in _columns(tuple(scales)):
            x = p[..., columns]
            p[..., columns] = 10.0**x if scale == "log10" else np.exp(x)
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
    theta = np.array(p, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        for scale, columns in _columns(tuple(scales)):
            x = theta[..., columns]
            theta[..., columns] = np.log10(x) if scale == "log10" else np.log(x)
    return theta


def linear_slope(p: ArrayLike, scales: Sequence[Scale]) -> FloatArray:
    """Derivative of the linear parameters with respect to the scaled ones, at `p`.

    A gradient with respect to theta divided by this is one with respect to p.

    Args:
        p: shape (..., n), on linear scale.
        scales: the n scales.
    """
    p = np.asarray(p, dtype=np.float64)
    factor, is_logarithmic = _slope(tuple(scales))
    return np.multiply(p, factor, out=np.ones(p.shape), where=is_logarithmic)


@cache
def _columns(scales: tuple[Scale, ...]) -> tuple[tuple[Scale, slice | np.ndarray], ...]:
    """Where the logarithmic scales are; a slice where one has all, which is faster."""
    found: list[tuple[Scale, slice | np.ndarray]] = []
    for scale in ("log10", "log"):
        columns = np.array([i for i, name in enumerate(scales) if name == scale], dtype=np.intp)
        if columns.size:
            found.append((scale, slice(None) if columns.size == len(scales) else columns))
    return tuple(found)


@cache
def _slope(scales: tuple[Scale, ...]) -> tuple[FloatArray, np.ndarray]:
    """The factor of p in `linear_slope`, and where it counts."""
    factor = np.array([LN10 if scale == "log10" else 1.0 for scale in scales])
    return factor, np.array([scale != "lin" for scale in scales], dtype=bool)
