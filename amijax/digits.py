"""Digits of agreement between numbers, and relative differences in words."""

import numpy as np
from numpy.typing import ArrayLike

from amijax.scales import FloatArray

ALL_DIGITS = 15.95  # of float64: 53 bits


def digits(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Number of significant decimal digits in which a and b agree, elementwise.

    -log10(|a - b| / max(|a|, |b|)), at least 0, where nothing or not even the sign agrees, at
    most 15.95, all of float64. NaN where a or b is.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    larger = np.maximum(np.abs(a), np.abs(b))
    with np.errstate(divide="ignore", invalid="ignore"):
        agreed = np.where(a == b, ALL_DIGITS, -np.log10(np.abs(a - b) / larger))
    return np.clip(agreed, 0.0, ALL_DIGITS)


def confirmed_text(digits: float) -> str:
    """A number of digits for which somebody vouches: with one decimal, never rounded up."""
    return f"{np.floor(digits * 10 + 1e-9) / 10:.1f}"


def relative_text(value: float) -> str:
    """A relative difference without its sign, in words that need no explanation."""
    size = abs(value)
    if np.isnan(size):
        return "unknown"
    if np.isinf(size):
        return "infinite"
    if size == 0:
        return "0, exact"
    if not 1e-3 <= size < 10:
        return f"{size:.1e}"
    return f"{100 * size:.0f} %" if size >= 0.1 else f"{100 * size:.2g} %"
