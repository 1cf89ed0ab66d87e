"""What limits each entry of the gradient: digits of agreement, digits of accuracy, a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.audit.record import Audit
from amijax.audit.verdicts import Claim, QuantityVerdict, Verdict, confirmed_digits
from amijax.digits import digits
from amijax.precision.budget import ErrorBudget
from amijax.precision.noise import NoiseFloor
from amijax.precision.reference import Reference
from amijax.precision.values import Values
from amijax.scales import FloatArray

LimitedBy = Literal["input", "transform", "result", "solver", "amici", "none"]

# What float32 arithmetic can keep through three roundings (24 bits are 7.2 digits): with as many,
# nothing is lost.
FLOAT32_DIGITS = 6.0
# float64 has nothing right below one digit; and the solver limits, rather than float32, where its
# error is at least twice as large.
_NOTHING_RIGHT = 1.0
_TWICE = 0.3
# Agreement says something else than accuracy from here on: 3 digits apart, and fewer than 2
# digits right, that is an error of more than a percent.
FAR_WORSE_BY = 3.0
FEW_DIGITS = 2.0


@dataclass(frozen=True)
class QuantityPrecision:
    """How precise llh or one entry of the gradient is, and why.

    Numbers that could not be computed are NaN.

    Attributes:
        quantity: "llh" or the parameter's id.
        amici: from AMICI alone.
        float64: from AMICI inside JAX in float64.
        float32: from AMICI inside JAX in float32.
        reference: at tight tolerances.
        stages: what each float32 stage adds, relative to |float64|, in the order of
            `budget.STAGES`; they add up to the float32 error.
        spread: standard deviation when theta moves by its last bits.
        digits_agreement: of AMICI alone and float64 JAX.
        digits_float32: of float32 and float64 JAX.
        digits_self_consistent: of float64 JAX and the reference, which is AMICI itself: what is
            wrong at every tolerance has all of them.
        digits_self_consistent_float32: of float32 JAX and the reference.
        verdict: the audit's: right, wrong or unproven; empty without one.
        digits_accuracy: of the float64 value, confirmed by a witness that is not AMICI; NaN
            without one.
        digits_accuracy_float32: of the float32 value, likewise.
        audit: what the witnesses say, a sentence; empty without an audit.
        digits_noise: significant digits when theta moves by its last bits.
        digits_reference: in which the reference agrees with the one at 10 times the tolerances.
        limited_by: what costs the float32 value most of its digits.
    """

    quantity: str
    amici: float
    float64: float
    float32: float
    reference: float
    stages: tuple[float, float, float, float]
    spread: float
    digits_agreement: float
    digits_float32: float
    digits_self_consistent: float
    digits_self_consistent_float32: float
    verdict: Verdict | Literal[""]
    digits_accuracy: float
    digits_accuracy_float32: float
    audit: str
    digits_noise: float
    digits_reference: float
    limited_by: LimitedBy

    @property
    def is_far_from_accurate(self) -> bool:
        """Whether AMICI and float64 JAX agree far better than either is accurate."""
        return is_far_worse(self.digits_right, self.digits_agreement)

    @property
    def digits_right(self) -> float:
        """What is known of the float64 value's digits: confirmed ones, else self-consistent."""
        return (
            self.digits_self_consistent if np.isnan(self.digits_accuracy) else self.digits_accuracy
        )

    @property
    def reason(self) -> str:
        """How much it costs, in plain words."""
        if self.limited_by == "amici":
            return self.audit
        return _REASONS[self.limited_by].format(
            share=_share(self.stages, self.limited_by),
            lost=_percent(self.float64, self.reference),
        )

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        if self.limited_by == "none":
            proof = "" if self.verdict == "right" else " No witness confirms float64 itself."
            return f"Not limited: {self.reason}{proof}"
        return f"Limited by {LIMITS[self.limited_by]}: {self.reason}"


LIMITS: dict[LimitedBy, str] = {
    "input": "float32 input",
    "transform": "the float32 transformation",
    "result": "the float32 result",
    "solver": "the solver's tolerance",
    "amici": "AMICI, at every tolerance",
    "none": "nothing",
}
_REASONS: dict[LimitedBy, str] = {
    "input": "rounding theta moves it by {share}.",
    "transform": "computing p in float32 moves it by {share}.",
    "result": "rounding AMICI's result moves it by {share}.",
    "solver": "float64 itself is off by {lost}.",
    "none": "float32 keeps all the digits it can hold.",
}


def verdicts(
    parameter_ids: Sequence[str],
    budget: ErrorBudget,
    noise: NoiseFloor | None,
    reference: Reference | None,
    audit: Audit | None = None,
) -> tuple[QuantityPrecision, ...]:
    """Judge llh and each entry of the gradient.

    The solver limits where x64 would not help: float64 has less than one digit right, or its
    error is more than twice what any stage of the float32 computation adds. Otherwise the stage
    with the largest error does, unless float32 keeps all 6 digits that it can. What a witness
    contradicts though AMICI agrees with itself is limited by AMICI. Without an audit the
    reference takes its place, without a reference the noise.

    Args:
        parameter_ids: of the chosen parameters.
        budget: of them.
        noise: of them; None if it was not computed.
        reference: of them; None if it was not computed.
        audit: at the same point; None if there was none.
    """
    n = len(parameter_ids)
    unknown = np.full(n + 1, np.nan)
    nothing = Values(np.nan, unknown[1:])
    truth = reference.values if reference is not None else nothing
    float64, float32 = budget.float64.all, budget.float32.all
    consistent = digits(float64, truth.all)
    agreement32 = digits(float64, float32)
    spread, digits_noise = (noise.spread, noise.digits) if noise else (unknown, unknown)
    audited = [_audited(audit, name) for name in ("llh", *parameter_ids)]
    confirmed = np.array([_confirmed(v, x) for v, x in zip(audited, float64, strict=True)])
    confirmed32 = np.array([_confirmed(v, x) for v, x in zip(audited, float32, strict=True)])
    known = np.where(np.isnan(consistent), digits_noise, consistent)
    known = np.where(np.isnan(confirmed), known, confirmed)
    agreement = digits(budget.amici.all, float64)
    consistent32 = digits(float32, truth.all)
    digits_reference = reference.digits if reference is not None else unknown
    errors = budget.errors()
    stages = np.array([values.all for values in budget.stages])
    return tuple(
        QuantityPrecision(
            quantity=name,
            amici=float(budget.amici.all[i]),
            float64=float(float64[i]),
            float32=float(float32[i]),
            reference=float(truth.all[i]),
            stages=(
                float(errors[0, i]), float(errors[1, i]), float(errors[2, i]), float(errors[3, i])
            ),
            spread=float(spread[i]),
            digits_agreement=float(agreement[i]),
            digits_float32=float(agreement32[i]),
            digits_self_consistent=float(consistent[i]),
            digits_self_consistent_float32=float(consistent32[i]),
            verdict="" if (judged := audited[i]) is None else judged.verdict,
            digits_accuracy=float(confirmed[i]),
            digits_accuracy_float32=float(confirmed32[i]),
            audit="" if judged is None else f"{judged.sentence} {judged.cause}".strip(),
            digits_noise=float(digits_noise[i]),
            digits_reference=float(digits_reference[i]),
            limited_by=(
                "amici"
                if _contradicts_amici(judged, consistent[i])
                else _limit(stages[:, i], errors[:, i], agreement32[i], known[i])
            ),
        )
        for i, name in enumerate(("llh", *parameter_ids))
    )  # fmt: skip


def _audited(audit: Audit | None, name: str) -> QuantityVerdict | None:
    if audit is None:
        return None
    return audit.llh if name == "llh" else audit.entries.get(name)


def _confirmed(judged: QuantityVerdict | None, value: float) -> float:
    """Digits of a value that the audit's sharpest witness confirms; NaN without one."""
    if judged is None or judged.witness is None or judged.verdict == "unproven":
        return np.nan
    assert judged.witness_value is not None
    assert judged.uncertainty is not None
    claim = Claim(judged.witness, judged.witness_value, judged.uncertainty)
    return confirmed_digits(float(value), claim)


def _contradicts_amici(judged: QuantityVerdict | None, consistent: float) -> bool:
    """Whether a number is wrong though AMICI agrees with itself at tight tolerances."""
    return judged is not None and judged.verdict == "wrong" and consistent >= FEW_DIGITS


def is_far_worse(accuracy: float, agreement: float) -> bool:
    """Whether numbers that agree in so many digits mislead about how many are right."""
    return accuracy < FEW_DIGITS and agreement - accuracy >= FAR_WORSE_BY


def _limit(values: FloatArray, errors: FloatArray, float32: float, accuracy: float) -> LimitedBy:
    """Judge one quantity by its values after the stages, what each adds, and its digits."""
    names: tuple[LimitedBy, ...] = ("input", "transform", "result", "result")
    lost = ~np.isfinite(values)
    if lost.any():
        return names[int(lost.argmax())]
    known = np.nan_to_num(np.abs(errors), nan=-1.0)  # NaN where float64 itself failed
    # The stage's digits, not float32's alone: stages may cancel each other by chance.
    with np.errstate(divide="ignore", invalid="ignore"):
        stage = np.nan_to_num(-np.log10(known.max()), nan=float32)
    if accuracy < _NOTHING_RIGHT or accuracy < min(float32, stage, FLOAT32_DIGITS) - _TWICE:
        return "solver"
    if float32 >= FLOAT32_DIGITS:
        return "none"
    return names[int(known.argmax())]


def in_words(size: float) -> str:
    """A relative size in words, as in "moves it by ..."."""
    if not np.isfinite(size):
        return "more than it can be computed with"
    if size == 0:
        return "nothing"
    if size >= 1:
        return f"{size:.2g} times its size" if size < 100 else f"{size:.0f} times its size"
    if size >= 1e-6:
        return f"{size * 100:.2g} %"
    return f"{size:.0e} of it"


def _share(stages: tuple[float, ...], limited_by: LimitedBy) -> str:
    sizes = np.abs(stages)
    index = {"input": [0], "transform": [1], "result": [2, 3]}.get(limited_by, [0])
    return in_words(float(sizes[index].max()))


def _percent(value: float, reference: float) -> str:
    if reference == 0 or not np.isfinite(reference):
        return "an unknown amount"
    return in_words(abs(value - reference) / abs(reference))
