"""Precision studies in the background: shared by all who ask for the same, watched, cancelled."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.store import PieceStore
from amijax.precision.study import PIECES, Piece, Study, studies, wanted_pieces
from amijax.scales import FloatArray

State = Literal["waiting", "running", "done", "cancelled", "failed"]

_OVER = ("done", "cancelled", "failed")
_NICENESS = 10  # of the working threads: pages that somebody is using go first
_REMEMBERED = 32  # jobs that are over
_FAREWELL = 3.0  # seconds that studies get to stop when Python ends


@dataclass(frozen=True, eq=False)
class StudyProgress:
    """A study at one moment.

    Attributes:
        state: waiting (for another study), running, done, cancelled or failed.
        study: what is there so far; None before the first piece.
        pieces: all that were asked for, in order.
        piece: the one under way, None if none is.
        done, total: of the piece under way: its evaluations.
        elapsed: seconds since the start.
        error: what broke, for state failed.
    """

    state: State
    study: Study | None
    pieces: tuple[Piece, ...]
    piece: Piece | None
    done: int
    total: int
    elapsed: float
    error: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in _OVER


class _CancelledError(Exception):
    """Somebody cancelled the study, or nobody watches it any more."""


class StudyJob:
    """One study in a thread of its own, one after the other. Safe to use from any thread."""

    def __init__(
        self,
        objective: AmiciObjective,
        theta: FloatArray,
        parameters: tuple[str, ...],
        pieces: tuple[Piece, ...],
        abandon_after: float | None,
        own_queue: bool,
    ) -> None:
        self._own_queue = own_queue
        self._pieces = wanted_pieces(pieces)
        self._abandon_after = abandon_after
        self._watched = time.monotonic()
        self._started = time.monotonic()
        self._ended: float | None = None
        self._state: State = "waiting"
        self._study: Study | None = None
        self._at: tuple[Piece | None, int, int] = (None, 0, 1)
        self._error = ""
        self._cancelled = threading.Event()
        self._over = threading.Event()
        threading.Thread(
            target=self._work,
            args=(objective, theta, parameters),
            name="precision study",
            daemon=True,
        ).start()

    def progress(self) -> StudyProgress:
        """How far the study is; asking counts as watching."""
        self._watched = time.monotonic()
        piece, done, total = self._at
        return StudyProgress(
            self._state, self._study, self._pieces, piece, done, total,
            (self._ended or time.monotonic()) - self._started, self._error,
        )  # fmt: skip

    def wait(self, timeout: float | None = None) -> StudyProgress:
        """Wait until the study is over, at most `timeout` seconds."""
        self._over.wait(timeout)
        return self.progress()

    def cancel(self) -> None:
        """Stop after the simulations under way; finished pieces are kept."""
        self._cancelled.set()

    @property
    def state(self) -> State:
        """Where it is; asking for it does not count as watching."""
        return self._state

    def _work(
        self, objective: AmiciObjective, theta: FloatArray, parameters: tuple[str, ...]
    ) -> None:
        _be_nice()
        try:
            with self._turn():
                self._state = "running"
                self._started = time.monotonic()
                for study in studies(
                    objective,
                    theta,
                    parameters=parameters,
                    pieces=self._pieces,
                    on_progress=self._report,
                ):
                    self._study = study
                self._state = "done"
        except _CancelledError:
            self._state = "cancelled"
        except Exception as error:  # a thread's exception would vanish
            self._error = f"{type(error).__name__}: {error}"
            self._state = "failed"
        self._at = (None, 0, 1)
        self._ended = time.monotonic()
        self._over.set()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other study of the same queue runs; may be cancelled meanwhile."""
        lock = _one_at_a_time[self._own_queue]
        self._check()
        while not lock.acquire(timeout=0.2):
            self._check()
        try:
            yield
        finally:
            lock.release()

    def _report(self, piece: Piece, done: int, total: int) -> None:
        self._at = (piece, done, total)
        self._check()

    def _check(self) -> None:
        watched = time.monotonic() - self._watched
        if self._abandon_after is not None and watched > self._abandon_after:
            raise _CancelledError
        if self._cancelled.is_set():
            raise _CancelledError


_jobs: OrderedDict[tuple[Any, ...], StudyJob] = OrderedDict()
_jobs_lock = threading.Lock()
# Studies that somebody waits for don't wait for those that pages start by themselves.
_one_at_a_time = {True: threading.Lock(), False: threading.Lock()}


def start_study(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[Piece] = PIECES,
    abandon_after: float | None = None,
    own_queue: bool = False,
) -> StudyJob:
    """Study a point in the background; a job for the same that runs or is done is returned.

    Args:
        objective: the problem and the solver settings in question.
        theta: shape (n_parameters,), on the PEtab scale.
        parameters: those whose gradient entries are studied; all if not given.
        pieces: which ones to compute.
        abandon_after: seconds after which a job that nobody asks about stops; never if None.
        own_queue: whether it waits for its like only, not for studies that somebody asked for.
    """
    theta = np.array(theta, dtype=np.float64)
    key = _key(objective, theta, parameters, pieces)
    with _jobs_lock:
        job = _jobs.get(key)
        if job is None or job.state in ("cancelled", "failed"):
            chosen = tuple(objective.problem.parameter_ids if parameters is None else parameters)
            job = _jobs[key] = StudyJob(
                objective, theta, chosen, tuple(pieces), abandon_after, own_queue
            )
        _jobs.move_to_end(key)
        for old in [k for k, j in _jobs.items() if j.state in _OVER][:-_REMEMBERED]:
            del _jobs[old]
    return job


def running_study(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[Piece] = PIECES,
) -> StudyJob | None:
    """This process's job for a study, going on or over; None if there was none lately."""
    with _jobs_lock:
        theta = np.array(theta, dtype=np.float64)
        return _jobs.get(_key(objective, theta, parameters, pieces))


def is_stored(
    objective: AmiciObjective,
    theta: ArrayLike,
    parameters: Sequence[str],
    pieces: Sequence[Piece] = PIECES,
) -> bool:
    """Whether all pieces of a study lie on disk, so that it takes no time."""
    ids = objective.problem.parameter_ids
    positions = np.array([i for i, name in enumerate(ids) if name in set(parameters)])
    store = PieceStore.of(objective, np.array(theta, dtype=np.float64), positions)
    return all((store.folder / f"{piece}.json").exists() for piece in wanted_pieces(pieces))


def _key(
    objective: AmiciObjective,
    theta: FloatArray,
    parameters: Sequence[str] | None,
    pieces: Sequence[Piece],
) -> tuple[Any, ...]:
    chosen = objective.problem.parameter_ids if parameters is None else parameters
    return (
        objective.model.key, objective.solver, theta.tobytes(), tuple(sorted(chosen)),
        wanted_pieces(pieces),
    )  # fmt: skip


def _be_nice() -> None:
    """Lower this thread's priority, which threads that it starts inherit; Linux only."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


@atexit.register
def _cancel_all() -> None:
    """Stop all studies: a thread that is inside AMICI when Python ends can bring it down."""
    with _jobs_lock:
        jobs = list(_jobs.values())
    for job in jobs:
        job.cancel()
    deadline = time.monotonic() + _FAREWELL
    for job in jobs:
        job.wait(max(0.0, deadline - time.monotonic()))
