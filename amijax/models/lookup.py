"""From a PEtab problem to its compiled AMICI model, out of the cache or freshly built."""

from __future__ import annotations

import time
from collections.abc import Callable

from amijax.models.cache import CompiledModel, DamagedModelError, find_entry
from amijax.models.compilation import CompileError, CompileFailure, CompileProgress, start_compile
from amijax.models.source import model_source
from amijax.problems import Problem

__all__ = [
    "CompileError",
    "CompiledModel",
    "DamagedModelError",
    "find_model",
    "get_model",
    "model_key",
]

_POLL_SECONDS = 0.2


def model_key(problem: Problem) -> str:
    """Hex digest of what the code generator gets to see of a problem, and of the versions of
    AMICI, Python and our code generation. Names don't count: they are never compiled.

    Raises:
        ProblemError: the problem holds something that must not reach the code generator.
    """
    return model_source(problem).key


def find_model(problem: Problem) -> CompiledModel | None:
    """The compiled model if the cache has it whole and undamaged, else None.

    Raises:
        ProblemError: as `model_key`.
    """
    return find_entry(model_key(problem))


def get_model(
    problem: Problem,
    on_progress: Callable[[CompileProgress], None] | None = None,
    timeout: float | None = None,
) -> CompiledModel:
    """The compiled model; waits for its build if the cache doesn't have it.

    Args:
        problem: the problem.
        on_progress: called with the state of the build, several times a second.
        timeout: seconds to wait at most; the build goes on when they have passed.

    Raises:
        ProblemError: as `model_key`.
        CompileError: the build failed, was cancelled, or didn't end in time.
    """
    if (model := find_model(problem)) is not None:
        return model
    job = start_compile(problem)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _POLL_SECONDS if deadline is None else deadline - time.monotonic()
        progress = job.wait(max(0.0, min(_POLL_SECONDS, left)))
        if on_progress is not None:
            on_progress(progress)
        if progress.is_over:
            break
        if left <= 0:
            raise CompileError(
                CompileFailure(
                    f"The model of {problem.problem_id} was not compiled within {timeout:g} s.",
                    "The compile goes on: try again in a while, or wait longer.",
                    progress.log_tail,
                )
            )
    if job.failure is not None:
        raise CompileError(job.failure)
    if (model := find_model(problem)) is None:
        raise CompileError(
            CompileFailure(
                f"The compiled model of {problem.problem_id} vanished from the cache.",
                "Try again; see that nothing else empties the cache folder.",
                progress.log_tail,
            )
        )
    return model
