"""What a person should know of a fit before trusting its best point, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from amijax.audit.record import Audit
from amijax.fit.optima import SAME_OPTIMUM
from amijax.fit.record import FitResult, Start
from amijax.problems.findings import Finding
from amijax.problems.points import on_bounds_of

_NAMED = 4  # parameters that a sentence names


def fit_findings(result: FitResult) -> tuple[Finding, ...]:
    """Warnings about a fit, the gravest first; codes are for programs.

    `no-point`, `interrupted`, `coarse`, `gradient-wrong`, `gradient-inexact` (wrong by less than
    matters), `gradient-unproven`, `below-reference`, `found-once`, `on-bound`, `not-converged`,
    `failed-starts`.
    """
    return tuple(_found(result))


def _found(result: FitResult) -> Iterator[Finding]:
    best = result.best
    n = result.settings.n_starts
    over = sum(start.is_over for start in result.starts)
    if over < n:
        what = "The fit is not complete" if over else "No start has come to its end"
        yield _warning(
            "interrupted", f"{what}: {over} of {n} starts are over. The same fit goes on from here."
        )
    if best is None:
        reason = next((start.message for start in result.failed), "")
        yield _warning("no-point", f"No start found a point that can be evaluated. {reason}")
        return
    if best.is_coarse:
        yield _warning(
            "coarse",
            f"The best start was interrupted in its first stage, with {result.settings.stages[0]}: "
            "its llh and gradient are no more exact than that. The same fit goes on from here, to "
            f"{result.settings.stages[-1]}.",
        )
    yield from _of_audit(result)
    if result.reference_llh is not None and best.llh < result.reference_llh - SAME_OPTIMUM:
        yield _warning(
            "below-reference",
            f"The best llh, {best.llh:.6g}, is {result.reference_llh - best.llh:.3g} below the "
            f"stored reference at the nominal parameters, {result.reference_llh:.6g}: there is a "
            "better optimum. Try more starts.",
        )
    if result.n_found == 1 and len(result.starts) > 1:
        yield _warning(
            "found-once",
            f"One start of {len(result.starts)} found the best value; the next best is "
            f"{best.value - result.ordered[1].value:.3g} below. More starts may find a better one."
            if len(result.ordered) > 1
            else "One start found a value, the others none.",
        )
    yield from _of_bounds(result, best)
    if best.exit == "iteration limit":
        yield _warning(
            "not-converged",
            "The best start ended at its iteration limit: its point may not be an optimum.",
        )
    if result.failed:
        yield _warning(
            "failed-starts",
            f"{len(result.failed)} of {len(result.starts)} starts failed. The first: "
            f"{result.failed[0].message}",
        )


def _of_audit(result: FitResult) -> Iterator[Finding]:
    audit = result.audit
    if audit is None or audit.verdict == "right":
        return
    if audit.verdict != "wrong":
        yield _warning(
            "gradient-unproven",
            f"The numbers at the best point are not proven: {audit.summary}",
        )
        return
    wrong = tuple(name for name, entry in audit.entries.items() if entry.verdict == "wrong")
    gain = _missed(result, audit, wrong)
    if gain is not None and gain < SAME_OPTIMUM:
        yield _warning(
            "gradient-inexact",
            f"Witnesses contradict {len(wrong)} gradient entries at the best point, by so little "
            f"that a tenth of the way between the bounds would change llh by {gain:.1g} at most: "
            f"they are near 0 there, and it is the solver's error that is seen. {audit.summary}",
            wrong,
        )
    else:
        yield _warning(
            "gradient-wrong",
            "Witnesses contradict the numbers at the best point, so it may not be the optimum: "
            f"{audit.summary}",
            wrong,
        )


def _missed(result: FitResult, audit: Audit, wrong: tuple[str, ...]) -> float | None:
    """What llh may gain where witnesses contradict, over a tenth of the way between the bounds.

    None if that is not known: llh itself is wrong, or a direction disagrees and no entry does.
    """
    if audit.llh.verdict == "wrong" or not wrong:
        return None
    width = result.settings.upper - result.settings.lower
    step = np.where(np.isfinite(width), 0.1 * width, 1.0)
    total = 0.0
    for name in wrong:
        entry = audit.entries[name]
        if entry.witness_value is None:
            return None
        off = abs(entry.witness_value - entry.value) + (entry.uncertainty or 0.0)
        total += off * float(step[audit.parameter_ids.index(name)])
    return total


def _of_bounds(result: FitResult, best: Start) -> Iterator[Finding]:
    at = on_bounds_of(best.theta, result.settings.lower, result.settings.upper)
    names = [
        f"{result.parameter_ids[i]} ({'upper' if at[i] > 0 else 'lower'})"
        for i in np.flatnonzero(at)
    ]
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield _warning(
            "on-bound",
            f"The best point sits on a bound: {', '.join(names[:_NAMED])}{more}. Beyond it llh may "
            "be larger, or the parameter has no finite optimum.",
            tuple(result.parameter_ids[i] for i in np.flatnonzero(at)),
        )


def _warning(code: str, message: str, parameters: tuple[str, ...] = ()) -> Finding:
    return Finding("warning", " ".join(message.split()), code, parameters=parameters)
