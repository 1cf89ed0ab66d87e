"""Compile jobs: one subprocess per model, shared by all threads and sessions of this process."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amijax.models.cache import ModelFolders
from amijax.models.source import model_source
from amijax.problems import Problem

State = Literal["queued", "running", "done", "failed", "cancelled"]

WAITING = "waiting for another process"
_LOG_LINES = 40
_LOG_BYTES = 16_000
_GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class CompileFailure:
    """Why there is no model: what happened, what to try, and the end of the log."""

    message: str
    remedy: str
    log_tail: tuple[str, ...] = ()


class CompileError(RuntimeError):
    """There is no compiled model; `failure` says why."""

    def __init__(self, failure: CompileFailure) -> None:
        super().__init__(f"{failure.message} {failure.remedy}")
        self.failure = failure


@dataclass(frozen=True)
class CompileProgress:
    """A compile job at one moment.

    Attributes:
        state: queued (another process compiles the same model, this job waits for it),
            running, done, failed or cancelled.
        phase: what goes on: import, code generation, C++ build or load; when queued, that it
            is waiting and for which phase; empty before the start and when it is over.
        phases: the finished phases and their seconds.
        elapsed: seconds since the job was started.
        log_tail: the last lines of the build's log.
    """

    state: State
    phase: str
    phases: tuple[tuple[str, float], ...]
    elapsed: float
    log_tail: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")


class CompileJob:
    """The compilation of one model in a process group of its own. Safe to use from any thread."""

    def __init__(self, problem: Problem) -> None:
        source = model_source(problem)
        self.key = source.key
        self.problem_id = problem.problem_id
        self._folders = ModelFolders.of(self.key)
        self._started = time.monotonic()
        self._ended: float | None = None
        self._stage: Literal["starting", "waiting", "building"] = "starting"
        self._cancelled = False
        self._final: State | None = None
        self._failure: CompileFailure | None = None
        self._over = threading.Event()
        source.write(self._folders.source)
        # What the worker says before it has the lock and may write into the shared log.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-u", "-P", "-m", "amijax.models.worker"),
                *(str(self._folders.root), self.key),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(),
            cwd=self._folders.root,
            start_new_session=True,
        )
        threading.Thread(target=self._follow, name=f"compile {self.key}", daemon=True).start()

    def progress(self) -> CompileProgress:
        """How far the job is; cheap enough to ask several times a second."""
        stage, final = self._stage, self._final
        # Until the worker has looked at the lock, phases and log are those of an older build.
        phases, phase = ((), "") if stage == "starting" else self._read_phases()
        if stage == "waiting":
            phase = f"{WAITING} ({phase})" if phase else WAITING
        state: State = final or ("queued" if stage == "waiting" else "running")
        elapsed = (self._ended or time.monotonic()) - self._started
        log_tail = () if stage == "starting" and not final else self._log_tail()
        return CompileProgress(state, "" if final else phase, phases, elapsed, log_tail)

    def wait(self, timeout: float | None = None) -> CompileProgress:
        """Wait until the job is over, at most `timeout` seconds; return where it is then."""
        self._over.wait(timeout)
        return self.progress()

    def cancel(self) -> None:
        """Stop the job and everything it started; one that is over stays as it is.

        A model that another process compiles for itself is not stopped.
        """
        if not self._over.is_set():
            self._cancelled = True
            self._signal(signal.SIGTERM)
            if not self._over.wait(2 * _GRACE_SECONDS):
                self._signal(signal.SIGKILL)

    @property
    def failure(self) -> CompileFailure | None:
        """Why the job failed or was cancelled; None while it runs and when it is done."""
        return self._failure

    def _follow(self) -> None:
        """Read the worker's events until it ends, then settle the job's state."""
        failed: dict[str, str] = {}
        assert self._process.stdout is not None
        with self._process.stdout as events:
            for line in events:
                with suppress(ValueError):
                    event = json.loads(line)
                    if event["event"] == "failed":
                        failed = event
                    else:
                        self._stage = event["event"]
        code = self._process.wait()
        self._clear_group()
        self._ended = time.monotonic()
        if code == 0:
            self._final = "done"
        elif self._cancelled:
            self._failure = self._describe("Compiling was cancelled.", "Start it again.")
            self._final = "cancelled"
        else:
            self._failure = self._describe(
                failed.get("message", f"The compiling process ended with status {code}."),
                failed.get(
                    "remedy", "It was killed or ran out of memory, or the log says why. Try again."
                ),
            )
            self._final = "failed"
        self._stderr.close()
        _forget_if_done(self)
        self._over.set()

    def _signal(self, number: signal.Signals) -> bool:
        """Send a signal to the process group; return whether there still is one."""
        if not hasattr(os, "killpg"):
            self._process.terminate()
            return False
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
            return True
        return False

    def _clear_group(self) -> None:
        """End what outlives the worker."""
        # Ninja starts compilers in groups of their own and ends them when it is terminated:
        # give it the time.
        end = time.monotonic() + _GRACE_SECONDS
        alive = self._signal(signal.SIGTERM)
        while alive and time.monotonic() < end:
            time.sleep(0.02)
            alive = self._signal(signal.SIGTERM)
        if alive:
            self._signal(signal.SIGKILL)

    def _describe(self, message: str, remedy: str) -> CompileFailure:
        log_tail = self._early_output() if self._stage == "starting" else self._log_tail()
        return CompileFailure(message, remedy, log_tail)

    def _early_output(self) -> tuple[str, ...]:
        self._stderr.seek(0)
        return _lines(self._stderr.read()[-_LOG_BYTES:])

    def _log_tail(self) -> tuple[str, ...]:
        if self._failure is not None:
            return self._failure.log_tail
        try:
            with self._folders.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_BYTES))
                return _lines(log.read())
        except OSError:
            return ()

    def _read_phases(self) -> tuple[tuple[tuple[str, float], ...], str]:
        """The finished phases of the latest build of this key, and the one that goes on."""
        done: dict[str, float] = {}
        phase = ""
        with suppress(OSError):
            for line in self._folders.phases.read_text().splitlines():
                with suppress(ValueError):  # the last line may be half written
                    record = json.loads(line)
                    if "done" in record:
                        done[record["done"]] = record["seconds"]
                    phase = record.get("phase", "")
        return tuple(done.items()), phase


_jobs: dict[str, CompileJob] = {}
_jobs_lock = threading.Lock()


def start_compile(problem: Problem) -> CompileJob:
    """Compile a problem's model in the background.

    A job that this process already runs for the same model is returned instead of a second
    one; a failed or cancelled one is replaced.

    Raises:
        ProblemError: the problem holds something that must not reach the code generator.
        OSError: the cache folder can't be written.
    """
    key = model_source(problem).key
    with _jobs_lock:
        job = _jobs.get(key)
        if job is None or job.progress().is_over:
            job = _jobs[key] = CompileJob(problem)
    return job


def running_job(key: str) -> CompileJob | None:
    """This process's job for a model: running, or failed or cancelled and not yet retried."""
    with _jobs_lock:
        return _jobs.get(key)


def _forget_if_done(job: CompileJob) -> None:
    with _jobs_lock:
        if job.failure is None and _jobs.get(job.key) is job:
            del _jobs[job.key]


@atexit.register
def _cancel_all() -> None:
    with _jobs_lock:
        jobs = list(_jobs.values())
    for job in jobs:
        job.cancel()


def _environment() -> dict[str, str]:
    """The environment of the worker: ours, and the package importable from where it is."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
    return {**os.environ, "PYTHONPATH": path}


def _lines(data: bytes) -> tuple[str, ...]:
    return tuple(data.decode(errors="replace").splitlines()[-_LOG_LINES:])
