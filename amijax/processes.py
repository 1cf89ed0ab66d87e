"""Processes that run a module of this package, each ended with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parents[1]
_POLL_SECONDS = 0.02


def start_module(
    module: str,
    *arguments: str,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    **popen: Any,
) -> subprocess.Popen[bytes]:
    """Run a module of the package with this Python, in a process group of its own.

    The package is importable there from where it is here.

    Args:
        module: its name, as `python -m` takes it.
        arguments: its command line.
        options: of Python itself.
        environment: variables besides this process's own.
        stdin: where standard input comes from; nothing comes if not given.
        popen: more arguments for `subprocess.Popen`.
    """
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(folder for folder in (str(_HOME), inherited) if folder)
    # -P: modules in the current folder don't take the place of ours.
    return subprocess.Popen(
        [sys.executable, "-P", *options, "-m", module, *arguments],
        stdin=stdin,
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        start_new_session=True,
        **popen,
    )


def terminate_group(process: subprocess.Popen[bytes]) -> None:
    """Ask a process from `start_module`, and what it started, to end."""
    _signal_group(process, "SIGTERM")


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process from `start_module`, and what it started, without asking."""
    _signal_group(process, "SIGKILL")


def clear_group(process: subprocess.Popen[bytes], grace: float) -> None:
    """End what outlives a process from `start_module`: asked first, killed after `grace` seconds.

    Blocks for so long at most.
    """
    end = time.monotonic() + grace
    alive = _signal_group(process, "SIGTERM")
    while alive and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        alive = _signal_group(process, "SIGTERM")
    if alive:
        kill_group(process)


def _signal_group(process: subprocess.Popen[bytes], name: str) -> bool:
    """Send a signal to the process group; return whether there still is one."""
    if not hasattr(os, "killpg"):  # Windows, which has no groups: the process alone
        with suppress(OSError):
            process.terminate()
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.Signals[name])
        return True
    return False
