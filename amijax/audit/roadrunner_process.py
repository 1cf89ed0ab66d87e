"""libRoadRunner in a process of its own, which prints a line for each point as soon as it is there.

`python -m amijax.audit.roadrunner_process REQUEST`, see `witness_process`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import ArrayLike

from amijax.audit.testimony import OutOfReachError, Testimony
from amijax.audit.witness_process import TIME_LIMIT, answer, hear, tell
from amijax.differences import directional_derivatives
from amijax.problems.problem import Problem, ProblemError
from amijax.problems.recipe import ProblemRecipe
from amijax.scales import FloatArray

# Tolerances, the tightest first; those of the second run are ten times as large.
_TOLERANCES = ((1e-11, 1e-16), (1e-10, 1e-14), (1e-9, 1e-12), (1e-8, 1e-10))
_LOOSER = 10.0
# The error of the tight run, relative to its distance from the looser one: on 100 problems with
# known truth at most 2.8, in the median 0.3.
_MARGIN = 5.0
_ROUNDING = 1e-12  # relative; sums of many terms

type _Request = tuple[ProblemRecipe, FloatArray, float]  # and points, and `quick`


def is_installed() -> bool:
    """Whether libRoadRunner is there."""
    return find_spec("roadrunner") is not None


def roadrunner_testimony(
    problem: Problem,
    thetas: ArrayLike,
    *,
    quick: float = np.inf,
    time_limit: float = TIME_LIMIT,
    go_on: Callable[[], None] = lambda: None,
) -> Testimony:
    """The log-likelihood at some points by libRoadRunner, simulated from the user's SBML.

    Args:
        problem: the problem.
        thetas: shape (n, n_parameters), on the PEtab scale. The uncertainty is that of the first.
        quick: the others are simulated if the first took no more seconds than this.
        time_limit: seconds for all points; those that are not there by then are NaN.
        go_on: called every now and then; what it raises ends it.
    """
    points = np.array(thetas, dtype=np.float64)
    n = len(points)
    start = time.monotonic()

    def refuse(reason: str) -> Testimony:
        return Testimony.refusal("libRoadRunner", n, reason, time.monotonic() - start)

    if not is_installed():
        return refuse('libRoadRunner is not installed: pip install "amijax[audit]".')
    try:
        request = (ProblemRecipe.of(problem), points, quick)
    except ProblemError as error:
        return refuse(str(error))
    heard = hear("amijax.audit.roadrunner_process", request, time_limit, go_on)
    values, uncertainty = np.full(n, np.nan), np.full(n, np.inf)
    for i, line in enumerate(heard.lines[:n]):
        if "llh" in line:
            values[i] = line["llh"]
            uncertainty[0] = line.get("uncertainty", uncertainty[0])
    if not np.isfinite(values).any():
        return refuse(heard.why_nothing("libRoadRunner", time_limit))
    uncertainty[1:] = np.where(np.isfinite(values[1:]), uncertainty[0], np.inf)
    seconds = time.monotonic() - start
    return Testimony("libRoadRunner", values, uncertainty, "", n + 1, seconds)


def roadrunner_differences(
    problem: Problem,
    theta: FloatArray,
    directions: FloatArray,
    *,
    quick: float,
    time_limit: float = TIME_LIMIT,
    go_on: Callable[[], None] = lambda: None,
) -> tuple[Testimony, Testimony]:
    """Llh at a point, and its derivatives along directions, by libRoadRunner.

    Args:
        problem: the problem.
        theta: shape (n_parameters,), on the PEtab scale.
        directions: shape (m, n_parameters); steps are fractions of them.
        quick: derivatives are computed if llh took no more seconds than this.
        time_limit: seconds for all.
        go_on: called every now and then; what it raises ends it.
    """
    asked: list[Testimony] = []

    def llhs(points: FloatArray) -> FloatArray:
        testimony = roadrunner_testimony(
            problem, points, quick=quick, time_limit=time_limit, go_on=go_on
        )
        asked.append(testimony)
        return testimony.values

    m = len(directions)
    if not m:
        llhs(theta[None])
        return asked[0], Testimony.refusal("libRoadRunner", 0, "no direction was asked for.")
    found = directional_derivatives(llhs, theta, directions)
    first = asked[0]
    if first.reason:
        return first, Testimony.refusal("libRoadRunner", m, first.reason, first.seconds)
    llh = Testimony(first.witness, first.values[:1], first.uncertainty[:1], "", 2, first.seconds)
    seconds = sum(testimony.seconds for testimony in asked)
    return llh, Testimony(
        "libRoadRunner", found.values, found.uncertainty, "", found.evaluations, seconds
    )


def _testify(request: _Request) -> None:
    from amijax.audit.roadrunner import RoadRunnerProblem
    from amijax.audit.roadrunner_experiments import ExperimentsProblem

    try:
        recipe, points, quick = request
        opened = recipe.open()
        kind = RoadRunnerProblem if opened.petab_version == "1" else ExperimentsProblem
        problem = kind(opened)
        start = time.perf_counter()
        llh, uncertainty, tolerances = _measure(problem.llh, points[0])
        tell({"llh": llh, "uncertainty": uncertainty})
        if time.perf_counter() - start > quick:
            return
        for theta in points[1:]:
            tell({"llh": _or_nan(problem.llh, theta, tolerances)})
    except OutOfReachError as error:
        tell({"reason": f"libRoadRunner can't testify: {error}"})


def _measure(
    llh: Callable[[FloatArray, float, float], float], theta: FloatArray
) -> tuple[float, float, tuple[float, float]]:
    """Llh at the tightest tolerances that work, and how far it may be off, and these tolerances."""
    for k, (rtol, atol) in enumerate(_TOLERANCES):
        try:
            tight = llh(theta, rtol, atol)
            loose = llh(theta, _LOOSER * rtol, _LOOSER * atol)
        except OutOfReachError:
            if k == len(_TOLERANCES) - 1:
                raise
            continue
        uncertainty = _MARGIN * abs(tight - loose) + _ROUNDING * max(1.0, abs(tight))
        return tight, uncertainty, (rtol, atol)
    raise AssertionError("the last tolerances return or raise")


def _or_nan(
    llh: Callable[[FloatArray, float, float], float],
    theta: FloatArray,
    tolerances: tuple[float, float],
) -> float:
    try:
        return llh(theta, *tolerances)
    except OutOfReachError:
        return np.nan


if __name__ == "__main__":
    answer(_testify)
