"""AMICI's JAX export in a process of its own: JAX compiles for a minute, and the code is generated.

`python -m amijax.audit.jax_export_process REQUEST`, see `witness_process`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from amijax.audit.testimony import OutOfReachError, Testimony
from amijax.audit.witness_process import answer, hear, tell
from amijax.problems.problem import Problem, ProblemError
from amijax.problems.recipe import ProblemRecipe
from amijax.scales import FloatArray

TIME_LIMIT = 300.0  # seconds
_PACKAGES = ("jax", "diffrax", "equinox", "jaxtyping", "optimistix")
# Of the tight run and of the loose one: rtol, atol, least number of steps, growth of steps. Without
# the latter two a state that doesn't move takes the same few steps in both, and its gradient is 8 %
# off without a sign of it.
_TIGHT = (1e-10, 1e-14, 400, 1.2)
_LOOSE = (1e-9, 1e-13, 200, 1.4)
# The error of the tight run, relative to its distance from the loose one: on 44 small problems with
# known truth in the median 0.07, at most 0.9 for llh and 3.1 for entries (of 106); on Boehm,
# Borghans, Bruno, Crauste, Elowitz and Sneyd (93 entries, against AMICI at rtol 1e-12) at most 3.6.
# Models with kinks, where it was 10, are refused.
_MARGIN = 5.0
_ROUNDING = 1e-12  # relative; sums of many terms

type _Request = tuple[ProblemRecipe, FloatArray]


def is_installed() -> bool:
    """Whether what AMICI's JAX export needs is there."""
    return all(find_spec(name) is not None for name in _PACKAGES)


def jax_export_testimony(
    problem: Problem,
    theta: FloatArray,
    *,
    time_limit: float = TIME_LIMIT,
    go_on: Callable[[], None] = lambda: None,
) -> tuple[Testimony, Testimony]:
    """Log-likelihood and gradient (with respect to theta) by AMICI's JAX export.

    Args:
        problem: the problem.
        theta: shape (n_parameters,), on the PEtab scale.
        time_limit: seconds.
        go_on: called every now and then; what it raises ends it.
    """
    start = time.monotonic()

    def refuse(reason: str) -> tuple[Testimony, Testimony]:
        seconds = time.monotonic() - start
        return (
            Testimony.refusal("AMICI's JAX export", 1, reason, seconds),
            Testimony.refusal("AMICI's JAX export", len(theta), reason, seconds),
        )

    if not is_installed():
        return refuse('AMICI\'s JAX export needs diffrax: pip install "amijax[audit]".')
    try:
        request = (ProblemRecipe.of(problem), np.asarray(theta, dtype=np.float64))
    except ProblemError as error:
        return refuse(str(error))
    heard = hear(
        "amijax.audit.jax_export_process", request, time_limit, go_on, {"JAX_ENABLE_X64": "1"}
    )
    found = next((line for line in heard.lines if "llh" in line), None)
    if found is None:
        return refuse(heard.why_nothing("AMICI's JAX export", time_limit))
    seconds = time.monotonic() - start
    return (
        _testimony([found["llh"]], [found["llh_loose"]], seconds),
        _testimony(found["gradient"], found["gradient_loose"], seconds),
    )


def _testimony(tight_values: list[float], loose_values: list[float], seconds: float) -> Testimony:
    tight, loose = np.array(tight_values), np.array(loose_values)
    known = np.isfinite(tight) & np.isfinite(loose)
    size = max(1.0, float(np.abs(tight[known]).max(initial=0.0)))
    uncertainty = np.where(known, _MARGIN * np.abs(tight - loose) + _ROUNDING * size, np.inf)
    return Testimony("AMICI's JAX export", tight, uncertainty, "", 2, seconds)


def _testify(request: _Request) -> None:
    from amijax.audit.jax_export import ExportedProblem

    recipe, theta = request
    with tempfile.TemporaryDirectory() as folder:
        try:
            exported = ExportedProblem(recipe.open(), Path(folder))
            llh, gradient = exported.llh_and_gradient(theta, *_TIGHT)
            llh_loose, gradient_loose = exported.llh_and_gradient(theta, *_LOOSE)
        except (OutOfReachError, ProblemError) as error:
            tell({"reason": f"AMICI's JAX export can't testify: {error}"})
            return
    tell(
        {
            "llh": llh, "gradient": gradient.tolist(),
            "llh_loose": llh_loose, "gradient_loose": gradient_loose.tolist(),
        }
    )  # fmt: skip


if __name__ == "__main__":
    answer(_testify)
