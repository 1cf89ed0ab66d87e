"""Step 3: the same numbers in float32 and in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.comparison import Comparison, compare_precisions
from amijax.digit_stack import DigitStack, stack_digits
from amijax.digits import digits
from amijax.headline import FLOAT32_DIGITS
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.texts import counted, digits_text
from amijax.precision.verdicts import in_words
from amijax.scales import FloatArray

KEPT = 6.0  # digits; float32's arithmetic can hardly keep more


@dataclass(frozen=True, eq=False)
class TwoPrecisions:
    """llh and gradient of AMICI inside JAX in both precisions.

    Attributes:
        float32, float64: each compared with AMICI alone.
        digits: in which both agree, llh first, shape (n_parameters + 1,); 0 where float32 has no
            result.
        relative: |float32 - float64| / |float64|, likewise; infinite where float32 has no result.
    """

    float32: Comparison
    float64: Comparison
    digits: FloatArray
    relative: FloatArray

    @property
    def weakest(self) -> int:
        """Position of the gradient entry that loses most, in the order of the parameters."""
        return int(np.argmin(self.digits[1:]))

    @property
    def answer(self) -> float:
        """Digits of the weakest entry."""
        return round(float(self.digits[1:].min()), 1)

    @property
    def loses_nothing(self) -> bool:
        """Whether every entry keeps what float32 can hold."""
        return bool(self.digits[1:].min() >= KEPT)

    @property
    def claim(self) -> str:
        """What the step shows."""
        if self.float32.failure_jax is not None:
            return "In float32 there is no result at all here."
        name = self.float64.parameter_ids[self.weakest]
        least = digits_text(self.digits[1:].min())
        if self.loses_nothing:
            return (
                f"float32 loses nothing here: every gradient entry keeps {least} digits or more, "
                f"and float32 has room for {FLOAT32_DIGITS:.0f}."
            )
        return (
            f"float32 has room for {FLOAT32_DIGITS:.0f} digits, but of the gradient entry of "
            f"`{name}` only {least} are left."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        if (failure := self.float32.failure_jax) is not None:
            return (f"{failure.message}. {failure.remedy}",)
        name = self.float64.parameter_ids[self.weakest]
        n = int((self.digits[1:] < KEPT).sum())
        return (
            f"`{name}` in float64: {self.float64.gradient_jax[self.weakest]:.9g}; in float32: "
            f"{self.float32.gradient_jax[self.weakest]:.9g}. They differ by "
            f"{in_words(float(self.relative[self.weakest + 1]))}.",
            f"llh itself keeps {digits_text(self.digits[0])} digits. "
            f"{n} of {counted(len(self.digits) - 1, 'gradient entry')} "
            f"{'keeps' if n == 1 else 'keep'} fewer than {KEPT:.0f}.",
        )

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        first = (
            "AMICI computes in float64 both times. What is float32 is JAX's side: θ, the "
            "transformation to linear scale, and the chain rule. A float32 number has 24 bits, "
            f"{FLOAT32_DIGITS:.1f} decimal digits."
        )
        if self.loses_nothing or self.float32.failure_jax is not None:
            return (first,)
        return (first, "Rounding alone does not take that many digits. Step 4 shows what does.")

    def stack(self, quantity: str) -> DigitStack:
        """Llh or a gradient entry, digit below digit: AMICI and JAX in both precisions.

        Args:
            quantity: "llh" or a parameter's id.
        """
        c64, c32 = self.float64, self.float32
        if quantity == "llh":
            values = (c64.llh_amici, c64.llh_jax, c32.llh_jax)
        else:
            i = c64.parameter_ids.index(quantity)
            values = (c64.gradient_amici[i], c64.gradient_jax[i], c32.gradient_jax[i])
        names = ("AMICI", "JAX, float64", "JAX, float32")
        return stack_digits(quantity, {n: float(v) for n, v in zip(names, values, strict=True)})

    @property
    def table(self) -> Table:
        """Both precisions, the entries that lose most first."""
        order = np.argsort(self.digits[1:], kind="stable")
        c32, c64 = self.float32, self.float64
        rows = [("llh", f"{c64.llh_jax:.12g}", f"{c32.llh_jax:.12g}", digits_text(self.digits[0]))]
        rows += [
            (
                c64.parameter_ids[i],
                f"{c64.gradient_jax[i]:.12g}",
                f"{c32.gradient_jax[i]:.12g}",
                digits_text(self.digits[i + 1]),
            )
            for i in order
        ]
        return Table(
            "llh, ∂llh/∂θ",
            ("float64", "float32", "digits that agree"),
            (
                "AMICI inside JAX, with x64 on",
                "AMICI inside JAX, with x64 off",
                "Decimal digits in which both agree",
            ),
            tuple(rows),
            (c64.parameter_ids[self.weakest],),
        )


def ask(here: Here) -> Question:
    """How many digits are left?"""
    n = counted(here.problem.n_parameters, "gradient entry")
    return Question(
        f"float64 holds 16 digits of a number, float32 {FLOAT32_DIGITS:.0f}. Of {n}, how many "
        "digits does the one that loses most keep in float32?",
        highest=8,
        close=1.0,
        unit="digits",
    )


def compute(here: Here, on_progress: OnProgress) -> TwoPrecisions:
    """Compare in both precisions."""
    on_progress("float32 and float64", 0, 1)
    both = compare_precisions(here.objective, here.theta, amici=here.evaluation)
    a = np.append(both["float64"].llh_jax, both["float64"].gradient_jax)
    b = np.append(both["float32"].llh_jax, both["float32"].gradient_jax)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(a == b, 0.0, np.abs(a - b) / np.abs(a))
    return TwoPrecisions(
        both["float32"],
        both["float64"],
        np.nan_to_num(digits(a, b), nan=0.0),
        np.nan_to_num(relative, nan=np.inf),
    )
