"""Step 8: a problem where float32 has not even the signs right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.studied import study_of
from amijax.lesson.texts import counted, digits_text, joined
from amijax.lesson.two_precisions import TwoPrecisions
from amijax.lesson.two_precisions import compute as compare_both
from amijax.precision.curvature import UNIT_ROUNDOFF
from amijax.precision.verdicts import in_words
from amijax.scales import FloatArray


@dataclass(frozen=True, eq=False)
class Signs:
    """Signs of the gradient in both precisions, and each entry's condition number.

    Attributes:
        both: the comparison in both precisions.
        condition: of each entry, shape (n_parameters,); NaN where it is unknown.
        p: parameters on linear scale, likewise.
    """

    both: TwoPrecisions
    condition: FloatArray
    p: FloatArray

    @property
    def flipped(self) -> tuple[str, ...]:
        """Parameters whose entry has another sign in float32, or no value there."""
        a, b = self.both.float64.gradient_jax, self.both.float32.gradient_jax
        other = (np.sign(a) != np.sign(b)) | np.isnan(b)
        return tuple(np.array(self.both.float64.parameter_ids)[other].tolist())

    @property
    def answer(self) -> float:
        """How many signs are wrong."""
        return float(len(self.flipped))

    @property
    def claim(self) -> str:
        """What the step shows."""
        n = len(self.condition)
        if self.both.float32.failure_jax is not None:
            return "float32 fails here altogether: there is no result."
        if self.flipped:
            k = len(self.flipped)
            return (
                f"float32 fails here: {k} of {counted(n, 'gradient entry')} "
                f"{'has' if k == 1 else 'have'} the wrong sign. An optimizer would walk the wrong "
                "way."
            )
        least = digits_text(self.both.digits[1:].min())
        return (
            f"float32 does no harm to the signs here: all {n} are right. The weakest entry keeps "
            f"{least} digits."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        if (failure := self.both.float32.failure_jax) is not None:
            return (f"{failure.message}. {failure.remedy}",)
        i = self.both.weakest
        name = self.both.float64.parameter_ids[i]
        first = (
            f"`{name}`, the worst entry: {self.both.float64.gradient_jax[i]:.6g} in float64, "
            f"{self.both.float32.gradient_jax[i]:.6g} in float32."
        )
        if self.flipped:
            return (first, f"Another sign: {joined(self.flipped)}.")
        return (first,)

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        if not np.isfinite(self.condition).any():
            return ("How strongly llh is curved here could not be computed.",)
        i = int(np.nanargmax(self.condition))
        name = self.both.float64.parameter_ids[i]
        bound = float(self.condition[i] * UNIT_ROUNDOFF)
        positive = self.p[self.p > 0]
        decades = float(np.log10(positive.max() / positive.min())) if positive.size else 0.0
        amplified = (
            f"The condition numbers of step 4 reach {self.condition[i]:.1e} (`{name}`). Times "
            f"2⁻²⁴, what float32 does to θ may change an entry by {in_words(bound)}"
        )
        if bound >= 1:
            return (
                f"{amplified}: not even its sign is safe.",
                f"The parameters span {decades:.0f} powers of ten, and llh is sharply curved in "
                "them: the data are precise, and the states change at very different speeds.",
            )
        return (f"{amplified}, which is less than its own size: its sign is safe.",)

    @property
    def table(self) -> Table:
        """Both precisions and what curvature allows."""
        c64, c32 = self.both.float64, self.both.float32
        rows = tuple(
            (
                c64.parameter_ids[i],
                f"{c64.gradient_jax[i]:.6g}",
                f"{c32.gradient_jax[i]:.6g}",
                "wrong" if c64.parameter_ids[i] in self.flipped else "right",
                digits_text(self.both.digits[i + 1]),
                "—" if np.isnan(self.condition[i]) else f"{self.condition[i]:.1e}",
            )
            for i in range(len(self.condition))
        )
        return Table(
            "∂llh/∂θ",
            ("float64", "float32", "sign", "digits left", "condition number"),
            (
                "AMICI inside JAX, with x64 on",
                "AMICI inside JAX, with x64 off",
                "Of the float32 entry",
                "Decimal digits in which both agree",
                "How many times larger the entry's relative error is than that of θ and p, at most",
            ),
            rows,
            self.flipped or (c64.parameter_ids[self.both.weakest],),
        )


def ask(here: Here) -> Question:
    """How many signs are wrong?"""
    n = here.problem.n_parameters
    return Question(
        f"{here.problem.problem_id} has {counted(n, 'parameter')}. How many entries of its "
        "gradient have the wrong sign in float32?",
        highest=n,
        close=1.0,
        unit="wrong",
    )


def compute(here: Here, on_progress: OnProgress) -> Signs:
    """Compare in both precisions, and measure the curvature."""
    both = compare_both(here, on_progress)
    study = study_of(here, ("budget", "reference", "noise", "curvature"), on_progress)
    unknown = np.full(here.problem.n_parameters, np.nan)
    return Signs(
        both,
        unknown if study.curvature is None else study.curvature.condition,
        here.problem.linear(here.theta),
    )
