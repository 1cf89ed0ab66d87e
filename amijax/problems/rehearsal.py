"""A first reading of an uploaded problem in a process of its own, which may hang or crash.

Formulas such as 9^9^9^9 never finish, and libSBML is a large parser in C++. What this process
survives is then done in ours.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import petab.v1 as petab
from petab.v1 import C
from petab.v1.lint import lint_problem
from petab.v1.math import sympify_petab

from amijax.problems.limits import BundleLimits
from amijax.problems.opening import open_problem, read_tables_and_model
from amijax.problems.problem import ProblemError
from amijax.processes import kill_group, start_module

_MAX_FINDINGS = 200


@dataclass(frozen=True)
class Finding:
    """Something that PEtab's linter has to say of a problem; it need not prevent its use."""

    severity: Literal["error", "warning"]
    message: str


def rehearse(yaml_path: Path, limits: BundleLimits) -> tuple[Finding, ...]:
    """Read, lint and prepare a problem in another process; return the linter's findings.

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
    return _findings(output, process.returncode)


def lint(problem: petab.Problem) -> tuple[Finding, ...]:
    """What PEtab's own linter says of a problem, as sentences."""
    collector = _Collector()
    logger = logging.getLogger("petab")
    before = logger.level, logger.propagate, _own_levels("petab.")
    for child in before[2]:
        child.setLevel(logging.NOTSET)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(collector)
    try:
        lint_problem(problem)
    except Exception as error:  # some of its checks raise instead of logging
        collector.add("error", str(error) or type(error).__name__)
    finally:
        logger.removeHandler(collector)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        for child, level in before[2].items():
            child.setLevel(level)
    return tuple(collector.findings)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.findings: list[Finding] = []

    def emit(self, record: logging.LogRecord) -> None:
        severity: Literal["error", "warning"] = (
            "error" if record.levelno >= logging.ERROR else "warning"
        )
        self.add(severity, record.getMessage())

    def add(self, severity: Literal["error", "warning"], message: str) -> None:
        message = " ".join(message.split())[:500]
        if message in ("Not OK", "Visualization table not available. Skipping."):
            return  # the sum of the others, and a table that we don't read
        finding = Finding(severity, message)
        if finding not in self.findings and len(self.findings) < _MAX_FINDINGS:
            self.findings.append(finding)


def _own_levels(prefix: str) -> dict[logging.Logger, int]:
    loggers = logging.root.manager.loggerDict.items()
    return {
        logger: logger.level
        for name, logger in loggers
        if name.startswith(prefix) and isinstance(logger, logging.Logger)
    }


def _findings(output: bytes, status: int) -> tuple[Finding, ...]:
    try:  # readers may print as well: the answer is the last line
        answer = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        raise ProblemError(
            "Reading the problem needs more time or memory than uploads get, or crashes the "
            f"readers of SBML and PEtab (status {status}); open it on your own machine."
        ) from None
    if "refused" in answer:
        raise ProblemError(answer["refused"])
    return tuple(Finding(**finding) for finding in answer["findings"])


def _limit_this_process(limits: BundleLimits) -> None:
    with suppress(ImportError):  # not on Windows, where only the time is limited
        import resource

        seconds = int(limits.check_seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":  # elsewhere addresses are no measure of memory
            resource.setrlimit(resource.RLIMIT_AS, (limits.check_bytes, limits.check_bytes))


def read_everything(yaml_path: Path, limits: BundleLimits) -> tuple[Finding, ...]:
    """All that is done with a problem's files before code is generated; return the findings.

    Raises:
        ProblemError: the problem can't be used.
    """
    findings = lint(read_tables_and_model(yaml_path, limits))
    problem = open_problem(yaml_path, "upload", limits=limits)
    for column in (C.OBSERVABLE_FORMULA, C.NOISE_FORMULA):
        for formula in problem.observables[column].unique():
            try:
                sympify_petab(formula)
            except Exception as error:  # its parser raises what it likes
                raise ProblemError(
                    f"{column} {str(formula)[:120]!r} is not a formula that PEtab allows: "
                    f"{str(error)[:200]}"
                ) from error
    return findings


def main(yaml_path: str, settings: str) -> None:
    """What the other process does."""
    limits = BundleLimits(**json.loads(settings))
    _limit_this_process(limits)
    warnings.simplefilter("ignore")
    answer: dict[str, Any]
    try:
        findings = read_everything(Path(yaml_path), limits)
        answer = {"findings": [asdict(finding) for finding in findings]}
    except ProblemError as error:
        answer = {"refused": str(error)}
    print(f"\n{json.dumps(answer)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
