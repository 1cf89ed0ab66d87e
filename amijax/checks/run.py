"""Checks of many problems in the background, each in a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from amijax.checks.check import CheckResult, from_json


@dataclass(frozen=True)
class CheckProgress:
    """A run of checks at one moment.

    Attributes:
        done: the results so far, in order.
        current: the problem being checked, None when it is over.
        waiting: those still to come.
        elapsed: seconds since the start.
        cancelled: whether it was stopped.
    """

    done: tuple[CheckResult, ...]
    current: str | None
    waiting: tuple[str, ...]
    elapsed: float
    cancelled: bool

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.current is None and (not self.waiting or self.cancelled)


class CheckRun:
    """Checks of some problems, one after the other; goes on whoever watches."""

    def __init__(self, problem_ids: tuple[str, ...]) -> None:
        self._waiting = list(problem_ids)
        self._done: list[CheckResult] = []
        self._current: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._started = time.monotonic()
        self._ended: float | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="checks", daemon=True)
        self._current = self._waiting.pop(0) if self._waiting else None
        self._thread.start()

    def progress(self) -> CheckProgress:
        """How far the run is."""
        with self._lock:
            elapsed = (self._ended or time.monotonic()) - self._started
            return CheckProgress(
                tuple(self._done), self._current, tuple(self._waiting), elapsed, self._cancelled
            )

    def wait(self, timeout: float | None = None) -> CheckProgress:
        """Wait until the run is over, at most `timeout` seconds."""
        self._thread.join(timeout)
        return self.progress()

    def cancel(self) -> None:
        """Stop the check that goes on and all that wait; results so far are kept."""
        with self._lock:
            self._cancelled = True
            process = self._process
        if process is not None:
            _end(process)

    def _work(self) -> None:
        while self._current is not None:
            result = self._check(self._current)
            with self._lock:
                if result is not None:
                    self._done.append(result)
                go_on = self._waiting and not self._cancelled
                self._current = self._waiting.pop(0) if go_on else None
        self._ended = time.monotonic()

    def _check(self, problem_id: str) -> CheckResult | None:
        """Check one problem in a process: what crashes there does not take the server along."""
        with self._lock:
            if self._cancelled:
                return None
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "amijax", "check", problem_id, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": _python_path()},
                start_new_session=True,
            )
        output, _ = self._process.communicate()
        if self._cancelled:
            return None
        try:
            return from_json(json.loads(output)["problems"][0])
        except (ValueError, KeyError, IndexError, TypeError):
            return CheckResult(
                problem_id,
                "failed",
                f"The checking process ended with status {self._process.returncode} and no "
                f"result; `python -m amijax check {problem_id}` shows why.",
            )


_latest: CheckRun | None = None
_latest_lock = threading.Lock()


def start_checks(problem_ids: tuple[str, ...]) -> CheckRun:
    """Start a run of this process; while one goes on, that one is returned instead."""
    global _latest
    with _latest_lock:
        if _latest is None or _latest.progress().is_over:
            _latest = CheckRun(problem_ids)
        return _latest


def latest_checks() -> CheckRun | None:
    """This process's latest run, going on or over; None if there was none."""
    return _latest


@atexit.register
def _cancel() -> None:
    if _latest is not None:
        _latest.cancel()


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()


def _python_path() -> str:
    here = str(Path(__file__).parents[2])
    return os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
