"""AMICI's vectors of numbers as NumPy arrays, without a Python object for each number."""

from __future__ import annotations

from typing import Any

import numpy as np

from amijax.models.amici_internals import numbers_in_memory
from amijax.scales import FloatArray


def as_array(vector: Any) -> FloatArray:
    """Copy AMICI's `DoubleVector` into an array of shape (n,).

    `np.array(vector)` asks for each number on its own, which takes as long as the simulation of a
    dense time course; it is left for vectors that can't be read from memory.

    Args:
        vector: for example `rdata.y`.
    """
    numbers = numbers_in_memory(vector)
    return np.array(vector, dtype=np.float64) if numbers is None else numbers
