"""Verdicts on numbers by what witnesses say: right, wrong, or unproven, each with a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.audit.testimony import CONFIRMING, CONTRADICTING, Kind, Witness
from amijax.digits import ALL_DIGITS

Verdict = Literal["right", "wrong", "unproven"]

# A number is called right if at least two digits are confirmed, and wrong if a witness puts it at
# least this far off, relative to the larger of both: what AMICI's default tolerances leave of a
# gradient is better than that (Boehm_JProteomeRes2014: 2.8 digits).
TOLERATED = 1e-2
# What is less than a thousandth of the largest entry is an alarm only where the witness is ten
# times sharper than it needs to be.
_NEGLIGIBLE = 1e-3
_SURE = 10.0
_TINY = 1e-8
# Beyond rounding: a gradient is a sum of terms as large as its largest entry.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Claim:
    """What one witness says of one number.

    Attributes:
        witness: who.
        value: what it found.
        uncertainty: how far the truth may be from it.
    """

    witness: Witness
    value: float
    uncertainty: float


@dataclass(frozen=True)
class QuantityVerdict:
    """What is known of llh or of one entry of the gradient.

    Attributes:
        quantity: "llh" or the parameter's id.
        value: AMICI's.
        verdict: right (an independent witness confirms at least two digits), wrong (one whose
            uncertainty is small enough contradicts), or unproven.
        digits: how many the witness confirms, at most: the number's distance and the witness's
            uncertainty together. 0 where it is wrong, None where it is unproven, or a zero.
        witness: the sharpest independent one; None without any.
        witness_value, uncertainty: what it says; None without one.
        claims: what every witness says.
        sentence: the verdict in words.
        cause: where the number is wrong, what is likely to blame; else empty.
    """

    quantity: str
    value: float
    verdict: Verdict
    digits: float | None
    witness: Witness | None
    witness_value: float | None
    uncertainty: float | None
    claims: tuple[Claim, ...]
    sentence: str
    cause: str = ""


def confirmed_digits(value: float, claim: Claim) -> float:
    """Decimal digits of a number that a witness confirms, 0 to 15.9; 0 where it can't say.

    The distance between both and the witness's uncertainty add up. Rounded down to a tenth.
    """
    size = max(abs(value), abs(claim.value))
    off = abs(value - claim.value) + claim.uncertainty
    if not np.isfinite(off):
        return 0.0
    if off == 0:
        return _down(ALL_DIGITS)
    return _down(float(np.clip(-np.log10(off / size), 0.0, ALL_DIGITS))) if size else 0.0


def _down(digits: float) -> float:
    return math.floor(10.0 * digits) / 10.0


def judge(
    quantity: str,
    value: float,
    claims: Sequence[Claim],
    largest: float,
    *,
    kind: Kind = "gradient",
    why_not: str = "no witness was asked.",
) -> QuantityVerdict:
    """The verdict on one number.

    Args:
        quantity: what it is called.
        value: AMICI's.
        claims: what independent witnesses say of it, and others.
        largest: size of the largest number of its kind: of the gradient's entries, or llh's own.
        kind: llh, or an entry of its gradient: who may confirm it.
        why_not: why there is no claim, a sentence, for the case that there is none.
    """
    known = [c for c in claims if np.isfinite(c.value) and np.isfinite(c.uncertainty)]
    known.sort(key=lambda claim: claim.uncertainty)
    usable = [claim for claim in known if claim.witness in CONFIRMING[kind]]
    if not any(_one(value, claim, largest) != "unproven" for claim in usable):
        # AMICI may still contradict itself.
        contradicting = [
            claim
            for claim in known
            if claim.witness in CONTRADICTING and _one(value, claim, largest) == "wrong"
        ]
        usable = contradicting or usable
    if not np.isfinite(value) or not usable:
        reason = why_not if known or np.isfinite(value) or not claims else "there is no number."
        return QuantityVerdict(
            quantity, value, "unproven", None, None, None, None, tuple(known), f"Unproven: {reason}"
        )
    best = usable[0]
    verdicts = {_one(value, claim, largest) for claim in usable}
    verdict: Verdict = _one(value, best, largest)
    if {"right", "wrong"} <= verdicts:
        verdict = "unproven"
        sentence = "Unproven: the witnesses contradict each other: " + "; ".join(
            f"{c.witness} {_number(c.value)} ± {c.uncertainty:.1g}" for c in usable
        ) + "."  # fmt: skip
    else:
        sentence = _sentence(verdict, value, best, largest)
    digits = {"right": confirmed_digits(value, best), "wrong": 0.0, "unproven": None}[verdict]
    if verdict == "right" and digits is not None and digits < -np.log10(TOLERATED):
        digits = None  # zero as far as double precision tells
    return QuantityVerdict(
        quantity,
        value,
        verdict,
        digits,
        best.witness,
        best.value,
        best.uncertainty,
        tuple(known),
        sentence,
    )


def _one(value: float, claim: Claim, largest: float) -> Verdict:
    size = max(abs(value), abs(claim.value))
    distance = abs(value - claim.value)
    if distance + claim.uncertainty <= max(TOLERATED * size, _ROUNDING * largest):
        return "right"
    if distance - claim.uncertainty > TOLERATED * max(size, _NEGLIGIBLE * largest):
        return "wrong"
    if distance - _SURE * claim.uncertainty > max(TOLERATED * size, _TINY * largest):
        return "wrong"
    return "unproven"


def _sentence(verdict: Verdict, value: float, claim: Claim, largest: float) -> str:
    says = f"{claim.witness} {_number(claim.value)} ± {claim.uncertainty:.1g}"
    if verdict == "right":
        digits = confirmed_digits(value, claim)
        if digits < -np.log10(TOLERATED):
            return f"Right: zero as far as double precision tells ({says})."
        return f"Right: {claim.witness} confirm{_s(claim)} {digits:.1f} digits ({says})."
    if verdict == "wrong":
        return f"Wrong: AMICI {_number(value)}, {says}{_factor(value, claim.value)}."
    if abs(value - claim.value) <= claim.uncertainty:
        return f"Unproven: {says} is not sharp enough for a number of this size" + (
            f" (the largest is {largest:.1e})." if largest > abs(value) else "."
        )
    return f"Unproven: {says} is close to AMICI's {_number(value)}, but not to two digits."


def _s(claim: Claim) -> str:
    return "" if claim.witness == "finite differences" else "s"


def _factor(value: float, truth: float) -> str:
    if value == 0 or truth == 0:
        return ""
    ratio = value / truth
    if ratio < 0:
        return ", the sign included" if abs(ratio) > 0.5 else ", another sign"
    return f", {ratio:.3g} times as large" if not 0.5 < ratio < 2 else f", {ratio - 1:+.1%} off"


def _number(value: float) -> str:
    return f"{value:.6g}"
