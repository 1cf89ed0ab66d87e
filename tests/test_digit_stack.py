"""Numbers below each other: aligned, with all digits, marked where they differ."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amijax.audit.best_known import best_known
from amijax.audit.verdicts import Claim, judge
from amijax.digit_stack import SIGNIFICANT, BestKnown, stack_digits

# Numbers of a gradient, as they come together: at most ten powers of ten apart.
near = st.floats(-1e3, -1e-7) | st.floats(1e-7, 1e3) | st.just(0.0)


def read(row, stack):
    return float(row.text.strip().replace("−", "-") + f"e{stack.exponent}")


def marks(row):
    """A letter a character: s(ame), d(ifferent), u(nknown)."""
    return "".join(run.mark[0] * len(run.text) for run in row.runs)


@given(st.lists(near, min_size=1, max_size=4), st.integers(-8, 8))
def test_every_row_has_all_its_digits_and_the_points_align(values, power):
    values = [value * 10.0**power for value in values]
    stack = stack_digits("k", {f"row {i}": v for i, v in enumerate(values)})
    for row, value in zip(stack.rows, values, strict=True):
        assert row.value == value
        assert read(row, stack) == value
    assert len({row.text.index(".") for row in stack.rows}) == 1
    assert len({len(row.text) for row in stack.rows}) == 1


@given(near, near)
def test_no_mark_without_a_difference_and_none_before_it(a, b):
    stack = stack_digits("k", {"a": a, "b": b})
    first, second = stack.rows
    assert "different" not in {run.mark for run in first.runs}
    assert ("d" in marks(second)) == (a != b)
    if second.agreed is not None and 0 < second.agreed < SIGNIFICANT:
        # The first digit behind those that agree differs by 1 to 10, less what the rest makes up.
        unit = 10.0 ** (math.floor(math.log10(abs(a))) - second.agreed)
        assert 0.099 * unit <= abs(a - b) <= 10.01 * unit


def test_digits_by_hand():
    stack = stack_digits("k", {"AMICI": 1.25, "JAX": 1.2509765625})
    first, second = stack.rows
    assert first.text.startswith("1.25000000")
    assert second.agreed == 4  # 1.250|9765625
    assert marks(second).startswith("sssss" + "d")
    assert "No better value is known" in stack.sentence
    assert "Significant digits that agree: JAX 4." in stack.sentence
    first, second = stack.rows
    assert first.off is None
    assert second.off == pytest.approx(abs(second.value / first.value - 1), rel=1e-9)


def test_neighbours_that_look_different_agree():
    _, second = stack_digits("k", {"a": 1.0, "b": 0.9996}).rows
    assert second.agreed == 4
    assert marks(second)[:5] == "sssss"  # 0.999|6


def test_another_sign_agrees_in_nothing():
    stack = stack_digits("k", {"AMICI": -3.0, "JAX": 3.0})
    assert stack.rows[1].agreed == 0
    assert set(marks(stack.rows[1]).replace("s", "")) == {"d"}
    assert stack_digits("k", {"AMICI": -3.0, "JAX": 0.0}).rows[1].agreed == 0


def test_what_is_not_known_is_marked_and_nothing_behind_it_counts():
    best = BestKnown(0.123456789, 4e-7, "a witness")
    stack = stack_digits("k", {"AMICI": 0.1234569, "float32": 0.1235}, best)
    amici, float32, known = stack.rows
    assert stack.known == amici.agreed == 6  # 0.123456|789: half a unit is 5e-7
    assert marks(known) == "s" * 8 + "u" * (len(known.text) - 8)
    assert "d" not in marks(amici)
    assert float32.agreed == 3
    assert marks(float32)[:6] == "sssssd"  # 0.123|5
    assert known.note == "a witness, ± 4e-07"
    assert stack.against == known.title == "best known"
    assert "a witness, 6 digits of it" in stack.sentence
    assert "AMICI all 6, float32 3" in stack.sentence


def test_agreement_among_others_is_said():
    best = BestKnown(1.5, 1e-9, "a witness")
    stack = stack_digits("k", {"AMICI": 3.0, "float64": 3.0, "float32": 3.1}, best)
    assert "AMICI and float64 are the same number." in stack.sentence


def test_a_value_that_is_not_known_at_all_is_left_out():
    for best in (BestKnown(1.0, 0.6, "w"), BestKnown(math.nan, 0.1, "w"), BestKnown(0.0, 1.0, "w")):
        stack = stack_digits("k", {"AMICI": 1.0}, best)
        assert [row.title for row in stack.rows] == ["AMICI"]


def test_numbers_that_are_none_are_left_out():
    stack = stack_digits("k", {"AMICI": 1.0, "JAX": math.nan})
    assert [row.title for row in stack.rows] == ["AMICI"]
    with pytest.raises(ValueError, match="no number of k"):
        stack_digits("k", {"AMICI": math.inf})


def test_the_sharpest_witness_is_best_known():
    claims = [Claim("finite differences", 2.0, 1e-3), Claim("closed form", 2.0001, 1e-9)]
    verdict = judge("k", 2.0001, claims, 2.0)
    assert best_known(verdict, "gradient") == BestKnown(2.0001, 1e-9, "closed form")


def test_amici_itself_is_not_best_known():
    witness = Claim("finite differences", 2.0, 1e-3)
    tight = Claim("tight tolerances", 2.0005, 1e-9)
    verdict = judge("k", 2.1, [witness, tight], 2.0)
    assert best_known(verdict, "gradient") == BestKnown(2.0, 1e-3, "finite differences")
    assert best_known(judge("k", 2.0, [tight], 2.0), "gradient") is None
    # AMICI's JAX export has AMICI's own reading of the model: it confirms no llh.
    export = Claim("AMICI's JAX export", 2.0, 1e-9)
    assert best_known(judge("llh", 2.0, [export, witness], 2.0, kind="llh"), "llh").value == 2.0
    assert best_known(judge("llh", 2.0, [export], 2.0, kind="llh"), "llh") is None
