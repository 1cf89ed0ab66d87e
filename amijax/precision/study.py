"""A precision study of a problem at a point: all panels, piece by piece, and what they cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.bits import FORMATS, MANTISSA_BITS, BitSweep, bit_sweep
from amijax.precision.budget import ErrorBudget, error_budget
from amijax.precision.curvature import PredictedError, predict_error
from amijax.precision.noise import SAMPLES, NoiseFloor, noise_floor
from amijax.precision.reference import Reference, find_reference
from amijax.precision.store import PieceStore
from amijax.precision.tolerances import RTOLS, ToleranceSweep, tolerance_sweep
from amijax.precision.values import Report
from amijax.precision.verdicts import LIMITS, QuantityPrecision, verdicts
from amijax.scales import FloatArray, Scale
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings

Piece = Literal["budget", "reference", "noise", "bits", "tolerances", "curvature"]
PIECES: tuple[Piece, ...] = get_args(Piece)
NEEDS: dict[Piece, tuple[Piece, ...]] = {
    "budget": (),
    "reference": (),
    "noise": (),
    "bits": (),
    "tolerances": ("reference",),
    "curvature": ("budget", "noise", "reference"),
}
# Called with the piece under way, its evaluations done, and their total.
Progress = Callable[[Piece, int, int], None]

# Time of an evaluation at rtol 1e-13, relative to the default: 2 to 5, and up to 20 for some.
_TIGHT = 5.0


@dataclass(frozen=True, eq=False)
class Study:
    """Where the digits of llh and gradient go, at one point.

    Attributes:
        problem_id: the problem.
        parameter_ids: the chosen parameters, whose gradient entries are studied.
        scales: their PEtab scales.
        positions: where they are in theta.
        theta: the point, all of it, on the PEtab scale.
        solver: the settings whose precision is in question.
        budget, reference, noise, bits, tolerances, curvature: the pieces; None where one was
            not asked for, or not computed yet.
        impossible: pieces that have no result, since something that they need has none.
        seconds: what each piece took when it was computed.
    """

    problem_id: str
    parameter_ids: tuple[str, ...]
    scales: tuple[Scale, ...]
    positions: tuple[int, ...]
    theta: FloatArray
    solver: SolverSettings
    budget: ErrorBudget | None = None
    reference: Reference | None = None
    noise: NoiseFloor | None = None
    bits: BitSweep | None = None
    tolerances: ToleranceSweep | None = None
    curvature: PredictedError | None = None
    impossible: tuple[Piece, ...] = ()
    seconds: dict[str, float] | None = None

    @property
    def verdicts(self) -> tuple[QuantityPrecision, ...]:
        """Llh first, then the chosen entries of the gradient; empty before the budget is there."""
        if self.budget is None:
            return ()
        return verdicts(self.parameter_ids, self.budget, self.noise, self.reference)

    def frame(self) -> pd.DataFrame:
        """The verdicts as a table: a row for llh and for each chosen entry of the gradient."""
        entries = self.verdicts
        return pd.DataFrame(
            {
                "limited by": [LIMITS[e.limited_by] for e in entries],
                "why": [e.reason for e in entries],
                "agreement": [e.digits_agreement for e in entries],
                "float32": [e.digits_float32 for e in entries],
                "accuracy": [e.digits_accuracy for e in entries],
                "noise": [e.digits_noise for e in entries],
                "float64 value": [e.float64 for e in entries],
                "float32 value": [e.float32 for e in entries],
                "reference": [e.reference for e in entries],
            },
            index=pd.Index([e.quantity for e in entries], name="quantity"),
        )


def studies(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[Piece] = PIECES,
    on_progress: Progress | None = None,
) -> Iterator[Study]:
    """Study a point, one piece after the other; what was computed before comes from the disk.

    JAX's 64-bit mode must be on, and the problem must be one that simulates at theta.

    Args:
        objective: the problem and the solver settings in question.
        theta: shape (n_parameters,), on the PEtab scale.
        parameters: ids of those whose gradient entries are studied; all if not given. The fewer,
            the faster: sensitivities are computed for these alone.
        pieces: which ones to compute; what they need is computed as well.
        on_progress: called while a piece is computed; what it raises ends the study.

    Yields:
        The study with one piece more each time.

    Raises:
        ValueError: theta has the wrong shape, or there is no such parameter.
    """
    theta = objective.problem.checked(theta)
    study = _empty_study(objective, theta, parameters)
    positions = np.array(study.positions, dtype=np.intp)
    everything = len(positions) == objective.problem.n_parameters
    chosen = objective if everything else objective.with_gradient_of(positions)
    store = PieceStore.of(objective, theta, positions)
    for piece in wanted_pieces(pieces):
        report = _reporter(piece, on_progress)
        if _lacks(study, piece):
            study = replace(study, impossible=(*study.impossible, piece))
            yield study
            continue
        start = time.perf_counter()
        result, seconds = store.load(piece, _TYPES[piece])
        if result is None:
            result = _compute(piece, objective, chosen, theta, positions, study, report)
            seconds = time.perf_counter() - start
            store.save(piece, result, seconds)
        changes: dict[str, Any] = {
            piece: result,
            "seconds": {**(study.seconds or {}), piece: seconds},
        }
        if result is None:
            changes["impossible"] = (*study.impossible, piece)
        study = replace(study, **changes)
        yield study


def study_precision(objective: AmiciObjective, theta: ArrayLike, **options: Any) -> Study:
    """The finished study; arguments as for `studies`."""
    *_, study = studies(objective, theta, **options)
    return study


def wanted_pieces(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Pieces with all that they need, in the order in which they are computed."""
    wanted = {need for piece in pieces for need in (piece, *NEEDS[piece])}
    return tuple(piece for piece in PIECES if piece in wanted)


def forecast(
    objective: AmiciObjective, evaluation: Evaluation, n_chosen: int
) -> dict[Piece, float]:
    """Seconds that each piece will take, roughly.

    Args:
        objective: the problem and its solver settings.
        evaluation: of its full gradient, for its duration.
        n_chosen: number of chosen parameters.
    """
    n = objective.problem.n_parameters
    # Measured for Bachmann_MSB2011, Raia_CancerResearch2011 and Zheng_PNAS2012: the share of the
    # time grows more slowly than the share of the sensitivities, within 1.6 times like this.
    share = math.sqrt((1 + n_chosen) / (1 + n))
    one = evaluation.wall_seconds * share
    in_batch = evaluation.cpu_seconds * share / objective.batch_threads
    full_in_batch = evaluation.cpu_seconds / objective.batch_threads
    return {
        "budget": 5 * one + 0.2,  # and JAX's compilation
        "reference": (1 + 2 * _TIGHT) * one,
        "noise": SAMPLES * in_batch,
        "bits": (len(MANTISSA_BITS) + len(FORMATS)) * in_batch + 0.5,
        "tolerances": 2 * len(RTOLS) * one * (1 + _TIGHT) / 2,
        "curvature": (2 * n * in_batch + full_in_batch) * _TIGHT,
    }


def _empty_study(
    objective: AmiciObjective, theta: FloatArray, parameters: Sequence[str] | None
) -> Study:
    problem = objective.problem
    wanted = set(problem.parameter_ids if parameters is None else parameters)
    if not wanted:
        raise ValueError("Choose at least one parameter.")
    if unknown := sorted(wanted - set(problem.parameter_ids)):
        raise ValueError(
            f"{problem.problem_id} has no free parameter {', '.join(unknown)}; it has "
            f"{', '.join(problem.parameter_ids)}."
        )
    positions = tuple(i for i, name in enumerate(problem.parameter_ids) if name in wanted)
    return Study(
        problem_id=problem.problem_id,
        parameter_ids=tuple(problem.parameter_ids[i] for i in positions),
        scales=tuple(problem.scales[i] for i in positions),
        positions=positions,
        theta=theta,
        solver=objective.solver,
    )


_TYPES: dict[Piece, type] = {
    "budget": ErrorBudget,
    "reference": Reference,
    "noise": NoiseFloor,
    "bits": BitSweep,
    "tolerances": ToleranceSweep,
    "curvature": PredictedError,
}


def _lacks(study: Study, piece: Piece) -> bool:
    """Whether something that a piece needs has no result."""
    needs = NEEDS[piece]
    no_reference = study.reference is not None and not study.reference.values.is_finite
    return "reference" in needs and no_reference


def _compute(
    piece: Piece,
    objective: AmiciObjective,
    chosen: AmiciObjective,
    theta: FloatArray,
    positions: np.ndarray,
    study: Study,
    report: Report,
) -> Any:
    if piece == "budget":
        return error_budget(chosen, theta, positions, report)
    if piece == "reference":
        return find_reference(chosen, theta, positions, report)
    if piece == "noise":
        return noise_floor(chosen, theta, positions, report)
    if piece == "bits":
        return bit_sweep(chosen, theta, positions, report)
    assert study.reference is not None
    if piece == "tolerances":
        return tolerance_sweep(chosen, theta, positions, study.reference, report)
    assert study.budget is not None
    assert study.noise is not None
    return predict_error(
        objective, theta, positions, study.budget, study.noise, study.reference, report
    )


def _reporter(piece: Piece, on_progress: Progress | None) -> Report:
    return (lambda _done, _total: None) if on_progress is None else partial(on_progress, piece)
