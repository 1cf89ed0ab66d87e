"""What limits each entry of the gradient: digits of agreement, digits of accuracy, a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.comparison import Comparison
from amijax.digits import digits
from amijax.precision.budget import ErrorBudget
from amijax.precision.noise import NoiseFloor
from amijax.precision.reference import Reference
from amijax.precision.values import Values
from amijax.scales import FloatArray

LimitedBy = Literal["input", "transform", "result", "solver", "none"]

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
        digits_accuracy: of float64 JAX and the reference.
        digits_accuracy_float32: of float32 JAX and the reference.
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
    digits_accuracy: float
    digits_accuracy_float32: float
    digits_noise: float
    digits_reference: float
    limited_by: LimitedBy

    @property
    def is_far_from_accurate(self) -> bool:
        """Whether AMICI and float64 JAX agree far better than either is accurate."""
        return is_far_worse(self.digits_accuracy, self.digits_agreement)

    @property
    def reason(self) -> str:
        """How much it costs, in plain words."""
        return _REASONS[self.limited_by].format(
            share=_share(self.stages, self.limited_by),
            lost=_percent(self.float64, self.reference),
        )

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        if self.limited_by == "none":
            return f"Not limited: {self.reason}"
        return f"Limited by {LIMITS[self.limited_by]}: {self.reason}"


LIMITS: dict[LimitedBy, str] = {
    "input": "float32 input",
    "transform": "the float32 transformation",
    "result": "the float32 result",
    "solver": "the solver's tolerance",
    "none": "nothing",
}
_REASONS: dict[LimitedBy, str] = {
    "input": "rounding theta moves it by {share}.",
    "transform": "computing p in float32 moves it by {share}.",
    "result": "rounding AMICI's result moves it by {share}.",
    "solver": "float64 itself is off by {lost}.",
    "none": "float32 keeps all the digits it can hold.",
}


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How many digits of a gradient are right, beside how many agree.

    Attributes:
        parameter_ids: of the entries.
        digits_agreement: of AMICI alone and AMICI inside JAX, shape (n,).
        digits_accuracy: of AMICI alone and the reference, shape (n,); NaN without one.
        misleading: parameters whose agreement is far better than their accuracy.
        converged: whether the reference has.
    """

    parameter_ids: tuple[str, ...]
    digits_agreement: FloatArray
    digits_accuracy: FloatArray
    misleading: tuple[str, ...]
    converged: bool


def accuracy_of(comparison: Comparison, reference: Reference) -> Accuracy:
    """Hold a comparison's gradient against a reference at the same point.

    Args:
        comparison: of AMICI and JAX.
        reference: for all parameters.
    """
    agreement = digits(comparison.gradient_amici, comparison.gradient_jax)
    accuracy = digits(comparison.gradient_amici, reference.values.gradient)
    columns = zip(comparison.parameter_ids, accuracy, agreement, strict=True)
    return Accuracy(
        comparison.parameter_ids,
        agreement,
        accuracy,
        tuple(name for name, right, agreed in columns if is_far_worse(right, agreed)),
        reference.converged,
    )


def verdicts(
    parameter_ids: Sequence[str],
    budget: ErrorBudget,
    noise: NoiseFloor | None,
    reference: Reference | None,
) -> tuple[QuantityPrecision, ...]:
    """Judge llh and each entry of the gradient.

    The solver limits where x64 would not help: float64 has less than one digit right, or its
    error is more than twice what any stage of the float32 computation adds. Otherwise the stage
    with the largest error does, unless float32 keeps all 6 digits that it can. Without a
    reference the noise takes its place.

    Args:
        parameter_ids: of the chosen parameters.
        budget: of them.
        noise: of them; None if it was not computed.
        reference: of them; None if it was not computed.
    """
    n = len(parameter_ids)
    unknown = np.full(n + 1, np.nan)
    nothing = Values(np.nan, unknown[1:])
    truth = reference.values if reference is not None else nothing
    float64, float32 = budget.float64.all, budget.float32.all
    accuracy = digits(float64, truth.all)
    agreement32 = digits(float64, float32)
    spread, digits_noise = (noise.spread, noise.digits) if noise else (unknown, unknown)
    accuracy_known = np.where(np.isnan(accuracy), digits_noise, accuracy)
    agreement = digits(budget.amici.all, float64)
    accuracy32 = digits(float32, truth.all)
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
            digits_accuracy=float(accuracy[i]),
            digits_accuracy_float32=float(accuracy32[i]),
            digits_noise=float(digits_noise[i]),
            digits_reference=float(digits_reference[i]),
            limited_by=_limit(stages[:, i], errors[:, i], agreement32[i], accuracy_known[i]),
        )
        for i, name in enumerate(("llh", *parameter_ids))
    )  # fmt: skip


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
