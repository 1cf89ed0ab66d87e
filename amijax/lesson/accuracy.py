"""Step 5: with x64 on AMICI and JAX agree; how many digits are right is another question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.comparison import compare
from amijax.digits import digits
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.studied import study_of
from amijax.lesson.texts import counted, digits_text, value_text
from amijax.precision import QuantityPrecision, Study
from amijax.scales import FloatArray

_APART = 1.0  # digits; what agrees in as many more than are right misleads


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Digits of agreement beside digits that are right, in float64.

    Attributes:
        study: error budget, reference, audit and noise of all entries.
        entries: the verdicts on the gradient's entries.
    """

    study: Study
    entries: tuple[QuantityPrecision, ...]

    @property
    def right(self) -> FloatArray:
        """Digits of the float64 value that are right as far as is known, shape (n_parameters,).

        Those shared with AMICI at tight tolerances, unless a witness contradicts: then those that
        the witness leaves. NaN where neither is known.
        """
        return np.array([_right(entry) for entry in self.entries])

    @property
    def agreement(self) -> float:
        """Digits in which AMICI and float64 JAX agree in every entry."""
        return float(np.nanmin([entry.digits_agreement for entry in self.entries]))

    @property
    def weakest(self) -> QuantityPrecision:
        """The entry with the fewest right digits."""
        return self.entries[int(np.argmin(np.nan_to_num(self.right, nan=np.inf)))]

    @property
    def answer(self) -> float:
        """Right digits of the weakest entry."""
        return round(float(self.least), 1)

    @property
    def least(self) -> float:
        """The same, not rounded."""
        return _right(self.weakest)

    @property
    def n_wrong(self) -> int:
        """Entries that a witness calls wrong."""
        return sum(entry.verdict == "wrong" for entry in self.entries)

    @property
    def claim(self) -> str:
        """What the step shows."""
        agree, right = digits_text(self.agreement), digits_text(self.least)
        name = f"`{self.weakest.quantity}`"
        if self.n_wrong:
            return (
                f"Agreement is not accuracy: in float64 AMICI and JAX agree in {agree} digits, and "
                f"{self.n_wrong} of {counted(len(self.entries), 'gradient entry')} "
                f"{'is' if self.n_wrong == 1 else 'are'} wrong."
            )
        if self.agreement - self.least > _APART:
            return (
                f"x64 removes the differences, not the errors: AMICI and JAX agree in {agree} "
                f"digits, and {right} of {name} are right."
            )
        return f"Here both agree in {agree} digits, and as many are right."

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        weakest = self.weakest
        says = weakest.audit or "No witness was asked."
        reference = self.study.reference
        lines = []
        if reference is not None and reference.values.is_finite:
            consistent = digits_text(weakest.digits_self_consistent)
            lines.append(
                f"`{weakest.quantity}`, the weakest entry: {value_text(weakest.float64)} at rtol "
                f"{self.study.solver.rtol:g}. AMICI itself, at rtol {reference.solver.rtol:g}, "
                f"finds {value_text(weakest.reference)}: the two share {consistent} digits."
            )
        return (*lines, f"A witness that is not AMICI says of `{weakest.quantity}`: {says}")

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        first = (
            "JAX has no simulation of its own. Inside JAX, AMICI computes the same numbers as "
            "alone, with the same solver steps and the same errors: both agree because they are "
            "one and the same."
        )
        if self.agreement - self.least <= _APART:
            return (first,)
        tolerance = (
            f"x64 takes rounding away. What is left is the solver: at "
            f"{self.study.solver} it is content with a small error in each state, and the "
            "gradient's error may be far larger. Step 6 is about that."
            if self.weakest.limited_by != "amici"
            else "No tolerance mends it: AMICI is wrong for this kind of model. Step 7 is about "
            "that."
        )
        return first, tolerance

    @property
    def table(self) -> Table:
        """Agreement beside accuracy."""
        order = np.argsort(np.nan_to_num(self.right, nan=np.inf), kind="stable")
        rows = tuple(
            (
                entry.quantity,
                f"{entry.float64:.8g}",
                value_text(entry.reference, 8),
                digits_text(entry.digits_agreement),
                digits_text(_right(entry)),
                digits_text(entry.digits_accuracy),
                entry.verdict or "—",
            )
            for entry in (self.entries[i] for i in order)
        )
        return Table(
            "∂llh/∂θ",
            (
                "float64",
                "AMICI, tight",
                "digits that agree",
                "digits that are right",
                "confirmed",
                "verdict",
            ),
            (
                "AMICI inside JAX, in float64",
                "AMICI at tight tolerances",
                "Of AMICI alone and float64 JAX",
                "Shared with AMICI at tight tolerances, unless a witness contradicts",
                "Digits that a witness other than AMICI confirms; it may be less sharp than AMICI",
                "What witnesses other than AMICI say",
            ),
            rows,
            (self.weakest.quantity,),
        )


def _right(entry: QuantityPrecision) -> float:
    consistent = entry.digits_self_consistent
    if entry.verdict == "wrong" or np.isnan(consistent):
        return entry.digits_accuracy
    return consistent


def ask(here: Here) -> Question:
    """How many digits are right?"""
    both = compare(here.objective, here.theta, "float64", amici=here.evaluation)
    least = float(np.nanmin(digits(both.gradient_amici, both.gradient_jax)))
    return Question(
        f"x64 is on. AMICI and JAX now agree in {digits_text(least)} digits or more of every "
        "gradient entry. How many digits of the weakest entry are right?",
        highest=16,
        close=1.0,
        unit="digits",
    )


def compute(here: Here, on_progress: OnProgress) -> Accuracy:
    """Ask witnesses, and AMICI at tight tolerances."""
    study = study_of(here, ("budget", "reference", "noise", "audit"), on_progress)
    return Accuracy(study, study.verdicts[1:])
