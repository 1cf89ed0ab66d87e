"""The bits of a number in float64 and float32, and what rounding to float32 takes from it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.precisions import PRECISIONS, Precision

Part = Literal["sign", "exponent", "mantissa"]

# IEEE 754: bits of the exponent and of the mantissa, without the hidden one; struct's letters.
_EXPONENT_BITS: dict[Precision, int] = {"float32": 8, "float64": 11}
_MANTISSA_BITS: dict[Precision, int] = {"float32": 23, "float64": 52}
_LETTERS: dict[Precision, tuple[str, str]] = {"float32": (">f", ">I"), "float64": (">d", ">Q")}
_SMALLEST_EXPONENT, _LARGEST_EXPONENT = -126, 127  # of normal float32


@dataclass(frozen=True)
class BitPattern:
    """A number's bits.

    Attributes:
        precision: the format.
        value: the number in it, as float64.
        bits: the sign, the exponent and the mantissa, most significant first: 64 or 32 of 0 and 1.
    """

    precision: Precision
    value: float
    bits: tuple[int, ...]

    @property
    def exponent(self) -> int:
        """The power of two: the exponent's bits less their offset, -1023 or -127 at the least."""
        n = _EXPONENT_BITS[self.precision]
        return int("".join(map(str, self.bits[1 : 1 + n])), 2) - (2 ** (n - 1) - 1)

    def part(self, position: int) -> Part:
        """What a bit belongs to.

        Args:
            position: from 0, the sign.
        """
        if position == 0:
            return "sign"
        return "exponent" if position <= _EXPONENT_BITS[self.precision] else "mantissa"


@dataclass(frozen=True)
class Float32Rounding:
    """What becomes of a number when it is rounded to float32.

    Attributes:
        float64, float32: its bits before and after.
        error: float32 - float64; infinite beyond float32's range.
        ulp: the distance of the two float32 that the number lies between or, where it is one, from
            it to the next larger one in size; NaN beyond float32's range.
        error_ulps: the error in units of that distance, at most a half.
        lost: positions of float64's bits that have no place in float32.
    """

    float64: BitPattern
    float32: BitPattern
    error: float
    ulp: float
    error_ulps: float
    lost: tuple[int, ...]

    @property
    def is_exact(self) -> bool:
        """Whether float32 holds the number as it is."""
        return self.error == 0

    @property
    def sentence(self) -> str:
        """What rounding does, in words."""
        if not np.isfinite(self.float32.value):
            return "The number is beyond the range of float32: it becomes infinite."
        if self.is_exact:
            return "float32 holds this number exactly: the bits without a place in it are all 0."
        return (
            f"In float32 the number becomes {self.float32.value:.17g}: off by {self.error:.2g}, "
            f"which is {abs(self.error_ulps):.2f} of the distance between neighbouring float32 "
            f"({self.ulp:.2g}; half of it at most), or {abs(self.error / self.float64.value):.1e} "
            f"of the number itself. {len(self.lost)} bits have no place in float32."
        )


def bit_pattern(value: float, precision: Precision) -> BitPattern:
    """The bits of a number in a format, rounded to it if need be.

    Args:
        value: any number, also infinite or NaN.
        precision: the format.
    """
    rounded = float(_rounded(value, precision))
    as_float, as_integer = _LETTERS[precision]
    (number,) = struct.unpack(as_integer, struct.pack(as_float, rounded))
    n = 1 + _EXPONENT_BITS[precision] + _MANTISSA_BITS[precision]
    return BitPattern(precision, rounded, tuple(int(bit) for bit in f"{number:0{n}b}"))


def float32_rounding(value: float) -> Float32Rounding:
    """What rounding to float32 does to a number.

    Args:
        value: a finite number.

    Raises:
        ValueError: it is not finite.

    Examples:
        >>> float32_rounding(0.1).error  # float32 is a bit above
        1.4901161138336505e-09
        >>> float32_rounding(0.5).error
        0.0
    """
    if not np.isfinite(value):
        raise ValueError(f"{value} has no rounding error: give a finite number.")
    before, after = bit_pattern(value, "float64"), bit_pattern(value, "float32")
    error = after.value - before.value
    in_range = before.exponent <= _LARGEST_EXPONENT
    ulp = 2.0 ** (max(before.exponent, _SMALLEST_EXPONENT) - 23) if in_range else float("nan")
    dropped = _MANTISSA_BITS["float64"] - _MANTISSA_BITS["float32"]
    if value:
        dropped += max(_SMALLEST_EXPONENT - before.exponent, 0)  # float32's are subnormal
    first = 64 - min(dropped, _MANTISSA_BITS["float64"])
    return Float32Rounding(before, after, error, ulp, error / ulp, tuple(range(first, 64)))


def flip_bit(value: float, position: int, precision: Precision = "float64") -> float:
    """The number with another bit; infinite or NaN if the exponent's bits are all 1 then.

    Args:
        value: a number; rounded to the format first.
        position: of the bit, from 0, the sign.
        precision: the format.

    Raises:
        ValueError: the format has no such bit.
    """
    bits = list(bit_pattern(value, precision).bits)
    if precision not in PRECISIONS or not 0 <= position < len(bits):
        raise ValueError(f"{precision} has bits 0 to {len(bits) - 1}, but no bit {position}.")
    bits[position] = 1 - bits[position]
    as_float, as_integer = _LETTERS[precision]
    packed = struct.pack(as_integer, int("".join(map(str, bits)), 2))
    return float(struct.unpack(as_float, packed)[0])


def next_float32(value: float, direction: Literal[-1, 1]) -> float:
    """The nearest float32 above (1) or below (-1) a number that is not the number itself."""
    rounded = _rounded(value, "float32")
    if (float(rounded) - value) * direction > 0:
        return float(rounded)
    with np.errstate(over="ignore"):
        return float(np.nextafter(rounded, np.float32(direction * np.inf)))


def _rounded(value: float, precision: Precision) -> np.floating:
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(value) if precision == "float32" else np.float64(value)
