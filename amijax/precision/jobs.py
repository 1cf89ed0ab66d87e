"""Precision studies in the background: shared by all who ask for the same, watched, cancelled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.background import Progress, Registry, State, WatchedJob
from amijax.fair_queue import FairQueue
from amijax.objective import AmiciObjective
from amijax.precision.pieces import PIECE_NAMES, PieceName, with_needs
from amijax.precision.study import Study, studies
from amijax.scales import FloatArray


@dataclass(frozen=True, eq=False)
class StudyProgress(Progress):
    """A study at one moment; it waits while another one of its queue runs.

    Attributes:
        study: what is there so far; None before the first piece.
        pieces: all that were asked for, in order.
        piece: the one under way, None if none is.
        done, total: of the piece under way: its evaluations.
        error: what broke, for state failed.
    """

    study: Study | None
    pieces: tuple[PieceName, ...]
    piece: PieceName | None
    done: int
    total: int
    error: str


class StudyJob(WatchedJob[StudyProgress]):
    """One study in a thread of its own, one after the other.

    When it is cancelled, it stops after the simulations under way; finished pieces are kept.
    """

    def __init__(
        self,
        objective: AmiciObjective,
        theta: FloatArray,
        parameters: tuple[str, ...],
        pieces: tuple[PieceName, ...],
        abandon_after: float | None,
        own_queue: bool,
        owner: Hashable,
    ) -> None:
        super().__init__("precision study", _one_at_a_time[own_queue], abandon_after, owner=owner)
        self._pieces = with_needs(pieces)
        self._study: Study | None = None
        self._at: tuple[PieceName | None, int, int] = (None, 0, 1)
        self._start(lambda: self._study_all(objective, theta, parameters))

    def _progress(self) -> StudyProgress:
        piece, done, total = self._at
        return StudyProgress(
            state=self.state,
            elapsed=self._elapsed(),
            study=self._study,
            pieces=self._pieces,
            piece=piece,
            done=done,
            total=total,
            error=self._error,
        )

    def _study_all(
        self, objective: AmiciObjective, theta: FloatArray, parameters: tuple[str, ...]
    ) -> State:
        try:
            with self._turn():
                for study in studies(
                    objective,
                    theta,
                    parameters=parameters,
                    pieces=self._pieces,
                    on_progress=self._report,
                ):
                    self._study = study
            return "done"
        finally:
            self._at = (None, 0, 1)

    def _report(self, piece: PieceName, done: int, total: int) -> None:
        self._at = (piece, done, total)
        self._check_wanted()


_jobs: Registry[StudyJob] = Registry()
# Studies that somebody waits for don't wait for those that pages start by themselves.
_one_at_a_time = {True: FairQueue(), False: FairQueue()}


def start_study(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[PieceName] = PIECE_NAMES,
    abandon_after: float | None = None,
    own_queue: bool = False,
    owner: Hashable = None,
) -> StudyJob:
    """Study a point in the background; a job for the same that runs or is done is returned.

    Args:
        objective: the problem and the solver settings in question.
        theta: shape (n_parameters,), on the PEtab scale.
        parameters: those whose gradient entries are studied; all if not given.
        pieces: which ones to compute.
        abandon_after: seconds after which a job that nobody asks about stops; never if None.
        own_queue: whether it waits for its like only, not for studies that somebody asked for.
        owner: who asks; people have their turns in rotation.
    """
    theta = np.array(theta, dtype=np.float64)
    chosen = tuple(objective.problem.parameter_ids if parameters is None else parameters)
    return _jobs.start_or_join(
        _key(objective, theta, parameters, pieces),
        lambda: StudyJob(objective, theta, chosen, tuple(pieces), abandon_after, own_queue, owner),
        once=True,
    )


def latest_study(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[PieceName] = PIECE_NAMES,
) -> StudyJob | None:
    """This process's latest job for a study, which may be over; None if there was none lately."""
    theta = np.array(theta, dtype=np.float64)
    return _jobs.latest(_key(objective, theta, parameters, pieces))


def _key(
    objective: AmiciObjective,
    theta: FloatArray,
    parameters: Sequence[str] | None,
    pieces: Sequence[PieceName],
) -> Hashable:
    chosen = objective.problem.parameter_ids if parameters is None else parameters
    return (
        objective.model.key, objective.problem.identity, objective.solver, theta.tobytes(),
        tuple(sorted(chosen)), with_needs(pieces),
    )  # fmt: skip
