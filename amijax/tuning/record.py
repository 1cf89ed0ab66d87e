"""The record of a search: settings, what they give at which points and cost, what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.digits import confirmed_text
from amijax.html_tables import Column, Row
from amijax.notebook_html import known_digits, report
from amijax.scales import FloatArray
from amijax.simulation.settings import SolverSettings
from amijax.tuning.errors import digits_of

# An error as large as the target's at the points that are measured would be exceeded at half of
# the others: the settings have half a digit to spare.
MARGIN = 3.0
SPARE_DIGITS = float(np.log10(MARGIN))

Outcome = Literal["reached", "unconfirmed", "missed"]


@dataclass(frozen=True)
class Tried:
    """A row of the work-precision table.

    Attributes:
        settings: what was tried.
        errors: of the gradient (`gradient_error`), at the points in order until one missed the
            target; infinite where AMICI failed, or took too long.
        seconds: CPU time of the gradient at the first point, NaN where it failed.
    """

    settings: SolverSettings
    errors: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class MeasuredPoint:
    """What the chosen settings give at a point.

    Attributes:
        name: nominal, own 1, drawn 1, ...
        theta: shape (n_parameters,), on the PEtab scale.
        gradient: with the chosen settings, shape (n_parameters,).
        reference: AMICI's at tight tolerances, shape (n_parameters,).
        error: of the gradient (`gradient_error`); not less than the reference's uncertainty.
        error_baseline: of the gradient with the baseline's settings.
        digits_confirmed: in which finite differences of llh confirm the gradient, in norm; None
            where they were not asked.
    """

    name: str
    theta: FloatArray
    gradient: FloatArray
    reference: FloatArray
    error: float
    error_baseline: float
    digits_confirmed: float | None

    @property
    def digits_measured(self) -> float:
        """Digits in which the gradient agrees with AMICI's at tight tolerances, in norm."""
        return digits_of(self.error)


@dataclass(frozen=True, eq=False)
class Tuning:
    """The settings with the least CPU time that give the digits asked for.

    Attributes:
        problem_id: the problem.
        asked: digits of the gradient, in norm; None means as many as the baseline gives at each
            point.
        settings: the fastest that were found; if none reach the target, the most accurate.
        outcome: reached, unconfirmed (by AMICI at tight tolerances they are reached, but finite
            differences confirm fewer) or missed.
        points: where they were measured.
        seconds: CPU time of a gradient with them at the first point, the median of several calls
            made in turns with the baseline's.
        baseline: AMICI's default settings or, where these fail, the first that `auto` tries.
        baseline_seconds: the same with those.
        table: everything that was tried, in order.
        skipped: points that can't be judged, and why, sentences.
        search_seconds: how long the search took.
    """

    problem_id: str
    asked: float | None
    settings: SolverSettings
    outcome: Outcome
    points: tuple[MeasuredPoint, ...]
    seconds: float
    baseline: SolverSettings
    baseline_seconds: float
    table: tuple[Tried, ...]
    skipped: tuple[str, ...]
    search_seconds: float

    @property
    def digits(self) -> float:
        """What is promised: never more than asked for, measured (with half a digit to spare), or
        confirmed by finite differences, at any of the points.
        """
        asked = np.inf if self.asked is None else self.asked
        return max(0.0, min(asked, self.digits_measured - self._spare, self.digits_confirmed))

    @property
    def digits_measured(self) -> float:
        """Digits in which AMICI agrees with itself at tight tolerances, at the worst point."""
        return min((point.digits_measured for point in self.points), default=0.0)

    @property
    def digits_confirmed(self) -> float:
        """Digits that finite differences confirm, at the point where they confirm least."""
        asked = [point.digits_confirmed for point in self.points]
        return min((digits for digits in asked if digits is not None), default=0.0)

    @property
    def ratio(self) -> float:
        """CPU time relative to the baseline's."""
        return self.seconds / self.baseline_seconds

    @property
    def summary(self) -> str:
        """What was found, in a few sentences."""
        return " ".join([self._found(), self._cost()])

    def _repr_html_(self) -> str:
        """What the settings give at each point, beside AMICI's defaults, for notebooks."""
        return report(
            f"{self.problem_id}: {self.settings}",
            [self.summary, *self.skipped],
            "point",
            [
                Column("measured", "digits of the gradient with these settings", strong=True),
                Column("confirmed", "digits that finite differences of llh confirm"),
                Column("before", f"digits with {self.baseline}"),
            ],
            [
                Row(
                    point.name,
                    [
                        known_digits(point.digits_measured),
                        known_digits(point.digits_confirmed),
                        known_digits(digits_of(point.error_baseline)),
                    ],
                )
                for point in self.points
            ],
            rest=".points",
        )

    @property
    def _spare(self) -> float:
        return 0.0 if self.asked is None else SPARE_DIGITS

    def _found(self) -> str:
        points = f"{len(self.points)} point{'' if len(self.points) == 1 else 's'}"
        if not self.points:
            return "Nothing can be said: " + " ".join(self.skipped)
        asked = (
            "as accurate as AMICI's defaults" if self.asked is None else f"{self.asked:g} digits"
        )
        measured = f"{confirmed_text(self.digits_measured)} digits at the worst of {points}"
        if self.outcome == "missed":
            close = self.asked is not None and self.digits_measured >= self.asked
            first = f"{asked} are not to be had for sure" if close else f"No settings give {asked}"
            return (
                f"{first}. The best give {measured}, of which {confirmed_text(self.digits)} can be "
                "relied on."
            )
        if self.outcome == "unconfirmed":
            return (
                f"These settings agree with AMICI at tight tolerances to {measured}, but finite "
                f"differences confirm {confirmed_text(self.digits_confirmed)} only: no more is "
                "promised."
            )
        return (
            f"These settings give {asked}: {measured}, and finite differences confirm "
            f"{confirmed_text(self.digits_confirmed)}."
        )

    def _cost(self) -> str:
        if not self.points:
            return ""
        default = self.baseline.rtol == SolverSettings.rtol and (
            self.baseline.atol == SolverSettings.atol
        )
        against = "AMICI's defaults" if default else f"{self.baseline} (AMICI's defaults fail)"
        worst = min(digits_of(point.error_baseline) for point in self.points)
        return (
            f"A gradient takes {self.seconds * 1e3:.3g} ms, {self.ratio:.2f} of the time with "
            f"{against}, which give {confirmed_text(worst)} digits."
        )
