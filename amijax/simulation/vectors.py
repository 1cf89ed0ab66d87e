"""AMICI's vectors of numbers as NumPy arrays, without a Python object for each number."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from amijax.scales import FloatArray

_SIZE = ctypes.sizeof(ctypes.c_double)


def as_array(vector: Any) -> FloatArray:
    """Copy AMICI's `DoubleVector` into an array of shape (n,).

    `np.array(vector)` asks for each number on its own, which takes as long as the simulation of a
    dense time course. A `std::vector` begins with the addresses of its first element and of its
    end, in the standard libraries of GCC, Clang and Microsoft; where what is found there does not
    fit the vector's length and ends, the numbers are asked for one by one after all.

    Args:
        vector: for example `rdata.y`.
    """
    n = len(vector)
    if n == 0:
        return np.empty(0)
    first, end = (ctypes.c_void_p * 2).from_address(int(vector.this))
    if first is None or end is None or end - first != n * _SIZE:
        return np.array(vector, dtype=np.float64)
    numbers = (ctypes.c_double * n).from_address(first)
    if not (_same(numbers[0], vector.front()) and _same(numbers[n - 1], vector.back())):
        return np.array(vector, dtype=np.float64)
    return np.frombuffer(numbers).copy()


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)
