"""A first reading of an uploaded problem in a process of its own, which may hang or crash.

Formulas such as 9^9^9^9 never finish, and libSBML is a large parser in C++. What this process
survives is then done in ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from amijax.problems.limits import BundleLimits
from amijax.problems.opening import open_problem
from amijax.problems.problem import ProblemError
from amijax.processes import kill_group, start_module


def rehearse(yaml_path: Path, limits: BundleLimits) -> None:
    """Open a problem in another process.

    Args:
        yaml_path: the problem, its files scanned already.
        limits: how much time and memory that may take.

    Raises:
        ProblemError: the problem can't be read, or the process did not survive it.
    """
    with start_module(
        __name__,
        str(yaml_path),
        json.dumps(asdict(limits)),
        # Each thread of a linear algebra library would take from the memory that is allowed.
        environment={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limits.check_seconds)
        except subprocess.TimeoutExpired:
            raise ProblemError(
                f"Reading and checking the problem took more than {limits.check_seconds:g} s and "
                "was stopped; simplify its formulas or open it on your own machine."
            ) from None
        finally:
            if process.poll() is None:
                kill_group(process)
    _hear(output, process.returncode)


def _hear(output: bytes, status: int) -> None:
    try:  # readers may print as well: the answer is the last line
        refused = json.loads(output.splitlines()[-1])["refused"]
    except (ValueError, LookupError, TypeError):
        raise ProblemError(
            "Reading the problem needs more time or memory than uploads get, or crashes the "
            f"readers of SBML and PEtab (status {status}); open it on your own machine."
        ) from None
    if refused is not None:
        raise ProblemError(refused)


def _limit_this_process(limits: BundleLimits) -> None:
    with suppress(ImportError):  # not on Windows, where only the time is limited
        import resource

        seconds = int(limits.check_seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":  # elsewhere addresses are no measure of memory
            resource.setrlimit(resource.RLIMIT_AS, (limits.check_bytes, limits.check_bytes))


def read_everything(yaml_path: Path, limits: BundleLimits) -> None:
    """All that is done with a problem's files before code is generated.

    Raises:
        ProblemError: the problem can't be used.
    """
    open_problem(yaml_path, "upload", limits=limits)


def main(yaml_path: str, settings: str) -> None:
    """What the other process does."""
    limits = BundleLimits(**json.loads(settings))
    _limit_this_process(limits)
    warnings.simplefilter("ignore")
    refused = None
    try:
        read_everything(Path(yaml_path), limits)
    except ProblemError as error:
        refused = str(error)
    print(f"\n{json.dumps({'refused': refused})}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
