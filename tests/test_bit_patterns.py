"""Bits of numbers: against NumPy's own rounding, and by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amijax.bit_patterns import bit_pattern, flip_bit, float32_rounding, next_float32

numbers = st.floats(allow_nan=False, allow_infinity=False)
normal = st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30)


def test_one_third_by_hand():
    """1/3 = 1.0101...01 times 2 to the power -2; float32 rounds up at its 23rd bit."""
    found = float32_rounding(1 / 3)
    assert found.float64.bits == (0, *map(int, f"{1023 - 2:011b}"), *[0, 1] * 26)
    assert found.float32.bits == (0, *map(int, f"{127 - 2:08b}"), *[0, 1] * 11, 1)
    assert (found.float64.exponent, found.float32.exponent) == (-2, -2)
    assert found.lost == tuple(range(35, 64))
    assert found.ulp == 2.0**-25
    exact = Fraction(float(np.float32(1 / 3))) - Fraction(1 / 3)
    assert Fraction(found.error) == exact
    assert 0 < found.error_ulps <= 0.5
    assert "29 bits have no place" in found.sentence


@given(numbers)
def test_the_bits_are_the_number(value):
    bits = bit_pattern(value, "float64").bits
    assert len(bits) == 64
    assert int("".join(map(str, bits)), 2) == int(np.float64(value).view(np.uint64))
    with np.errstate(over="ignore"):
        single = np.float32(value)
    bits = bit_pattern(value, "float32").bits
    assert int("".join(map(str, bits)), 2) == int(single.view(np.uint32))


@given(normal)
def test_rounding_is_half_a_unit_at_most_and_exact(value):
    found = float32_rounding(value)
    assert found.float32.value == float(np.float32(value))
    assert Fraction(found.error) == Fraction(found.float32.value) - Fraction(value)
    assert abs(found.error_ulps) <= 0.5
    assert found.ulp == math.ulp(value) * 2**29
    lost = [found.float64.bits[i] for i in found.lost]
    assert found.is_exact == (not any(lost))  # what has no place was 0


@given(normal, st.integers(0, 63))
def test_a_bit_flipped_twice_is_the_number(value, position):
    other = flip_bit(value, position)
    assert flip_bit(other, position) == value or not math.isfinite(other)
    differ = np.not_equal(bit_pattern(value, "float64").bits, bit_pattern(other, "float64").bits)
    if not math.isnan(other):
        assert list(np.flatnonzero(differ)) == [position]


@given(normal, st.integers(0, 31))
def test_a_flip_in_float32_gives_what_float32_holds(value, position):
    other = flip_bit(value, position, "float32")
    assert math.isnan(other) or float(np.float32(other)) == other


@given(st.floats(-1e30, 1e30))
def test_neighbours_in_float32(value):
    above, below = next_float32(value, 1), next_float32(value, -1)
    assert below < value < above
    assert float(np.float32(above)) == above
    between = float(np.nextafter(np.float32(below), np.float32(np.inf)))
    assert between in (value, above)  # no float32 is left out


def test_what_float32_can_not_hold():
    beyond = float32_rounding(1e39)
    assert beyond.float32.value == math.inf
    assert math.isnan(beyond.ulp)
    assert "beyond the range" in beyond.sentence
    tiny = float32_rounding(2.0**-130 * (1 + 2.0**-20))  # subnormal in float32: 4 bits fewer
    assert len(tiny.lost) == 33
    assert not tiny.is_exact
    assert float32_rounding(0.0).is_exact
    assert float32_rounding(-0.5).sentence.startswith("float32 holds this number exactly")


@pytest.mark.parametrize(
    ("position", "precision"), [(64, "float64"), (-1, "float64"), (32, "float32")]
)
def test_bits_that_are_not_there(position, precision):
    with pytest.raises(ValueError, match="has bits 0 to"):
        flip_bit(1.0, position, precision)


def test_no_rounding_of_what_is_no_number():
    with pytest.raises(ValueError, match="finite"):
        float32_rounding(math.nan)
