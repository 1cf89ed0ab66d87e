"""Pieces of a precision study at a point, as steps need them; kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amijax.lesson.here import Here, OnProgress
from amijax.precision import PieceName, Study, study_precision

_WORDS: dict[PieceName, str] = {
    "budget": "what each float32 stage adds",
    "reference": "the gradient at tight tolerances",
    "audit": "what witnesses other than AMICI find",
    "noise": "the solver's noise",
    "bits": "fewer bits",
    "tolerances": "other tolerances",
    "curvature": "the curvature",
}


def study_of(
    here: Here,
    pieces: Sequence[PieceName],
    on_progress: OnProgress,
    parameters: Sequence[str] | None = None,
) -> Study:
    """Some pieces of the study of a point, computed at most once.

    Args:
        here: the point.
        pieces: which ones.
        on_progress: called while they are computed.
        parameters: ids of the gradient entries in question; all if not given.
    """
    return study_precision(
        here.objective,
        here.theta,
        parameters=parameters,
        pieces=pieces,
        on_progress=lambda piece, done, total: on_progress(_WORDS[piece], done, total),
    )


def with_tolerances(here: Here, rtol: float, max_steps: int = 1_000_000) -> Here:
    """The same point, evaluated at another relative tolerance.

    Args:
        here: the point.
        rtol: relative tolerance.
        max_steps: at least so many are allowed, since tight tolerances need more.
    """
    solver = here.objective.solver
    objective = here.objective.with_solver(
        replace(
            solver, rtol=rtol, max_steps=max(solver.max_steps, max_steps), sensitivities="forward"
        )
    )
    return Here(objective, objective.evaluate(here.theta))
