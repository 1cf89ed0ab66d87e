"""AMICI's JAX export along its tolerances, in a process of its own.

`python -m amijax.precision.export_process REQUEST`, see `amijax.audit.witness_process`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from amijax.audit.testimony import OutOfReachError
from amijax.audit.witness_process import answer, tell
from amijax.problems.problem import ProblemError
from amijax.problems.recipe import ProblemRecipe
from amijax.scales import FloatArray

_REPEATS = 3
_REPEAT_BELOW = 0.3  # seconds; shorter gradients are timed several times
# The step size control of the export as it is: the longest step is all of the time course, and
# steps grow tenfold at most, diffrax's default.
_CONTROL = (1, 10.0)

type _Request = tuple[ProblemRecipe, FloatArray, tuple[float, ...]]


def _measure(request: _Request) -> None:
    from amijax.audit.jax_export import ExportedProblem

    recipe, theta, rtols = request
    with tempfile.TemporaryDirectory() as folder:
        try:
            start = time.perf_counter()
            exported = ExportedProblem(recipe.open(), Path(folder))
            export_seconds = time.perf_counter() - start
            compile_seconds = exported.compile(theta)
        except (OutOfReachError, ProblemError) as error:
            tell({"reason": f"AMICI's JAX export can't simulate this problem: {error}"})
            return
        tell({"export_seconds": export_seconds, "compile_seconds": compile_seconds})
        for rtol in rtols:
            tell({"rtol": rtol, "atol": rtol, **_gradient(exported, theta, rtol)})


def _gradient(exported: object, theta: FloatArray, rtol: float) -> dict[str, object]:
    from amijax.audit.jax_export import ExportedProblem

    assert isinstance(exported, ExportedProblem)
    seconds: list[float] = []
    while len(seconds) < _REPEATS:
        start = time.process_time()
        try:
            _, gradient = exported.llh_and_gradient(theta, rtol, rtol, *_CONTROL)
        except OutOfReachError:
            gradient = np.full(len(theta), np.nan)
        seconds.append(time.process_time() - start)
        if seconds[0] > _REPEAT_BELOW:
            break
    return {"gradient": gradient.tolist(), "seconds": statistics.median(seconds)}


if __name__ == "__main__":
    answer(_measure)
