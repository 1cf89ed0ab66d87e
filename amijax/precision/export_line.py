"""The gradient's error and time with AMICI's JAX export (diffrax), for a work-precision diagram."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.audit.jax_export_process import is_installed
from amijax.audit.witness_process import hear
from amijax.objective import AmiciObjective
from amijax.precision.reference import Reference
from amijax.precision.values import Report, silent
from amijax.problems.problem import ProblemError
from amijax.problems.recipe import ProblemRecipe
from amijax.tuning.errors import gradient_error

# JAX compiles Boehm_JProteomeRes2014 for a minute; each gradient may take seconds.
TIME_LIMIT = 600.0
# Beyond, diffrax's steps are limited by rounding.
EXPORT_RTOLS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
_WHO = "AMICI's JAX export"


@dataclass(frozen=True)
class ExportPoint:
    """One setting of AMICI's JAX export.

    Attributes:
        rtol: diffrax's relative tolerance.
        atol: its absolute tolerance.
        error: of the gradient in norm (`amijax.tuning.errors.gradient_error`), not less than the
            reference's own uncertainty. Infinite where diffrax gave up.
        seconds: CPU time of the gradient, compiled before; the median of several where it is
            short. NaN where diffrax gave up.
    """

    rtol: float
    atol: float
    error: float
    seconds: float

    def __str__(self) -> str:
        return f"diffrax, Kvaerno5, rtol {self.rtol:g}, atol {self.atol:g}"


@dataclass(frozen=True)
class ExportLine:
    """What AMICI's JAX export gives at what cost.

    Attributes:
        points: from loose to tight tolerances; fewer than asked for where the time was up.
        export_seconds: what AMICI took to write the model for JAX, and JAX to load it.
        compile_seconds: what JAX took to trace and compile its gradient, once.
        missing: why points are missing, a sentence; empty if none is.
    """

    points: tuple[ExportPoint, ...]
    export_seconds: float
    compile_seconds: float
    missing: str


def export_line(
    objective: AmiciObjective,
    theta: ArrayLike,
    reference: Reference,
    *,
    rtols: Sequence[float] = EXPORT_RTOLS,
    time_limit: float = TIME_LIMIT,
    report: Report = silent,
) -> ExportLine:
    """Measure a gradient's error and time with AMICI's JAX export, in a process of its own.

    The solver, its step size control and its tolerances are those of AMICI's JAX export (Kvaerno5;
    atol equals rtol there, as it does by default), the gradient comes by forward differentiation,
    all entries at once. What can't be exported is a sentence in the result.

    Args:
        objective: the problem.
        theta: shape (n_parameters,), on the PEtab scale.
        reference: of llh and all gradient entries there.
        rtols: relative tolerances, from large to small.
        time_limit: seconds for all of it.
        report: called with the gradients measured and their number; what it raises ends it.

    Raises:
        ValueError: the reference is not of all gradient entries, or theta has the wrong shape.
    """
    theta = objective.problem.checked(theta)
    truth = reference.values.gradient
    if truth.shape != theta.shape:
        raise ValueError("The reference must have all entries of the gradient.")
    if not is_installed():
        return _nothing('AMICI\'s JAX export needs diffrax: pip install "amijax[audit]".')
    try:
        request = (ProblemRecipe.of(objective.problem), theta, tuple(rtols))
    except ProblemError as error:
        return _nothing(str(error))
    heard = hear(
        "amijax.precision.export_process", request, time_limit, _go_on(report, len(rtols)),
        {"JAX_ENABLE_X64": "1"},
    )  # fmt: skip
    prepared = next((line for line in heard.lines if "compile_seconds" in line), None)
    if prepared is None:
        return _nothing(heard.why_nothing(_WHO, time_limit))
    uncertainty = gradient_error(reference.looser.gradient, truth)
    points = []
    for line in (line for line in heard.lines if "rtol" in line):
        gradient = np.array(line["gradient"], dtype=float)
        finite = bool(np.isfinite(gradient).all())
        off = max(gradient_error(gradient, truth), uncertainty) if finite else np.inf
        seconds = line["seconds"] if finite else np.nan
        points.append(ExportPoint(line["rtol"], line["atol"], off, seconds))
    missing = heard.why_nothing(_WHO, time_limit) if len(points) < len(rtols) else ""
    return ExportLine(
        tuple(points), prepared["export_seconds"], prepared["compile_seconds"], missing
    )


def _go_on(report: Report, total: int) -> Callable[[], None]:
    """Called several times a second; a report is due once a second only."""
    last = time.monotonic()

    def go_on() -> None:
        nonlocal last
        if time.monotonic() - last > 1.0:
            last = time.monotonic()
            report(0, total)

    return go_on


def _nothing(why: str) -> ExportLine:
    return ExportLine((), np.nan, np.nan, why)
