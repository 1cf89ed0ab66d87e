"""What a comparison says in two sentences, and what to look at next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.comparison import Comparison
from amijax.digits import ALL_DIGITS, digits, relative_text
from amijax.precisions import Precision
from amijax.problems.problem import Problem

FLOAT32_DIGITS = 24 * np.log10(2)  # its 24 bits, 7.2 decimal digits
_FEW_DIGITS = 6.0  # below that, float32 has lost some
_NAMED = 2  # edited parameters that are named; of more only the number is said

Kind = Literal["precision", "parameter", "nominal", "digits", "run_jax"]


@dataclass(frozen=True)
class Step:
    """Something to do next.

    Attributes:
        kind: "precision": the other one; "parameter": change one; "nominal": back there;
            "digits": where they go; "run_jax": JAX's side, too.
        text: what it is called.
        precision, parameter, value: what it leads to, where it is about that; the value is on the
            PEtab scale.
    """

    kind: Kind
    text: str
    precision: Precision | None = None
    parameter: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class Headline:
    """What a comparison says, in plain text.

    Attributes:
        compared: one sentence about what stands against what, and where.
        found: one or two sentences about how far both agree, in both precisions.
        steps: what to do next, the most instructive first.
    """

    compared: str
    found: str
    steps: tuple[Step, ...]


def headline(
    problem: Problem, comparisons: Mapping[Precision, Comparison], precision: Precision
) -> Headline:
    """Put a comparison into words.

    Args:
        problem: the comparisons' one.
        comparisons: of one point, in both precisions.
        precision: the one in view.
    """
    comparisons = {name: c.in_convention("magnitude") for name, c in comparisons.items()}
    chosen = comparisons[precision]
    where = _where(problem, chosen)
    if not chosen.jax_was_run and chosen.failure is None:
        compared = f"AMICI alone computed the log-likelihood (llh) and its gradient {where}."
        run = Step("run_jax", "Run JAX, too")
        return Headline(compared, "JAX's side was not run: nothing is compared.", (run,))
    compared = (
        f"AMICI computes the log-likelihood (llh) and its gradient {where}, once alone and once "
        "inside JAX."
    )
    return Headline(compared, _found(comparisons, precision), _steps(problem, comparisons, chosen))


def _where(problem: Problem, comparison: Comparison) -> str:
    moved = np.flatnonzero(comparison.theta != problem.nominal_theta)
    if not moved.size:
        return "at the nominal parameters"
    if moved.size <= _NAMED:
        return "at " + " and ".join(
            f"{problem.parameter_ids[i]} = {comparison.theta[i]:.6g} "
            f"(nominal {problem.nominal_theta[i]:.6g})"
            for i in moved
        )
    return f"with {moved.size} of {problem.n_parameters} parameters changed"


def _found(comparisons: Mapping[Precision, Comparison], precision: Precision) -> str:
    chosen = comparisons[precision]
    if chosen.failure_amici is not None:
        return f"AMICI has no result: {_small(chosen.failure_amici.message)}."
    if chosen.failure_jax is not None:
        other = comparisons[_other(precision)]
        but = f" {_other(precision)} has one." if other.failure is None else ""
        return f"JAX has no result in {precision}: {_small(chosen.failure_jax.message)}.{but}"
    other = comparisons[_other(precision)]
    also = "has no result" if other.failure else _parting(other)
    lead = f"{_other(precision)}" if other.failure else f"in {_other(precision)}"
    return f"In {precision} {_parting(chosen)}; {lead} {also}."


def _parting(comparison: Comparison) -> str:
    """How far both sides are apart, as a part of a sentence."""
    worst = comparison.worst
    if worst is None:
        same = "llh and gradient agree" if comparison.llh_rel_diff == 0 else "the gradient agrees"
        return f"{same} to the last bit"
    n = len(comparison.theta)
    flipped = int((np.sign(comparison.gradient_amici) * np.sign(comparison.gradient_jax) < 0).sum())
    if flipped:
        have = "have" if flipped > 1 else "has"
        return f"{flipped} of {n} gradient entries {have} another sign than AMICI's"
    return (
        f"the gradient entry of {comparison.parameter_ids[worst]} differs by "
        f"{relative_text(comparison.gradient_rel_diff[worst])}"
        f"{', more than any other' if n > 1 else ''}: {_agreement(comparison):.1f} digits agree"
    )


def _agreement(comparison: Comparison) -> float:
    """Digits in which the worst gradient entry agrees."""
    found = digits(comparison.gradient_amici, comparison.gradient_jax)
    return float(np.nanmin(found)) if np.isfinite(found).any() else 0.0


def _steps(
    problem: Problem, comparisons: Mapping[Precision, Comparison], chosen: Comparison
) -> tuple[Step, ...]:
    other = _other(chosen.precision)
    steps = []
    if chosen.failure_amici is None:
        switch = "Switch x64 off" if other == "float32" else "Switch x64 on"
        steps.append(Step("precision", switch, precision=other))
    if (chosen.theta != problem.nominal_theta).any():
        steps.append(Step("nominal", "Back to nominal"))
    elif (change := _change(problem, comparisons["float32"])) is not None:
        steps.append(change)
    if chosen.failure is None:
        agree = _agreement(chosen)
        if chosen.precision == "float32" and agree < _FEW_DIGITS:
            text = f"Why do only {agree:.1f} of {FLOAT32_DIGITS:.0f} digits agree?"
        else:
            text = f"How many of {ALL_DIGITS:.0f} digits are right?"
        steps.append(Step("digits", text))
    return tuple(steps)


def _change(problem: Problem, comparison: Comparison) -> Step | None:
    """A move of the parameter whose entry differs most, or else of the first, to a round value."""
    i = comparison.worst or 0
    start, name = problem.nominal_theta[i], problem.parameter_ids[i]
    down, up = (
        (float(f"{0.9 * start:.2g}"), float(f"{1.1 * start:.2g}"))
        if problem.scales[i] == "lin"
        else (round(start - 0.2, 1), round(start + 0.2, 1))
    )
    for value in (down, up):
        if problem.lower_theta[i] <= value <= problem.upper_theta[i] and value != start:
            return Step("parameter", f"Change {name} to {value:g}", parameter=name, value=value)
    return None


def _other(precision: Precision) -> Precision:
    return "float64" if precision == "float32" else "float32"


def _small(sentence: str) -> str:
    """A sentence as a part of another: small first letter, unless a name begins it."""
    return sentence if sentence[:2].isupper() else sentence[0].lower() + sentence[1:]
