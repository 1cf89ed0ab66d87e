"""The process that compiles one model, for `amijax.simulation.worker`, which also tries it.

It holds the key's lock while it builds, so the lock falls with the process, however it ends.
On stdout it prints one JSON object a line: `{"event": "waiting"}` if another process has the
lock, `{"event": "building"}` once it has it, and `{"event": "failed", "message": ..., "remedy":
...}`. Everything else goes into the key's log.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from amijax.models.build import Build, BuildError, check_compiler, confine_macros, log
from amijax.models.cache import (
    DamagedModelError,
    ModelFolders,
    load_model,
    read_entry,
    write_entry,
)

TIME_LIMIT_VARIABLE = "AMIJAX_COMPILE_TIMEOUT"
DEFAULT_TIME_LIMIT = 1800.0

type TryModel = Callable[[ModelFolders, Path], None]


class Worker:
    """One build of one key."""

    def __init__(self, folders: ModelFolders, events: IO[str], try_model: TryModel) -> None:
        self.folders = folders
        self._try_model = try_model
        self.module_name = f"amijax_{folders.key[:16]}"
        self.seconds: dict[str, float] = {}
        self._events = events

    def run(self) -> bool:
        """Build the model unless another process did meanwhile; return whether it is there."""
        self.folders.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folders.lock)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            self.tell(event="waiting")
        with lock:
            if read_entry(self.folders.entry) is not None:
                return True
            _log_into(self.folders)
            self.tell(event="building")
            started = time.perf_counter()
            stop_timer = self._limit_time()
            try:
                self._build(started)
            except BuildError as error:
                log(f"{error} {error.remedy}")
                self.tell(event="failed", message=str(error), remedy=error.remedy)
                return False
            finally:
                stop_timer()
                shutil.rmtree(self.folders.building, ignore_errors=True)
        return True

    def tell(self, **event: str) -> None:
        """Send an event to the parent, if there still is one."""
        with suppress(OSError):
            self._events.write(json.dumps(event) + "\n")
            self._events.flush()

    def _build(self, started: float) -> None:
        check_compiler()
        # Leftovers of a killed build may still be written to by an orphaned compiler: each
        # build has a new folder.
        shutil.rmtree(self.folders.building, ignore_errors=True)
        self.folders.building.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.folders.building))
        os.environ["TMPDIR"] = str(folder)
        code = folder / "code"
        with Build(code, folder / "build") as build:
            with self._phase("import"):
                import amici.importers.sbml  # noqa: F401
            with self._phase("code generation"):
                self._generate(code)
            library = self._build_and_load(build, unity=True)
            if library is None:
                log("--- The unity build failed; building file by file.")
                library = self._build_and_load(build, unity=False)
        if library is None:
            raise BuildError(
                "The C++ build of the model failed.",
                "The log says why; memory, disk space or a broken compiler are usual causes.",
            )
        with self._phase("trial"):
            self._try_model(self.folders, library)
        self.seconds["total"] = time.perf_counter() - started
        (folder / "entry").mkdir()
        write_entry(library.rename(folder / "entry" / library.name), self.folders, self.seconds)
        shutil.rmtree(self.folders.source, ignore_errors=True)

    def _build_and_load(self, build: Build, *, unity: bool) -> Path | None:
        with self._phase("C++ build"):
            library = build.run(unity=unity)
        if library is None:
            return None
        with self._phase("load"):
            try:
                load_model(self.folders.key, library)
            except DamagedModelError:  # a symbol is missing, which only loading shows
                traceback.print_exc()
                return None
        return library

    def _generate(self, folder: Path) -> None:
        from amijax.models.source import generate_code

        with _failing(
            "AMICI can't turn this model into code",
            "The problem uses something that AMICI doesn't support, or has a mistake: "
            "`petablint` finds most of them.",
        ):
            generate_code(self.folders.source, self.module_name, folder)
        confine_macros(folder)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        self._note(phase=name)
        log(f"--- {name}")
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self._note(done=name, seconds=self.seconds[name])

    def _note(self, **record: object) -> None:
        with self.folders.phases.open("a") as stream:
            stream.write(json.dumps(record) + "\n")

    def _limit_time(self) -> Callable[[], None]:
        limit = float(os.environ.get(TIME_LIMIT_VARIABLE, DEFAULT_TIME_LIMIT))

        def end() -> None:
            message = f"Compiling took longer than the limit of {limit:g} s."
            self.tell(
                event="failed", message=message, remedy=f"Raise {TIME_LIMIT_VARIABLE} (seconds)."
            )
            log(message)
            _kill_group()

        timer = threading.Timer(limit, end)
        timer.daemon = True
        timer.start()
        return timer.cancel


@contextmanager
def _failing(message: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        raise BuildError(f"{message}: {type(error).__name__}: {error}.", remedy) from error


def _log_into(folders: ModelFolders) -> None:
    """Send this process's output, and that of everything it starts, into the key's log."""
    folders.log.parent.mkdir(parents=True, exist_ok=True)
    folders.phases.write_text("")
    with folders.log.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    warnings.simplefilter("ignore")


def _kill_group() -> None:
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)  # ninja passes it on to its compilers
    os._exit(1)


def _put_environment_on_path() -> None:
    """Let cmake and ninja from pip be found although no environment is activated."""
    folders = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    os.environ["PATH"] = os.pathsep.join([*folders, os.environ.get("PATH", "")])


def main(try_model: TryModel) -> None:
    """Build the model of the key given on the command line: the cache's folder and the key.

    Args:
        try_model: called with a model's folders and its library before others can find it; must
            not raise.
    """
    # stdout becomes the log: keep the pipe to the parent under another number.
    events = os.fdopen(os.dup(1), "w")
    _put_environment_on_path()
    root, key = sys.argv[1:]
    worker = Worker(ModelFolders(Path(root), key), events, try_model)
    status = 1
    try:
        status = 0 if worker.run() else 1
    except Exception as error:
        traceback.print_exc()
        worker.tell(
            event="failed",
            message=f"Compiling failed unexpectedly: {type(error).__name__}: {error}.",
            remedy="The log says where; a full disk or missing permissions are usual causes.",
        )
    # Taking AMICI and sympy down in order costs half a second and gives nothing.
    sys.stdout.flush()
    os._exit(status)
