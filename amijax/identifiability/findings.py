"""What a person should know before trusting standard errors or profiles, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from amijax.fit.optima import SAME_OPTIMUM
from amijax.identifiability.profile_record import ProfileResult
from amijax.identifiability.record import Identifiability
from amijax.problems.findings import Finding

_NAMED = 6  # parameters that a sentence names
_CORRELATED = 0.99
_ENOUGH = 0.05  # of the threshold: a solver's error moves ends by a fortieth of their distance


def local_findings(result: Identifiability) -> tuple[Finding, ...]:
    """Warnings about standard errors at a point; codes are for programs.

    `failed`, `not-optimum`, `no-maximum`, `flat`, `weak`, `correlated`, `on-bound`,
    `approximation`.
    """
    return tuple(_of_local(result))


def profile_findings(result: ProfileResult) -> tuple[Finding, ...]:
    """Warnings about profiles; codes are for programs.

    `started-elsewhere`, `not-converged`, `better-optimum`, `solver-error`, `interrupted`.
    """
    return tuple(_of_profiles(result))


def _of_local(result: Identifiability) -> Iterator[Finding]:
    if result.failure is not None:
        yield _warning("failed", f"There are no second derivatives. {result.failure}")
        return
    if not result.is_optimum:
        yield _warning(
            "not-optimum",
            f"The point is no optimum: llh could grow by about {result.expected_gain:.3g}. "
            "Intervals are those of the curvature here, not around the estimate: fit first.",
        )
    kinds = {
        "negative": ("no-maximum", "llh curves upwards along"),
        "flat": ("flat", "the data do not determine"),
        "weak": ("weak", "the data hardly determine"),
    }
    for kind, (code, words) in kinds.items():
        found = [each for each in result.directions if each.kind == kind]
        if found:
            names = tuple(dict.fromkeys(name for each in found for name in each.parameters))
            told = "; ".join(each.sentence.partition(":")[0] for each in found[:_NAMED])
            n = len(found)
            yield _warning(
                code,
                f"In {n} direction{'s' * (n > 1)} of {result.n_parameters}, {words} parameters: "
                f"{told}.",
                names,
            )
    size = np.abs(np.triu(np.nan_to_num(result.correlations), 1))
    pairs = np.argwhere(size > _CORRELATED)
    if len(pairs):
        ids = result.parameter_ids
        told = ", ".join(
            f"{ids[i]} and {ids[j]} ({result.correlations[i, j]:.4f})" for i, j in pairs[:_NAMED]
        )
        yield _warning(
            "correlated",
            f"Estimates that hang together: {told}.",
            tuple(dict.fromkeys(ids[k] for pair in pairs for k in pair)),
        )
    at = np.flatnonzero(result.at_bounds)
    if at.size:
        names = tuple(result.parameter_ids[i] for i in at)
        told = ", ".join(
            f"{result.parameter_ids[i]} ({'upper' if result.at_bounds[i] > 0 else 'lower'})"
            for i in at[:_NAMED]
        )
        yield _warning(
            "on-bound",
            f"On a bound: {told}. Intervals take no notice of bounds; profiles do.",
            names,
        )
    if result.left_out:
        yield _warning("approximation", f"{result.left_out}")


def _of_profiles(result: ProfileResult) -> Iterator[Finding]:
    if not result.gain <= SAME_OPTIMUM:
        grew = f"raised llh by {result.gain:.4g}" if np.isfinite(result.gain) else "was needed"
        yield _warning(
            "started-elsewhere",
            f"The point that was given is no optimum: a local optimisation {grew}, and profiles "
            "begin where it ended.",
        )
    if result.optimum.exit not in ("converged", "stalled"):
        yield _warning(
            "not-converged",
            f"The optimisation before the profiles ended without converging: "
            f"{result.optimum.message}.",
        )
    if result.better is not None:
        yield _warning(
            "better-optimum",
            f"A better optimum came up along {result.better.parameter}, by "
            f"{result.better.gain:.4g}: these profiles are around one that is not the best. Let "
            "them start anew from it.",
            (result.better.parameter,),
        )
    if result.solver_error > _ENOUGH * result.threshold:
        yield _warning(
            "solver-error",
            f"The solver's tolerances are too loose for these profiles: by how much llh falls to "
            f"an end of {result.solver_error_in}'s differs by {result.solver_error:.3g} from what "
            f"tight ones give, of {result.threshold:.3g}. Ask for more digits of the gradient, or "
            "take a smaller rtol.",
            (result.solver_error_in,),
        )
    if not result.is_complete:
        done = sum(each.is_complete for each in result.profiles)
        yield _warning(
            "interrupted",
            f"{done} of {len(result.asked)} profiles are complete. The same profiles go on from "
            "here.",
        )


def _warning(code: str, message: str, parameters: tuple[str, ...] = ()) -> Finding:
    return Finding("warning", " ".join(message.split()), code, parameters=parameters)
