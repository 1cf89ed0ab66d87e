"""Workers in processes of their own, stopped when they take too long or too much memory."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_PATH = [str(Path(__file__).parents[i]) for i in (1, 3)]  # folders of `peers` and of `amijax`
_POLL = 0.2  # seconds


def run_worker(request: dict, timeout: float, memory_gb: float) -> tuple[list[dict], str | None]:
    """Run a worker and return its events and, if it did not end well, why.

    Args:
        request: as `peers.worker` takes it.
        timeout: seconds for all of it.
        memory_gb: resident memory that it may take (known on Linux only).
    """
    with tempfile.TemporaryDirectory() as folder:
        events, log = Path(folder) / "events", Path(folder) / "log"
        events.touch()
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "peers.worker", json.dumps(request), str(events)],
                stdout=stream,
                stderr=stream,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([*_PATH, *_inherited()])},
                start_new_session=True,
            )
            ended_badly = _watch(process, timeout, memory_gb)
        if ended_badly is None and process.returncode != 0:
            ended_badly = _last_words(process.returncode, log.read_text(errors="replace"))
        # A killed process may have left half a line.
        lines = events.read_text().rsplit("\n", 1)[0].splitlines()
        return [json.loads(line) for line in lines], ended_badly


def _inherited() -> list[str]:
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _watch(process: subprocess.Popen, timeout: float, memory_gb: float) -> str | None:
    """Wait for the process; why it was killed, None if it ended by itself."""
    end = time.monotonic() + timeout
    try:
        while process.poll() is None:
            if time.monotonic() > end:
                return f"stopped after {timeout:g} s"
            if _resident_gb(process.pid) > memory_gb:
                return f"stopped at {memory_gb:g} GB of memory"
            time.sleep(_POLL)
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _resident_gb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _last_words(code: int, log: str) -> str:
    if code < 0:
        return f"ended by signal {signal.Signals(-code).name}"
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1][:160] if lines else f"ended with code {code}"
