"""The pieces of a precision study: what each one needs, how it is computed, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from amijax.audit.audit import Entries
from amijax.audit.jobs import audited, stored_audit
from amijax.audit.record import Audit
from amijax.objective import AmiciObjective
from amijax.precision.bits import FORMATS, MANTISSA_BITS, BitSweep, bit_sweep
from amijax.precision.budget import ErrorBudget, error_budget
from amijax.precision.curvature import PredictedError, predict_error
from amijax.precision.export_line import ExportLine, export_line
from amijax.precision.noise import SAMPLES, NoiseFloor, noise_floor
from amijax.precision.reference import Reference, find_reference
from amijax.precision.tolerances import RTOLS, ToleranceSweep, tolerance_sweep
from amijax.precision.values import Report
from amijax.precision.work_precision import WorkPrecision, work_precision
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings
from amijax.tuning.found import tuning_behind

PieceName = Literal[
    "budget", "reference", "audit", "noise", "bits", "tolerances", "curvature", "work", "export"
]

# Time of an evaluation at rtol 1e-13, relative to the default: 2 to 5, and up to 20 for some.
_TIGHT = 5.0


@dataclass(frozen=True, eq=False)
class StudyInputs:
    """What a piece is computed from.

    Attributes:
        objective: the problem and the solver settings in question.
        chosen: the same with the gradient of the chosen parameters alone.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: where the chosen parameters are in theta.
        results: the pieces that are there, all that this one needs among them.
        report: to be called with the evaluations done and their total.
    """

    objective: AmiciObjective
    chosen: AmiciObjective
    theta: FloatArray
    positions: np.ndarray
    results: Mapping[PieceName, Any]
    report: Report


@dataclass(frozen=True)
class Durations:
    """What a forecast is made of, in seconds.

    Attributes:
        one: an evaluation for the chosen parameters.
        in_batch: the same as one of many, which share the cores.
        full_in_batch: an evaluation for all parameters, as one of many.
        llh_in_batch: an evaluation without gradient, as one of many.
        n_parameters: the number of all parameters.
        n_chosen: the number of chosen ones.
    """

    one: float
    in_batch: float
    full_in_batch: float
    llh_in_batch: float
    n_parameters: int
    n_chosen: int


@dataclass(frozen=True)
class Piece:
    """A piece of a study.

    Attributes:
        name: what it is called, and the attribute of `Study` that holds it.
        type: what it is when it is there.
        compute: makes it; None where there is no result.
        forecast: seconds that it takes, roughly.
        needs: the pieces that it is computed from.
    """

    name: PieceName
    type: type
    compute: Callable[[StudyInputs], Any]
    forecast: Callable[[Durations], float]
    needs: tuple[PieceName, ...] = ()


def _audit(given: StudyInputs) -> Audit:
    ids = given.objective.problem.parameter_ids
    chosen = [ids[i] for i in given.positions]
    entries: Entries = "all" if len(chosen) == len(ids) else chosen
    # The page Audit may have asked for the same before, with a witness that takes its time.
    audit = (
        stored_audit(given.objective, given.theta, entries)
        or stored_audit(given.objective, given.theta, entries, jax_export=False)
        or audited(
            given.objective, given.theta, entries, jax_export=False,
            go_on=lambda: given.report(0, 1),
        )
    )  # fmt: skip
    given.report(1, 1)
    return audit


def _sweep_tolerances(given: StudyInputs) -> ToleranceSweep:
    return tolerance_sweep(
        given.chosen, given.theta, given.positions, given.results["reference"], given.report
    )


def _predict_error(given: StudyInputs) -> PredictedError | None:
    budget, noise, reference = (given.results[n] for n in ("budget", "noise", "reference"))
    return predict_error(
        given.objective, given.theta, given.positions, budget, noise, reference, given.report
    )


def _work(given: StudyInputs) -> WorkPrecision:
    solver = given.objective.solver
    defaults = SolverSettings(sensitivities=solver.sensitivities, time_limit=solver.time_limit)
    marked = {"AMICI's defaults": defaults}
    if solver != defaults:
        found = tuning_behind(given.objective)
        name = "settings in use" if found is None else f"settings for {found.asked:g} digits"
        marked[name] = solver
    return work_precision(
        given.objective, given.theta, given.results["reference"], marked=marked,
        report=given.report,
    )  # fmt: skip


# In the order in which they are computed.
PIECES: dict[PieceName, Piece] = {
    piece.name: piece
    for piece in (
        Piece(
            "budget",
            ErrorBudget,
            lambda given: error_budget(given.chosen, given.theta, given.positions, given.report),
            lambda seconds: 5 * seconds.one + 0.2,  # and JAX's compilation
        ),
        Piece(
            "reference",
            Reference,
            lambda given: find_reference(given.chosen, given.theta, given.positions, given.report),
            lambda seconds: (1 + 2 * _TIGHT) * seconds.one,
        ),
        Piece(
            "audit",
            Audit,
            _audit,
            # Value-only simulations, which cost less than a gradient, and libRoadRunner.
            lambda seconds: seconds.n_chosen * 8 * _TIGHT * seconds.llh_in_batch + 3.0,
        ),
        Piece(
            "noise",
            NoiseFloor,
            lambda given: noise_floor(given.chosen, given.theta, given.positions, given.report),
            lambda seconds: SAMPLES * seconds.in_batch,
        ),
        Piece(
            "bits",
            BitSweep,
            lambda given: bit_sweep(given.chosen, given.theta, given.positions, given.report),
            lambda seconds: (len(MANTISSA_BITS) + len(FORMATS)) * seconds.in_batch + 0.5,
        ),
        Piece(
            "tolerances",
            ToleranceSweep,
            _sweep_tolerances,
            lambda seconds: 2 * len(RTOLS) * seconds.one * (1 + _TIGHT) / 2,
            needs=("reference",),
        ),
        Piece(
            "curvature",
            PredictedError,
            _predict_error,
            lambda seconds: (
                (2 * seconds.n_parameters * seconds.in_batch + seconds.full_in_batch) * _TIGHT
            ),
            needs=("budget", "noise", "reference"),
        ),
        Piece(
            "work",
            WorkPrecision,
            _work,
            # Three ways to forward sensitivities, and adjoint ones, which may take longer.
            lambda seconds: 5 * len(RTOLS) * seconds.one * (1 + _TIGHT) / 2,
            needs=("reference",),
        ),
        Piece(
            "export",
            ExportLine,
            lambda given: export_line(
                given.objective, given.theta, given.results["reference"], report=given.report
            ),
            # JAX's compilation and diffrax's time have little to do with AMICI's. Measured: Boehm
            # and Elowitz 15 s, Sneyd 21 s, Crauste 25 s, Bruno 27 s.
            lambda seconds: 10.0 + 0.5 * seconds.n_parameters + 100 * seconds.one,
            needs=("reference",),
        ),
    )
}
# Those that a study has unless it is asked for others: compiling AMICI's JAX export takes long.
PIECE_NAMES: tuple[PieceName, ...] = tuple(name for name in PIECES if name != "export")


def with_needs(names: Sequence[PieceName]) -> tuple[PieceName, ...]:
    """Pieces with all that they need, in the order in which they are computed."""
    every = {need for name in names for need in (name, *PIECES[name].needs)}
    return tuple(name for name in PIECES if name in every)


def forecast(
    objective: AmiciObjective,
    evaluation: Evaluation,
    n_chosen: int,
    taken: Mapping[str, float] | None = None,
    *,
    audit: Audit | None = None,
) -> dict[PieceName, float]:
    """Seconds that each piece will take, roughly.

    What has run so far corrects the rest: next to theta a model may be far harder than at it
    (Crauste_CellSystems2017), and others may use the machine.

    Args:
        objective: the problem and its solver settings.
        evaluation: of its full gradient, for its duration.
        n_chosen: number of chosen parameters.
        taken: seconds that finished pieces took, by name.
        audit: one of the gradient as a whole at this point, if there is one: going through the
            entries takes at least as long.
    """
    n = objective.problem.n_parameters
    # Measured for Bachmann_MSB2011, Raia_CancerResearch2011 and Zheng_PNAS2012: the share of the
    # time grows more slowly than the share of the sensitivities, within 1.6 times like this.
    share = math.sqrt((1 + n_chosen) / (1 + n))
    # On a busy machine the wall time of the one evaluation is mostly that of others; with several
    # threads AMICI's CPU time is the longer one.
    one = min(evaluation.wall_seconds, evaluation.cpu_seconds)
    seconds = Durations(
        one=one * share,
        in_batch=evaluation.cpu_seconds * share / objective.batch_threads,
        full_in_batch=evaluation.cpu_seconds / objective.batch_threads,
        llh_in_batch=evaluation.cpu_seconds / objective.batch_threads / math.sqrt(1 + n),
        n_parameters=n,
        n_chosen=n_chosen,
    )
    expected = {name: piece.forecast(seconds) for name, piece in PIECES.items()}
    if audit is not None:
        expected["audit"] = max(expected["audit"], audit.seconds)
    done = {name: taken[name] for name in expected if taken and name in taken}
    slower = sum(done.values()) / sum(expected[name] for name in done) if done else 1.0
    return {name: done.get(name, slower * expected[name]) for name in expected}
