"""Compile jobs: one subprocess per model, shared by all threads and sessions of this process."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass

from amijax.background import Job, Progress, Registry, State, is_over
from amijax.files import write_atomically
from amijax.models.cache import ModelFolders
from amijax.models.neutral_ids import with_own_ids
from amijax.models.sample import Sample
from amijax.models.source import model_source, problem_numbers
from amijax.problems import Problem
from amijax.problems.catalogue import is_embedded
from amijax.processes import clear_group, kill_group, start_module, terminate_group

WAITING = "waiting for another process"
_LOG_LINES = 40
_LOG_BYTES = 16_000
_GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class CompileFailure:
    """Why there is no model: what happened, what to try, and the end of the log, in own ids."""

    message: str
    remedy: str
    log_tail: tuple[str, ...] = ()


class CompileError(RuntimeError):
    """There is no compiled model; `failure` says why."""

    def __init__(self, failure: CompileFailure) -> None:
        super().__init__(f"{failure.message} {failure.remedy}")
        self.failure = failure


@dataclass(frozen=True, eq=False)
class CompileProgress(Progress):
    """A compile job at one moment; it waits where another process compiles the same model.

    Attributes:
        phase: what goes on: import, code generation, C++ build, load or trial; while the job waits,
            that it does and for which phase; empty before the start and when it is over.
        phases: the finished phases and their seconds.
        log_tail: the last lines of the build's log, with the problem's own ids.
    """

    phase: str
    phases: tuple[tuple[str, float], ...]
    log_tail: tuple[str, ...]


class CompileJob(Job[CompileProgress]):
    """The compilation of one model in a process group of its own.

    Cancelling does not stop a model that another process compiles for itself.
    """

    def __init__(self, problem: Problem) -> None:
        source = model_source(problem)
        super().__init__(f"compile {source.key}")
        self.key = source.key
        self.problem_id = problem.problem_id
        self._own_ids = source.plan.own_ids
        self._folders = ModelFolders.of(self.key)
        # Until the worker has looked at the lock, phases and log are those of an older build.
        self._has_looked = False
        self._failure: CompileFailure | None = None
        source.write(self._folders.source)
        if not is_embedded(problem):  # those are known to be harmless
            sample = Sample.of(source.plan, problem_numbers(problem))
            write_atomically(self._folders.sample, sample.packed())
        # What the worker says before it has the lock and may write into the shared log.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = start_module(
            "amijax.simulation.worker",
            str(self._folders.root),
            self.key,
            options=["-u"],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self._folders.root,
        )
        self._start(self._follow)

    def progress(self) -> CompileProgress:
        """How far the job is."""
        state = self.state
        phases, phase = self._read_phases() if self._has_looked else ((), "")
        if state == "waiting":
            phase = f"{WAITING} ({phase})" if phase else WAITING
        return CompileProgress(
            state=state,
            elapsed=self._elapsed(),
            phase="" if is_over(state) else phase,
            phases=phases,
            log_tail=self._log_tail() if self._has_looked or is_over(state) else (),
        )

    @property
    def failure(self) -> CompileFailure | None:
        """Why the job failed or was cancelled; None while it runs and when it is done."""
        if self._error:
            remedy = "This is a defect of amijax: please report it with the problem."
            return CompileFailure(f"Compiling broke off: {self._error}.", remedy)
        return self._failure

    def _stop(self) -> None:
        terminate_group(self._process)
        if not self._is_over.wait(2 * _GRACE_SECONDS):
            kill_group(self._process)

    def _follow(self) -> State:
        """Read the worker's events until it ends, then say how it ended."""
        failed: dict[str, str] = {}
        assert self._process.stdout is not None
        with self._process.stdout as events:
            for line in events:
                with suppress(ValueError):
                    event = json.loads(line)
                    if event["event"] == "failed":
                        failed = event
                    else:
                        self._state = "waiting" if event["event"] == "waiting" else "running"
                        self._has_looked = True
        code = self._process.wait()
        # Ninja starts compilers in groups of their own and ends them when it is terminated: it
        # is given the time.
        clear_group(self._process, _GRACE_SECONDS)
        state: State = "done"
        if code != 0 and self._is_cancelled.is_set():
            state = "cancelled"
            self._failure = self._describe("Compiling was cancelled.", "Start it again.")
        elif code != 0:
            state = "failed"
            self._failure = self._describe(
                failed.get("message", f"The compiling process ended with status {code}."),
                failed.get(
                    "remedy", "It was killed or ran out of memory, or the log says why. Try again."
                ),
            )
        self._stderr.close()
        return state

    def _describe(self, message: str, remedy: str) -> CompileFailure:
        log_tail = self._log_tail() if self._has_looked else self._early_output()
        return CompileFailure(with_own_ids(message, self._own_ids), remedy, log_tail)

    def _early_output(self) -> tuple[str, ...]:
        self._stderr.seek(0)
        return self._lines(self._stderr.read()[-_LOG_BYTES:])

    def _log_tail(self) -> tuple[str, ...]:
        if self._failure is not None:
            return self._failure.log_tail
        try:
            with self._folders.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_BYTES))
                return self._lines(log.read())
        except OSError:
            return ()

    def _lines(self, log: bytes) -> tuple[str, ...]:
        """The last lines of a log."""
        lines = log.decode(errors="replace").splitlines()[-_LOG_LINES:]
        return tuple(with_own_ids(line, self._own_ids) for line in lines)

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


_jobs: Registry[CompileJob] = Registry()


def start_compile(problem: Problem) -> CompileJob:
    """Compile a problem's model in the background.

    A job that this process already runs for the same model is returned instead of a second
    one; one that is over is replaced.

    Raises:
        ProblemError: the problem holds something that must not reach the code generator.
        OSError: the cache folder can't be written.
    """
    return _jobs.start_or_join(model_source(problem).key, lambda: CompileJob(problem))


def latest_compile(key: str) -> CompileJob | None:
    """This process's latest job for a model, which may be over; None if there was none lately."""
    return _jobs.latest(key)
