"""Digits of agreement between numbers."""

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
