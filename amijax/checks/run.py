"""Checks of many problems in the background, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass

from amijax.background import Job, Progress, Registry, State
from amijax.checks.check import CheckResult, from_json
from amijax.processes import start_module, terminate_group


@dataclass(frozen=True, eq=False)
class CheckProgress(Progress):
    """A run of checks at one moment.

    Attributes:
        done: the results so far, in order.
        current: the problem being checked, None when it is over.
        waiting: those still to come.
    """

    done: tuple[CheckResult, ...]
    current: str | None
    waiting: tuple[str, ...]


class CheckRun(Job[CheckProgress]):
    """Checks of some problems, one after the other; goes on whoever watches.

    When it is cancelled, the results so far are kept.
    """

    def __init__(self, problem_ids: tuple[str, ...]) -> None:
        super().__init__("checks")
        self._waiting = list(problem_ids)
        self._done: list[CheckResult] = []
        self._current = self._waiting.pop(0) if self._waiting else None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._start(self._check_all)

    def progress(self) -> CheckProgress:
        """How far the run is."""
        with self._lock:
            return CheckProgress(
                state=self.state,
                elapsed=self._elapsed(),
                done=tuple(self._done),
                current=self._current,
                waiting=tuple(self._waiting),
            )

    def _stop(self) -> None:
        with self._lock:
            if self._process is not None:
                terminate_group(self._process)

    def _check_all(self) -> State:
        try:
            while self._current is not None:
                result = self._check(self._current)
                with self._lock:
                    self._done.append(result)
                    self._current = self._waiting.pop(0) if self._waiting else None
        finally:
            self._current = None
        return "done"

    def _check(self, problem_id: str) -> CheckResult:
        """Check one problem in a process: what crashes there does not take the server along."""
        with self._lock:
            self._check_cancelled()
            process = self._process = start_module(
                "amijax", "check", problem_id, "--json",
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        output, _ = process.communicate()
        with self._lock:
            self._process = None
        self._check_cancelled()
        try:
            return from_json(json.loads(output)["problems"][0])
        except (ValueError, KeyError, IndexError, TypeError):
            return CheckResult(
                problem_id,
                "failed",
                f"The checking process ended with status {process.returncode} and no "
                f"result; `python -m amijax check {problem_id}` shows why.",
            )


_runs: Registry[CheckRun] = Registry()


def start_checks(problem_ids: tuple[str, ...]) -> CheckRun:
    """Start a run of this process; while one goes on, that one is returned instead."""
    return _runs.start_or_join("checks", lambda: CheckRun(problem_ids))


def latest_checks() -> CheckRun | None:
    """This process's latest run, which may be over; None if there was none."""
    return _runs.latest("checks")
