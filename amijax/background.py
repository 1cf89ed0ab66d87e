"""Work in the background: its state, waiting for it, cancelling and sharing it, and its end.

A job has a thread of its own, which works itself or follows a process. Who asks for what another
one asked for already gets the same job. All jobs are cancelled when Python ends, and none begins
then.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from amijax.fair_queue import FairQueue

State = Literal["waiting", "running", "done", "failed", "cancelled"]

# Seconds that jobs and others' threads get to stop when Python ends, at most: as long as the
# simulation under way. A thread that comes back from C++ of AMICI or JAX after that is ended inside
# it, which aborts the process ("FATAL: exception not rethrown", exit status 134) until Python 3.14.
_FAREWELL = 60.0
_QUEUE_SECONDS = 0.2  # between looks at a job that waits
# A third of the weight of a page's thread, where both want the same core. With 10, a tenth, what
# somebody waits for hardly moves on a machine that others keep busy.
_NICENESS = 5
_REMEMBERED = 32  # jobs of a kind that are over


def is_over(state: State) -> bool:
    """Whether nothing more will happen to what is in a state."""
    return state in ("done", "failed", "cancelled")


@dataclass(frozen=True, eq=False)
class Progress:
    """A job at one moment; each kind of job adds what is its own.

    Attributes:
        state: waiting (for another job, here or in another process), running, done, failed or
            cancelled.
        elapsed: seconds since the start.
    """

    state: State
    elapsed: float

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return is_over(self.state)


class CancelledError(Exception):
    """Raised inside a job that has been cancelled."""


class Job[P: Progress](ABC):
    """Work in a thread of its own. Safe to use from any thread.

    A kind of job sets up what it needs and calls `_start` last.
    """

    def __init__(self, name: str, state: State = "running") -> None:
        self._name = name
        self._state: State = state
        self._error = ""
        self._started = time.monotonic()
        self._ended: float | None = None
        self._is_cancelled = threading.Event()
        self._is_over = threading.Event()

    @abstractmethod
    def progress(self) -> P:
        """How far the job is; cheap enough to ask several times a second."""

    @property
    def state(self) -> State:
        """Where it is."""
        return self._state

    @property
    def is_stopping(self) -> bool:
        """Whether it was cancelled and has not ended yet: what is under way may take a while."""
        return self._is_cancelled.is_set() and not self._is_over.is_set()

    def wait(self, timeout: float | None = None) -> P:
        """Wait until the job is over, at most `timeout` seconds; return where it is then."""
        self._is_over.wait(timeout)
        return self.progress()

    def cancel(self) -> None:
        """Stop the job and everything it started; one that is over stays as it is."""
        if not self._is_over.is_set():
            self._is_cancelled.set()
            self._stop()

    def _stop(self) -> None:  # noqa: B027 - most need not
        """Hasten the end of a job that was cancelled, where its work doesn't look by itself."""

    def _start(self, work: Callable[[], State]) -> None:
        """Begin.

        Args:
            work: what the thread does; it returns the state in which the job ends. What it raises
                ends the job as well: cancelled for `CancelledError`, else failed. Forgotten when
                it has ended, unlike what the job itself holds.
        """
        with _live_lock:
            if _is_ending.is_set():
                self._is_cancelled.set()
                work = _too_late
            _live.add(self)
            _threads[:] = [thread for thread in _threads if thread.is_alive()]
            _threads.append(
                threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
            )
            _threads[-1].start()

    def _elapsed(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    def _check_cancelled(self) -> None:
        if self._is_cancelled.is_set():
            raise CancelledError

    def _run(self, work: Callable[[], State]) -> None:
        state: State = "failed"
        try:
            state = work()
        except CancelledError:
            state = "cancelled"
        except Exception as error:  # a thread's exception would vanish
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._ended = time.monotonic()
            self._state = state
            with _live_lock:
                _live.discard(self)
            self._is_over.set()


class WatchedJob[P: Progress](Job[P]):
    """A job that waits for its turn and ends when nobody watches it any more."""

    def __init__(
        self,
        name: str,
        queue: FairQueue,
        abandon_after: float | None,
        *,
        owner: Hashable = None,
        what: str = "",
    ) -> None:
        """Set up; a kind of job starts its work last.

        Args:
            name: of the thread.
            queue: jobs with the same one run one after the other.
            abandon_after: seconds after which a job that nobody asks about stops; never if None.
            owner: who wants it; people have their turns in rotation.
            what: what it is, in words, for those who wait behind it.
        """
        super().__init__(name, "waiting")
        self._queue = queue
        self._ticket = queue.enter(owner, what or name)
        self._abandon_after = abandon_after
        self._watched = time.monotonic()
        self._is_abandoned = False

    @property
    def is_abandoned(self) -> bool:
        """Whether it ended because nobody asked about it, not because somebody cancelled it."""
        return self._is_abandoned

    def progress(self) -> P:
        """How far the job is; asking counts as watching, unlike asking for its state."""
        self._watched = time.monotonic()
        return self._progress()

    @property
    def ahead(self) -> tuple[str, ...]:
        """What runs before it, in words and in order; empty once it runs."""
        return self._queue.ahead(self._ticket)

    @abstractmethod
    def _progress(self) -> P:
        """How far the job is."""

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other job of the queue runs, then work at low priority.

        The job may be cancelled meanwhile.
        """
        be_nice()
        try:
            self._check_wanted()
            while not self._queue.acquire(self._ticket, _QUEUE_SECONDS):
                self._check_wanted()
            self._state = "running"
            self._started = time.monotonic()
            yield
        finally:
            self._queue.leave(self._ticket)

    def _check_wanted(self) -> None:
        """End the job if it was cancelled, or if nobody watches it any more."""
        self._check_cancelled()
        unwatched = time.monotonic() - self._watched
        if self._abandon_after is not None and unwatched > self._abandon_after:
            self._is_abandoned = True
            raise CancelledError


class OneAtATime:
    """Work of one who waits for it, in a thread: what nobody waits for any more ends by itself.

    Until it has ended, the next work waits: who asks again and again has one core busy.
    """

    def __init__(self, name: str) -> None:
        """Set up; `name` is the thread's."""
        # Python waits for the threads of a pool before it ends.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def run[T](
        self,
        work: Callable[[Callable[[], None]], T],
        watch: Callable[[], None],
        every: float = 0.2,
    ) -> T:
        """Work, and watch meanwhile.

        Args:
            work: called with a function that it calls now and then, and that raises once nobody
                waits for it any more.
            watch: called in the calling thread, every so many seconds. What it raises comes out of
                here immediately; the work ends by itself, as soon as it can.
            every: the seconds.

        Returns:
            What `work` returns; what it raises is raised.
        """
        is_left = threading.Event()

        def check() -> None:
            if is_left.is_set():
                raise CancelledError

        def wanted() -> T:
            check()
            return work(check)

        future = self._pool.submit(wanted)
        try:
            while not wait([future], every).done:
                watch()
        except BaseException:
            is_left.set()
            raise
        return future.result()


def be_nice() -> None:
    """Lower this thread's priority, which threads and processes that it starts inherit; Linux only.

    Pages that somebody is using go first. A priority that is as low already stays.
    """
    if hasattr(os, "setpriority"):
        thread = threading.get_native_id()
        with suppress(OSError):
            niceness = max(os.getpriority(os.PRIO_PROCESS, thread), _NICENESS)
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


class Registry[J: Job]:
    """The jobs of one kind in this process: those that go on, and the latest that are over."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, J] = OrderedDict()
        self._lock = threading.Lock()

    def start_or_join(self, key: Hashable, start: Callable[[], J], *, once: bool = False) -> J:
        """The job of a key that goes on; a new one where there is none.

        Args:
            key: what tells jobs apart.
            start: makes a job and starts it.
            once: whether a job that is done is returned as well, instead of a new one.
        """
        with self._lock:
            job = self._jobs.get(key)
            joins = job is not None and (not is_over(job.state) or (once and job.state == "done"))
            if job is None or not joins:
                job = self._jobs[key] = start()
            self._jobs.move_to_end(key)
            over = [k for k, j in self._jobs.items() if is_over(j.state)]
            for old in over[:-_REMEMBERED]:
                del self._jobs[old]
            return job

    def latest(self, key: Hashable) -> J | None:
        """The latest job of a key, which may be over; None if there was none lately."""
        with self._lock:
            return self._jobs.get(key)

    def items(self) -> tuple[tuple[Any, J], ...]:
        """Keys and jobs of all that are remembered, in the order in which they were asked for."""
        with self._lock:
            return tuple(self._jobs.items())

    def values(self) -> tuple[J, ...]:
        """All jobs that are remembered, over or not."""
        with self._lock:
            return tuple(self._jobs.values())


def wait_at_end(threads: Callable[[], Iterable[threading.Thread]]) -> None:
    """Have Python wait, before it ends, for daemon threads of others that may be inside C++.

    Args:
        threads: those that are alive, asked for when Python ends. Whoever started them must have
            told them to stop by then: they are waited for a minute, jobs included.
    """
    _others[threads] = None


_live: set[Job] = set()
_threads: list[threading.Thread] = []  # theirs, and of some that are over
_live_lock = threading.Lock()
_is_ending = threading.Event()
_others: dict[Callable[[], Iterable[threading.Thread]], None] = {}  # each once, in order


def _too_late() -> State:
    """What a job does that is started while Python ends."""
    raise CancelledError


@atexit.register
def _end_all() -> None:
    """Stop all jobs: processes would outlive us, and a thread that is inside AMICI when Python
    ends can bring it down. One whose job is over may still be inside a destructor of what its work
    held.
    """
    with _live_lock:
        _is_ending.set()
        jobs = list(_live)
    for job in jobs:
        job.cancel()
    deadline = time.monotonic() + _FAREWELL
    for threads in (lambda: _threads, *_others):
        for thread in list(threads()):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
