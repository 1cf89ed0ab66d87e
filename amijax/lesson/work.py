"""Step 6: what the solver's tolerance adds to the error, and what less of it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.digits import relative_text
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question, decade
from amijax.lesson.step import Table
from amijax.lesson.studied import study_of
from amijax.precision import Study, ToleranceSweep
from amijax.precision.tolerances import combined
from amijax.precisions import PRECISIONS

OPTIONS = (
    "rtol 1e-4 or 1e-5",
    "rtol 1e-6 or 1e-7",
    "rtol 1e-8 or 1e-9",
    "rtol 1e-10 or smaller",
    "none: it can't be told, or even the smallest leaves nothing right",
)
# Between the options, in decades of 1/rtol.
_EDGES = (5.5, 7.5, 9.5)
_NONE = len(OPTIONS) - 1


@dataclass(frozen=True, eq=False)
class Work:
    """Errors and durations at several tolerances.

    Attributes:
        study: with reference and tolerances; without the latter where there is no reference.
    """

    study: Study

    @property
    def sweep(self) -> ToleranceSweep | None:
        """The tolerances."""
        return self.study.tolerances

    @property
    def answer(self) -> float:
        """Position in `OPTIONS`."""
        if self.sweep is None or (knee := self.sweep.enough("float32", "median")) is None:
            return float(_NONE)
        return float(decade(-np.log10(self.sweep.rtols[knee]), _EDGES))

    @property
    def _ends(self) -> tuple[int, int] | None:
        """Positions of the first and last tolerance that work in float64."""
        assert self.sweep is not None
        known = np.flatnonzero(np.isfinite(combined(self.sweep.errors[1], "median")))
        return (int(known[0]), int(known[-1])) if known.size else None

    @property
    def claim(self) -> str:
        """What the step shows."""
        if self.sweep is None:
            return "There is no reference here: no tighter tolerance works, so errors are unknown."
        knees = [self.sweep.enough(precision, "median") for precision in PRECISIONS]
        if None not in knees:
            first, second = (self.sweep.rtols[knee] for knee in knees if knee is not None)
            if first > second:
                return (
                    f"The tolerance belongs to the precision: float32 needs no more than rtol "
                    f"{first:.0e}, float64 goes on gaining down to {second:.0e}."
                )
            return (
                f"Here float32 and float64 gain from tighter tolerances down to the same rtol, "
                f"{first:.0e}."
                if first == second
                else f"Here float64 is done at rtol {second:.0e}, float32 at {first:.0e}."
            )
        return f"How tight is tight enough? By the median, {_small(self.sweep.advice('median'))}"

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        if self.sweep is None or self._ends is None:
            return ("Nothing was simulated.",)
        first, last = self._ends
        errors = combined(self.sweep.errors[1], "median")
        seconds = self.sweep.seconds[1]
        return (
            f"By the median error of the gradient, {_small(self.sweep.advice('median'))}",
            f"In float64, from rtol {self.sweep.rtols[first]:.0e} to {self.sweep.rtols[last]:.0e}: "
            f"{seconds[last] / seconds[first]:.1f} times the time, and the median error goes from "
            f"{relative_text(errors[first])} to {relative_text(errors[last])}.",
        )

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        return (
            "The error has two parts. The solver's part gets smaller with rtol, and smaller steps "
            "take time. The part of float32 does not depend on rtol. The larger part is what one "
            "sees: where the line gets level, more work brings nothing.",
            "rtol is no promise for the gradient: it limits the error of the states in one step. "
            "What that means for the gradient is different for each model.",
        )

    @property
    def table(self) -> Table | None:
        """Errors and times."""
        if self.sweep is None:
            return None
        errors = [combined(each, "median") for each in self.sweep.errors]
        rows = tuple(
            (
                f"{rtol:.0e}",
                *(f"{each[i]:.1e}" if np.isfinite(each[i]) else "fails" for each in errors),
                f"{1e3 * self.sweep.seconds[1][i]:.2g} ms"
                if np.isfinite(self.sweep.seconds[1][i])
                else "—",
            )
            for i, rtol in enumerate(self.sweep.rtols)
        )
        return Table(
            "rtol",
            ("error, float32", "error, float64", "time"),
            (
                "Median over the gradient's entries, relative to the reference",
                "Median over the gradient's entries, relative to the reference",
                "Of one llh and gradient in float64",
            ),
            rows,
        )


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def ask(here: Here) -> Question:
    """From which tolerance on does float32 gain nothing?"""
    return Question(
        f"This page uses {here.objective.solver}. A smaller rtol makes the solver more accurate "
        "and slower. From which rtol on does the float32 gradient get no better (by the median "
        "of its entries)?",
        OPTIONS,
    )


def compute(here: Here, on_progress: OnProgress) -> Work:
    """Sweep over tolerances."""
    return Work(study_of(here, ("reference", "tolerances"), on_progress))
