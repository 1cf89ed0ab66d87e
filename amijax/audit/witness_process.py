"""A witness in a process of its own: it may crash, hang or take its time there.

The process reads a pickled request, which this package wrote, and prints lines of JSON.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from amijax.background import be_nice
from amijax.processes import kill_group, start_module

TIME_LIMIT = 120.0  # seconds
_POLL_SECONDS = 0.1

type Line = Mapping[str, Any]


class Heard(NamedTuple):
    """What a witness's process printed.

    Attributes:
        lines: in order.
        status: its exit status; None if its time was up.
    """

    lines: list[Line]
    status: int | None

    def why_nothing(self, who: str, time_limit: float) -> str:
        """Why there is no number, a sentence.

        Args:
            who: the witness.
            time_limit: seconds that it had.
        """
        reasons = [str(line["reason"]) for line in self.lines if "reason" in line]
        if reasons:
            return reasons[-1]
        if self.status is None:
            return f"{who} took more than {time_limit:g} s."
        return f"{who}'s process ended with status {self.status}."


def hear(
    module: str,
    request: object,
    time_limit: float,
    go_on: Callable[[], None],
    environment: Mapping[str, str] | None = None,
) -> Heard:
    """Run a witness until it ends or its time is up.

    Args:
        module: which calls `answer` when it is run.
        request: anything that can be pickled.
        time_limit: seconds.
        go_on: called every now and then; what it raises ends it.
        environment: variables besides this process's own.
    """
    with tempfile.TemporaryDirectory(prefix="amijax-audit-") as folder:
        path = Path(folder) / "request"
        path.write_bytes(pickle.dumps(request))
        process = start_module(
            module, str(path), environment={"TMPDIR": folder, **(environment or {})},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        output: list[bytes] = []
        reader = threading.Thread(
            target=lambda: output.extend(process.stdout or ()), name="audit witness", daemon=True
        )
        reader.start()
        end = time.monotonic() + time_limit
        status: int | None = None
        try:
            while reader.is_alive() and time.monotonic() < end:
                go_on()
                reader.join(_POLL_SECONDS)
            if not reader.is_alive():
                status = process.wait()
        finally:
            kill_group(process)
            process.wait()
            reader.join()
            process.stdout.close()
    lines = []
    for line in output:
        with suppress(ValueError):
            lines.append(json.loads(line))
    return Heard(lines, status)


def answer(testify: Callable[[Any], None]) -> None:
    """What a witness's process does.

    Args:
        testify: given the request; it tells what it finds.
    """
    be_nice()
    testify(pickle.loads(Path(sys.argv[1]).read_bytes()))


def tell(line: Line) -> None:
    """Print a line for the process that asked."""
    print(json.dumps(line), flush=True)  # noqa: T201 - the process's output
