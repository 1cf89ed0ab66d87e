"""Step 4: a gradient entry as a small difference of large terms, amplified by curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.bit_patterns import Float32Rounding, float32_rounding
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question, decade
from amijax.lesson.step import Table
from amijax.lesson.studied import study_of
from amijax.lesson.texts import counted, digits_text, value_text
from amijax.lesson.two_precisions import TwoPrecisions
from amijax.lesson.two_precisions import compute as compare_both
from amijax.precision import STAGES, Study
from amijax.precision.curvature import UNIT_ROUNDOFF, Outcome
from amijax.precision.verdicts import in_words
from amijax.scales import FloatArray
from amijax.whatif.influence import standard_steps
from amijax.whatif.trajectories import TrajectorySimulator

EDGES = (1e-6, 1e-4, 1e-2, 1.0)
OPTIONS = (
    "by less than 0.0001 %",
    "by 0.0001 % to 0.01 %",
    "by 0.01 % to 1 %",
    "by 1 % to 100 %",
    "by more than its own size",
)
_MUCH = 10.0  # terms this many times as large as what is left of them cancel
# Steps of differences, of the standard ones: errors of second order and the solver's noise at
# tight tolerances are both below a millionth of the terms.
_STEP = 1e-3
# The terms' sum against the gradient at the same tolerances, relative to the largest of both and a
# thousandth of the terms; beyond it nothing is said of terms.
_ADDS_UP = 0.05
_SMALL = 1e-6


@dataclass(frozen=True, eq=False)
class Terms:
    """What each measurement adds to one gradient entry.

    Attributes:
        values: derivatives of the measurements' shares of llh, by central differences at tight
            tolerances; shape (n_measurements,).
        entry: AMICI's gradient entry at the same tolerances.
    """

    values: FloatArray
    entry: float

    @property
    def raising(self) -> float:
        """Sum of the terms above 0."""
        return float(self.values[self.values > 0].sum())

    @property
    def lowering(self) -> float:
        """Sum of the terms below 0."""
        return float(self.values[self.values < 0].sum())

    @property
    def size(self) -> float:
        """Sum of the terms' sizes."""
        return self.raising - self.lowering

    @property
    def ratio(self) -> float:
        """How many times larger the terms are than what is left of them."""
        return self.size / abs(self.entry) if self.entry else np.inf

    @property
    def adds_up(self) -> bool:
        """Whether the terms' sum is the entry, as it must be."""
        off = abs(float(self.values.sum()) - self.entry)
        return bool(off <= max(_ADDS_UP * abs(self.entry), _SMALL * self.size))


@dataclass(frozen=True, eq=False)
class Cancellation:
    """Where the digits of the entry that loses most in float32 went.

    Attributes:
        both: the comparison of step 3 at this point.
        study: error budget and, where it can be had, curvature; of all entries.
        terms: of the entry in question; None where they can't be had.
    """

    both: TwoPrecisions
    study: Study
    terms: Terms | None

    @property
    def position(self) -> int:
        """Of the entry in question."""
        return self.both.weakest

    @property
    def parameter(self) -> str:
        """Its parameter."""
        return self.study.parameter_ids[self.position]

    @property
    def stages(self) -> FloatArray:
        """What each stage adds to its error, relative, shape (4,)."""
        assert self.study.budget is not None
        return self.study.budget.errors()[:, self.position + 1]

    @property
    def error(self) -> float:
        """Its float32 error, relative; infinite where float32 has no result."""
        return float(self.both.relative[self.position + 1])

    @property
    def condition(self) -> float:
        """How many times larger the entry's relative error is than that of theta and p, at most;
        NaN where it is unknown.
        """
        curvature = self.study.curvature
        return np.nan if curvature is None else float(curvature.condition[self.position])

    @property
    def outcome(self) -> Outcome | None:
        """Whether curvature foretells the error."""
        curvature = self.study.curvature
        return None if curvature is None else curvature.outcomes[self.position]

    @property
    def rounding(self) -> Float32Rounding:
        """What float32 does to the entry's own parameter."""
        return float32_rounding(float(self.study.theta[self.position]))

    @property
    def answer(self) -> float:
        """Position in `OPTIONS`."""
        return float(decade(self.error, EDGES))

    @property
    def _cancels(self) -> bool:
        return self.terms is not None and self.terms.ratio >= _MUCH

    @property
    def claim(self) -> str:
        """What the step shows."""
        if self.both.float32.failure_jax is not None:
            return "float32 leads AMICI to a point that has no result."
        if self.both.loses_nothing:
            return (
                "Rounding θ moves this gradient by no more than rounding the result would: here "
                "nothing is amplified."
            )
        changes = f"what float32 does to θ in its 24th bit changes it by {in_words(self.error)}"
        if self._cancels:
            return (
                f"The entry of `{self.parameter}` is a small difference of large terms: {changes}."
            )
        times = self.error / UNIT_ROUNDOFF
        return (
            f"Of the gradient, the entry of `{self.parameter}` suffers most: {changes}, "
            f"{times:,.0f} times as much as rounding a number can."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        lines = []
        if self.terms is not None:
            t = self.terms
            lines.append(
                f"{counted(len(t.values), 'measurement')} pull at `{self.parameter}`: upwards by "
                f"{value_text(t.raising)}, downwards by {value_text(-t.lowering)}. What is left, "
                f"{value_text(t.entry, 4)}, is the gradient entry"
                + (
                    f": {t.ratio:,.0f} times smaller than its terms together."
                    if t.ratio >= _MUCH
                    else "."
                )
            )
        parts = [
            f"{name} {in_words(abs(value))}"
            for name, value in zip(_STAGE_WORDS, self.stages, strict=True)
        ]
        lines.append(f"What each part of float32 changes of this entry: {', '.join(parts)}.")
        return tuple(lines)

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        p = "p = 10^θ" if "log10" in self.study.scales else "p"
        lines = [
            "AMICI computes in float64, but at another point: float32 moves θ by up to 2⁻²⁴ = "
            f"{UNIT_ROUNDOFF:.0e} of its size, and {p} likewise."
        ]
        if self._cancels:
            lines.append(
                "The large terms change by as little as θ does. Their small difference changes by "
                "as much as they do, and relative to itself by far more."
            )
        if np.isfinite(self.condition):
            bound = self.condition * UNIT_ROUNDOFF
            outcome = f" {_OUTCOMES[self.outcome]}" if self.outcome else ""
            lines.append(
                f"Curvature says how much: the Hessian of llh gives this entry a condition number "
                f"of {self.condition:.1e}. Times 2⁻²⁴ that allows an error of "
                f"{in_words(bound)}.{outcome}"
            )
        return tuple(lines)

    @property
    def table(self) -> Table:
        """What each stage does to each entry, and what curvature allows."""
        assert self.study.budget is not None
        errors = np.abs(self.study.budget.errors()[:, 1:])
        total, curvature = self.both.relative[1:], self.study.curvature
        rows = []
        for i in np.argsort(-total, kind="stable"):
            bound = np.nan if curvature is None else curvature.condition[i] * UNIT_ROUNDOFF
            rows.append(
                (
                    self.study.parameter_ids[i],
                    *(f"{errors[k, i]:.1e}" for k in range(len(STAGES))),
                    f"{total[i]:.1e}",
                    "—" if np.isnan(bound) else f"{bound:.1e}",
                    digits_text(self.both.digits[i + 1]),
                )
            )
        return Table(
            "∂llh/∂θ",
            (*_STAGE_WORDS, "altogether", "curvature allows", "digits left"),
            (
                "θ rounded to float32",
                "p computed from θ in float32",
                "AMICI's result rounded to float32",
                "The product with dp/dθ in float32",
                "|float32 − float64| / |float64|",
                "The entry's condition number times 2⁻²⁴: a bound, to first order",
                "Decimal digits in which float32 and float64 agree",
            ),
            tuple(rows),
            (self.parameter,),
        )


_STAGE_WORDS = ("rounding θ", "computing p", "rounding the result", "chain rule")
_OUTCOMES: dict[Outcome, str] = {
    "predicted": "The Hessian times what float32 did to θ foretells the error that was measured.",
    "noise floor": "The error that was measured is also the solver's noise: it takes other steps "
    "at the other point.",
    "result": "The error that was measured is no more than rounding the result.",
    "higher order": "The error that was measured is of higher order: the Hessian alone does not "
    "foretell it.",
}


def ask(_: Here) -> Question:
    """By how much does the worst entry move?"""
    return Question(
        f"Rounding to float32 moves each θ by at most 2⁻²⁴ of its size, which is "
        f"{100 * UNIT_ROUNDOFF:.6f} %. By how much does that move the gradient entry that "
        "suffers most?",
        OPTIONS,
    )


def compute(here: Here, on_progress: OnProgress) -> Cancellation:
    """Split the float32 error by stage, and take one entry apart."""
    both = compare_both(here, on_progress)
    study = study_of(here, ("budget", "reference", "noise", "curvature"), on_progress)
    return Cancellation(both, study, terms_of(here, study, both.weakest))


def terms_of(here: Here, study: Study, position: int) -> Terms | None:
    """What each measurement adds to a gradient entry; None where that can't be had.

    Central differences of each measurement's share of llh, at the reference's tolerances.

    Args:
        here: the point.
        study: with its reference.
        position: of the entry, in the order of the parameters.
    """
    reference = study.reference
    if reference is None or not reference.values.is_finite:
        return None
    simulator = TrajectorySimulator(here.objective.with_solver(reference.solver), points=2)
    step = _STEP * standard_steps(here.problem, here.theta)[position]
    shares = []
    for sign in (1, -1):
        theta = here.theta.copy()
        theta[position] += sign * step
        shares.append(simulator.simulate(theta).points.llh)
    values = (shares[0] - shares[1]) / (2 * step)
    if not np.isfinite(values).all():
        return None
    terms = Terms(values, float(reference.values.gradient[position]))
    return terms if terms.adds_up else None
