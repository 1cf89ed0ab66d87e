"""The record of an audit: verdicts on llh and gradient, and what they come to in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amijax.audit.verdicts import QuantityVerdict, Verdict
from amijax.digits import ALL_DIGITS, confirmed_text, digits
from amijax.html_tables import Column, Row
from amijax.notebook_html import known_digits, number, report
from amijax.problems.findings import Finding
from amijax.scales import FloatArray
from amijax.simulation.settings import SolverSettings


@dataclass(frozen=True)
class Directions:
    """Derivatives along random directions, which move all parameters at once.

    Attributes:
        tried: how many have a witness.
        agree: how many of them agree with AMICI's gradient.
        digits: in which the weakest agrees, relative to the gradient's norm; None without any.
        cause: where one disagrees, what is likely to blame; else empty.
        seconds: how long finite differences along them took.
    """

    tried: int
    agree: int
    digits: float | None
    cause: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Audit:
    """What witnesses other than AMICI say of llh and gradient at a point.

    Attributes:
        problem_id: the problem.
        parameter_ids: the free parameters.
        theta: the point, shape (n_parameters,), on the PEtab scale.
        solver: the settings that produced the numbers.
        llh: the verdict on the log-likelihood.
        gradient: the verdict on each entry, in the order of `parameter_ids`.
        directions: what random directions say of the gradient as a whole.
        tight: AMICI's own gradient at tight tolerances, shape (n_parameters,), NaN where it was
            not computed: how self-consistent AMICI is, not whether it is right.
        refusals: why witnesses that were asked did not testify, sentences.
        warnings: what is not to be trusted, by the model's features.
        seconds: how long the audit took.
        gradient_seconds: how long one gradient takes.
    """

    problem_id: str
    parameter_ids: tuple[str, ...]
    theta: FloatArray
    solver: SolverSettings
    llh: QuantityVerdict
    gradient: tuple[QuantityVerdict, ...]
    directions: Directions
    tight: FloatArray
    refusals: tuple[str, ...]
    warnings: tuple[Finding, ...]
    seconds: float
    gradient_seconds: float

    @property
    def anything_wrong(self) -> bool:
        """Whether a number is wrong, or the gradient as a whole by a direction."""
        return (
            any(each.verdict == "wrong" for each in (self.llh, *self.gradient))
            or self.directions.agree < self.directions.tried
        )

    @property
    def verdict(self) -> Verdict:
        """On all of it: right only if llh and, entry by entry or as a whole, the gradient are."""
        if self.anything_wrong:
            return "wrong"
        every_entry = all(entry.verdict == "right" for entry in self.gradient)
        gradient = every_entry or self.directions.tried > 0
        return "right" if self.llh.verdict == "right" and gradient else "unproven"

    @property
    def digits_of_gradient(self) -> float | None:
        """Digits of the gradient as a whole, in norm, that witnesses confirm.

        0 where a direction contradicts; None where no witness is sharp enough. A single entry that
        a witness contradicts limits what the directions say.
        """
        if self.directions.agree < self.directions.tried:
            return 0.0
        values = np.array([entry.value for entry in self.gradient])
        said, uncertain = (
            np.array([np.nan if x is None else x for x in column], dtype=np.float64)
            for column in zip(
                *((e.witness_value, e.uncertainty) for e in self.gradient), strict=True
            )
        )
        off = np.abs(values - said) + uncertain
        wrong = np.array([entry.verdict == "wrong" for entry in self.gradient])
        known = [] if self.directions.digits is None else [self.directions.digits]
        if wrong.any():
            known.append(_digits_in_norm(off[wrong], values))
        elif not known and np.isfinite(off).all():
            known.append(_digits_in_norm(off, values))
        return min(known, default=None)

    @property
    def digits_self_consistent(self) -> FloatArray:
        """Digits in which AMICI agrees with itself at tight tolerances, shape (n_parameters,).

        NaN where that was not computed. They say nothing of whether a number is right.
        """
        return digits([entry.value for entry in self.gradient], self.tight)

    @property
    def summary(self) -> str:
        """What is known of llh and gradient, in one or two sentences."""
        return summary(self)

    def _repr_html_(self) -> str:
        """The verdicts as a table, for notebooks."""
        return report(
            f"Audit of {self.problem_id}: {self.verdict}",
            [
                self.summary,
                *(f"Not heard: {refusal}" for refusal in self.refusals),
                *(f"Warning: {warning}" for warning in self.warnings),
                f"Solver: {self.solver}.",
            ],
            "quantity",
            [
                "AMICI", Column("verdict", strong=True),
                Column("digits", "that the witness confirms, at least"), "witness",
                Column("its value"), Column("±", "how far the truth may be from its value"),
            ],
            [
                Row(
                    each.quantity,
                    [
                        number(each.value, ".7g"), each.verdict, known_digits(each.digits),
                        each.witness or "—", number(each.witness_value, ".7g"),
                        number(each.uncertainty, ".1e"),
                    ],
                )
                for each in (self.llh, *self.gradient)
            ],
            rest=".entries",
        )  # fmt: skip

    @property
    def entries(self) -> dict[str, QuantityVerdict]:
        """The verdicts on the gradient by parameter."""
        return dict(zip(self.parameter_ids, self.gradient, strict=True))


def summary(audit: Audit) -> str:
    """What is known of llh and gradient, in one or two sentences.

    Args:
        audit: at a point.
    """
    wrong = [entry for entry in (audit.llh, *audit.gradient) if entry.verdict == "wrong"]
    if wrong:
        first = wrong[0]
        entries = sum(entry.verdict == "wrong" for entry in audit.gradient)
        count = (
            f"{entries} of {len(audit.gradient)} gradient entries are wrong. " if entries else ""
        )
        example = "For example " if entries > 1 else ""
        return (
            f"{count}{example}{first.quantity}: AMICI {first.value:.6g}, {first.witness} "
            f"{first.witness_value:.6g}. {first.cause}"
        )
    directions = audit.directions
    if directions.agree < directions.tried:
        return (
            "The gradient as a whole is wrong: its derivative along a random direction is not what "
            f"llh does. {directions.cause or 'Audit it entry by entry.'}"
        )
    llh = (
        f"llh confirmed by {audit.llh.witness} to {_floor(audit.llh.digits)} digits"
        if audit.llh.verdict == "right"
        else "llh unproven"
    )
    right = [entry for entry in audit.gradient if entry.verdict == "right"]
    n = len(audit.gradient)
    if len(right) == n and n:
        witnesses = ", ".join(dict.fromkeys(str(entry.witness) for entry in right))
        least = min((e.digits for e in right if e.digits is not None), default=None)
        gradient = f"every gradient entry by {witnesses} to {_floor(least)} digits or more"
    elif right:
        gradient = f"{len(right)} of {n} gradient entries confirmed, the others unproven"
        if directions.digits is not None:
            gradient += f"; the gradient as a whole to {_floor(directions.digits)} digits"
    elif directions.digits is not None:
        gradient = (
            f"the gradient as a whole by finite differences along random directions to "
            f"{_floor(directions.digits)} digits of its norm"
        )
    else:
        gradient = "the gradient unproven"
    return f"{llh}; {gradient}."


def _digits_in_norm(off: FloatArray, values: FloatArray) -> float:
    """Digits that errors leave of a vector; its norm can't overflow."""
    error, size = math.hypot(*off), math.hypot(*values)
    if not (np.isfinite(error) and size):
        return 0.0
    return float(np.clip(-np.log10(error / size), 0.0, ALL_DIGITS)) if error else ALL_DIGITS


def _floor(digits: float | None) -> str:
    """Digits, never rounded up."""
    return "all" if digits is None else confirmed_text(digits)
