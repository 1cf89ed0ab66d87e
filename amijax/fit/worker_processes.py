"""Processes that wait for work: started ahead of it if need be, and kept for a while after it."""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import tempfile
import threading
from contextlib import suppress
from typing import Any

from amijax.cores import available_cores
from amijax.processes import kill_group, start_module

# Linear algebra of matrices as small as these is slower in several threads, and the other cores
# have work of their own.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_IDLE_SECONDS = 120.0
_SHOWN = 400  # characters of what a process said last


class WorkerProcess:
    """A process that runs `amijax.fit.worker`: it is told what a job is, then its tasks.

    Writing and reading raise `OSError`, `EOFError` or `pickle.UnpicklingError` when it has ended.
    """

    def __init__(self) -> None:
        """Start it; Python and AMICI take some two seconds to load."""
        self.surroundings = _surroundings()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = start_module(
            "amijax.fit.worker",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            environment=_ONE_THREAD,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of one that ended."""
        return self._process.wait()

    @property
    def last_words(self) -> str:
        """A sentence with the last line that it wrote on standard error; empty without one."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"It said: {lines[-1][:_SHOWN]}" if lines else ""

    def begin(self, set_up: bytes) -> None:
        """Tell it what the tasks have in common: a pickle of a recipe and the plan."""
        assert self._process.stdin is not None
        self._process.stdin.write(set_up)

    def send(self, task: Any) -> None:
        """Tell it a task; None says that there are no more of them."""
        assert self._process.stdin is not None
        pickle.dump(task, self._process.stdin)
        self._process.stdin.flush()

    def receive(self) -> Any:
        """Wait for its next answer."""
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)

    def kill(self) -> None:
        """End it without asking, from any thread; `end` is still to be called."""
        kill_group(self._process)

    def end(self) -> None:
        """End it, if it runs, and close what leads there."""
        kill_group(self._process)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                with suppress(OSError):  # what was still to be written to a process that is gone
                    pipe.close()


def prepare_workers(n: int) -> None:
    """Have so many processes ready, started now where there are fewer; returns immediately.

    Loading takes them some two seconds, which go by beside whatever comes before the work.
    """
    with _lock:
        for _ in range(min(n, available_cores()) - len(_idle)):
            _idle.append(WorkerProcess())
        _wait_for_work()


def taken_worker() -> WorkerProcess:
    """One that waits, or a new one; the caller keeps or ends it."""
    with _lock:
        while _idle:
            worker = _idle.pop()
            # One that was started before a variable of the environment changed is not the same.
            if worker.is_alive and worker.surroundings == _surroundings():
                return worker
            worker.end()
    return WorkerProcess()


def keep_worker(worker: WorkerProcess) -> None:
    """Have one whose job is over wait for the next: one for each core, for two minutes."""
    with _lock:
        if len(_idle) < available_cores():
            _idle.append(worker)
            _wait_for_work()
            return
    worker.end()


@atexit.register
def end_idle_workers() -> None:
    """End all that wait."""
    with _lock:
        while _idle:
            _idle.pop().end()


def _surroundings() -> tuple[str, dict[str, str]]:
    return os.getcwd(), dict(os.environ)


def _wait_for_work() -> None:
    """Begin to wait anew; the lock is held."""
    global _timer
    if _timer is not None:
        _timer.cancel()
    _timer = threading.Timer(_IDLE_SECONDS, end_idle_workers)
    _timer.daemon = True
    _timer.start()


_lock = threading.Lock()
_idle: list[WorkerProcess] = []
_timer: threading.Timer | None = None
