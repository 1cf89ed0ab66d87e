"""Witnesses that testify through AMICI's llh: finite differences, and the other sensitivities."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from amijax.audit.testimony import Testimony
from amijax.differences import FEW_STAGES, STAGES, directional_derivatives
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.simulation.settings import Sensitivities, SolverSettings

_MAX_STEPS = 1_000_000
_RTOL = 1e-12
_ATOLS = (1e-16, 1e-12, 1e-10, 1e-8)
# Time for one tight simulation, relative to one at the settings in question.
_ALLOWANCE, _LEAST_ALLOWANCE = 30.0, 2.0
_NEARBY, _LEAST_NEARBY = 30.0, 0.2
# Of a difference between two tolerances ten times apart, for the error of the tighter.
_MARGIN = 2.0

type GoOn = Callable[[], None]


def tight_objective(
    objective: AmiciObjective, theta: FloatArray, seconds: float
) -> AmiciObjective | None:
    """The objective at the tightest tolerances that work in reasonable time; None without any.

    Args:
        objective: the problem and its settings.
        theta: where, shape (n_parameters,), on the PEtab scale.
        seconds: that AMICI's llh took at these settings.
    """
    limit = max(_ALLOWANCE * seconds, _LEAST_ALLOWANCE)
    for settings in _candidates(objective.solver):
        tight = objective.with_solver(replace(settings, time_limit=limit))
        evaluation = tight.evaluate_batch([theta], gradient=False)[0]
        if evaluation.failure is None:
            # Next to theta a model may be far harder (Crauste_CellSystems2017): such points are
            # given up soon.
            nearby = max(_NEARBY * evaluation.cpu_seconds, _LEAST_NEARBY)
            return tight.with_solver(replace(settings, time_limit=min(nearby, limit)))
    return None


def _candidates(base: SolverSettings) -> Iterator[SolverSettings]:
    rtol = min(_RTOL, base.rtol)
    for atol in sorted({min(base.atol, _ATOLS[0]), *_ATOLS}):
        yield base.at(rtol, atol, max_steps=max(base.max_steps, _MAX_STEPS))
    for wider in (1e-11, 1e-10):
        if wider < base.rtol:
            yield base.at(wider, max(base.atol, 1e-12), max_steps=max(base.max_steps, _MAX_STEPS))


def finite_differences(
    tight: AmiciObjective,
    theta: FloatArray,
    directions: FloatArray,
    go_on: GoOn,
    *,
    few: bool = False,
    enough: float | None = None,
) -> Testimony:
    """Derivatives of AMICI's llh along directions, from simulations without sensitivities.

    Sensitivities would change the solver's steps, and nothing of them is needed.

    Args:
        tight: from `tight_objective`.
        theta: shape (n_parameters,), on the PEtab scale.
        directions: shape (m, n_parameters); steps are fractions of them.
        go_on: called every now and then; what it raises ends it.
        few: with the fewest simulations that give some three digits, where they do.
        enough: relative uncertainty that ends a direction; if not given, 1e-3 or 1e-4.
    """
    start = time.perf_counter()

    def llhs(points: FloatArray) -> FloatArray:
        evaluations = tight.evaluate_batch(points, gradient=False, on_chunk=lambda _: go_on())
        return np.array([evaluation.llh for evaluation in evaluations])

    sharp, stages = (1e-3, FEW_STAGES) if few else (1e-4, STAGES)
    found = directional_derivatives(
        llhs, theta, directions, sharp if enough is None else enough, stages
    )
    return Testimony(
        "finite differences",
        found.values,
        found.uncertainty,
        "",
        found.evaluations,
        time.perf_counter() - start,
    )


def tight_gradient(
    tight: AmiciObjective, theta: FloatArray, time_limit: float, go_on: GoOn
) -> Testimony:
    """AMICI's own gradient at tight tolerances: it may contradict, but confirms nothing.

    Args:
        tight: from `tight_objective`.
        theta: shape (n_parameters,), on the PEtab scale.
        time_limit: seconds for one simulation.
        go_on: called every now and then; what it raises ends it.
    """
    start = time.perf_counter()
    settings = replace(tight.solver, time_limit=time_limit)
    looser = settings.looser(10.0)
    gradients = []
    for each in (settings, looser):
        objective = tight.with_solver(each)
        evaluation = objective.evaluate_batch([theta], on_chunk=lambda _: go_on())[0]
        if evaluation.failure is not None or evaluation.gradient is None:
            reason = f"AMICI's gradient at tight tolerances failed: {evaluation.failure}"
            n = objective.problem.n_parameters
            return Testimony.refusal("tight tolerances", n, reason, time.perf_counter() - start)
        gradients.append(evaluation.gradient)
    uncertainty = _MARGIN * np.abs(gradients[0] - gradients[1])
    seconds = time.perf_counter() - start
    return Testimony("tight tolerances", gradients[0], uncertainty, "", 2, seconds)


def other_sensitivities(
    objective: AmiciObjective, theta: FloatArray, time_limit: float, go_on: GoOn
) -> Testimony:
    """The gradient by the other kind of sensitivities: adjoint against forward.

    They share the model's derivatives, so what both get wrong stays unseen: this one may raise
    doubts, but confirms nothing.

    Args:
        objective: the problem and its settings.
        theta: shape (n_parameters,), on the PEtab scale.
        time_limit: seconds for one simulation.
        go_on: called every now and then; what it raises ends it.
    """
    start = time.perf_counter()
    n = objective.problem.n_parameters
    is_adjoint = objective.solver.sensitivities == "adjoint"
    other: Sensitivities = "forward" if is_adjoint else "adjoint"
    own = objective.solver
    settings = own.at(
        own.rtol, own.atol, sensitivities=other, time_limit=time_limit,
        max_steps=max(own.max_steps, 100_000),
    )  # fmt: skip
    looser = settings.looser(10.0)
    gradients = []
    for each in (settings, looser):
        go_on()
        evaluation = objective.with_solver(each).evaluate(theta)
        if evaluation.failure is not None or evaluation.gradient is None:
            return Testimony.refusal(
                "other sensitivities", n, f"{other} sensitivities failed: {evaluation.failure}",
                time.perf_counter() - start,
            )  # fmt: skip
        gradients.append(evaluation.gradient)
    return Testimony(
        "other sensitivities",
        gradients[0],
        _MARGIN * np.abs(gradients[0] - gradients[1]),
        "",
        2,
        time.perf_counter() - start,
    )
