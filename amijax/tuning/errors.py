"""What the error of a gradient is, and how many digits that leaves."""

from __future__ import annotations

import math

import numpy as np

from amijax.digits import ALL_DIGITS
from amijax.scales import FloatArray


def gradient_error(gradient: FloatArray, truth: FloatArray) -> float:
    """The error of a gradient: |gradient - truth| / |truth|, in the Euclidean norm.

    Who fits or samples goes along the gradient: the norm bounds by how much its direction and its
    length are off, and with them every derivative along a direction, relative to the steepest one.
    Digits of single entries are no target: an entry that is nearly 0 has none although it moves
    nothing, and asking for them would make every model look impossible. They are for display
    (`amijax.digits.digits`). Gradients are with respect to theta, on the PEtab scale, where
    parameters of different units are comparable.

    Args:
        gradient: shape (n_parameters,).
        truth: shape (n_parameters,).

    Returns:
        0 or more; infinite where an entry is not finite, or the truth is 0 and the gradient isn't.
    """
    off, size = math.hypot(*(gradient - truth)), math.hypot(*truth)  # numpy's norm may overflow
    if not (np.isfinite(off) and np.isfinite(size)):
        return np.inf
    if off == 0:
        return 0.0
    return off / size if size else np.inf


def digits_of(error: float) -> float:
    """Decimal digits that an error leaves: -log10(error), from 0 to 15.95, all of float64."""
    if not np.isfinite(error):
        return 0.0
    return float(np.clip(-np.log10(error), 0.0, ALL_DIGITS)) if error > 0 else ALL_DIGITS
