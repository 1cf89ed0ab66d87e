"""A precision study of a problem at a point: all panels, piece by piece, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amijax.audit.record import Audit
from amijax.html_tables import Column, Row
from amijax.notebook_html import known_digits, number, report
from amijax.objective import AmiciObjective
from amijax.precision.bits import BitSweep
from amijax.precision.budget import ErrorBudget
from amijax.precision.curvature import PredictedError
from amijax.precision.export_line import ExportLine
from amijax.precision.noise import NoiseFloor
from amijax.precision.pieces import PIECE_NAMES, PIECES, PieceName, StudyInputs, with_needs
from amijax.precision.reference import Reference
from amijax.precision.tolerances import ToleranceSweep
from amijax.precision.values import Report
from amijax.precision.verdicts import LIMITS, QuantityPrecision, verdicts
from amijax.precision.work_precision import WorkPrecision
from amijax.problems.names import nearest
from amijax.result_store import ResultStore
from amijax.scales import FloatArray, Scale
from amijax.simulation.settings import SolverSettings

# Called with the piece under way, its evaluations done, and their total.
OnProgress = Callable[[PieceName, int, int], None]


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
        budget, reference, audit, noise, bits, tolerances, curvature, work, export: the pieces;
            None where one was not asked for, or not computed yet.
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
    audit: Audit | None = None
    noise: NoiseFloor | None = None
    bits: BitSweep | None = None
    tolerances: ToleranceSweep | None = None
    curvature: PredictedError | None = None
    work: WorkPrecision | None = None
    export: ExportLine | None = None
    impossible: tuple[PieceName, ...] = ()
    seconds: dict[str, float] | None = None

    @property
    def verdicts(self) -> tuple[QuantityPrecision, ...]:
        """Llh first, then the chosen entries of the gradient; empty before the budget is there."""
        if self.budget is None:
            return ()
        return verdicts(self.parameter_ids, self.budget, self.noise, self.reference, self.audit)

    def _repr_html_(self) -> str:
        """The verdicts as a table, for notebooks."""
        missing = ", ".join(self.impossible)
        return report(
            f"Where the digits of {self.problem_id} go",
            [
                "" if self.verdicts else "Nothing is known yet: the budget was not computed.",
                f"Not possible here: {missing}." if missing else "",
                f"Solver: {self.solver}.",
            ],
            "quantity",
            [
                "float64", Column("agree", "digits in which AMICI and float64 JAX agree"),
                Column("float32", "digits in which float32 and float64 JAX agree"),
                Column("right", "digits of float64 that a witness other than AMICI confirms",
                       strong=True),
                Column("noise", "digits that stay when theta moves by its last bits"),
                Column("limited by", "what costs float32 most of its digits"),
            ],
            [
                Row(
                    each.quantity,
                    [
                        number(each.float64, ".9g"), known_digits(each.digits_agreement),
                        known_digits(each.digits_float32), known_digits(each.digits_accuracy),
                        known_digits(each.digits_noise), LIMITS[each.limited_by],
                    ],
                )
                for each in self.verdicts
            ],
            rest=".frame()",
        )  # fmt: skip

    def frame(self) -> pd.DataFrame:
        """The verdicts as a table: a row for llh and for each chosen entry of the gradient."""
        entries = self.verdicts
        return pd.DataFrame(
            {
                "limited by": [LIMITS[e.limited_by] for e in entries],
                "why": [e.reason for e in entries],
                "agreement": [e.digits_agreement for e in entries],
                "float32": [e.digits_float32 for e in entries],
                "verdict": [e.verdict for e in entries],
                "accuracy": [e.digits_accuracy for e in entries],
                "self-consistent": [e.digits_self_consistent for e in entries],
                "noise": [e.digits_noise for e in entries],
                "float64 value": [e.float64 for e in entries],
                "float32 value": [e.float32 for e in entries],
                "reference": [e.reference for e in entries],
                "witnesses": [e.audit for e in entries],
            },
            index=pd.Index([e.quantity for e in entries], name="quantity"),
        )


def studies(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[PieceName] = PIECE_NAMES,
    on_progress: OnProgress | None = None,
) -> Iterator[Study]:
    """Study a point, one piece after the other; what was computed before comes from the disk.

    JAX's 64-bit mode must be on, and the problem must be one that simulates at theta.

    Args:
        objective: the problem and the solver settings in question.
        theta: shape (n_parameters,), on the PEtab scale.
        parameters: ids of those whose gradient entries are studied; all if not given. The fewer,
            the faster: sensitivities are computed for these alone.
        pieces: which ones to compute, all but "export" if not given; what they need is computed
            as well.
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
    store = ResultStore.of("precision", objective, theta, positions)
    for name in with_needs(pieces):
        if _lacks(study, name):
            study = replace(study, impossible=(*study.impossible, name))
            yield study
            continue
        piece = PIECES[name]
        start = time.perf_counter()
        result, seconds = store.load(name, piece.type)
        if result is None:
            results = {need: getattr(study, need) for need in piece.needs}
            report = _reporter(name, on_progress)
            result = piece.compute(
                StudyInputs(objective, chosen, theta, positions, results, report)
            )
            seconds = time.perf_counter() - start
            store.save(name, result, seconds)
        changes: dict[str, Any] = {
            name: result,
            "seconds": {**(study.seconds or {}), name: seconds},
        }
        if result is None:
            changes["impossible"] = (*study.impossible, name)
        study = replace(study, **changes)
        yield study


def stored_study(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    parameters: Sequence[str] | None = None,
    pieces: Sequence[PieceName] = PIECE_NAMES,
) -> Study | None:
    """The finished study if all of its pieces lie on disk, which takes no time; else None.

    Args and errors are those of `studies`.
    """
    theta = objective.problem.checked(theta)
    study = _empty_study(objective, theta, parameters)
    positions = np.array(study.positions, dtype=np.intp)
    store = ResultStore.of("precision", objective, theta, positions)
    for name in with_needs(pieces):
        if _lacks(study, name):
            study = replace(study, impossible=(*study.impossible, name))
            continue
        result, seconds = store.load(name, PIECES[name].type)
        if result is None:
            return None
        changes: dict[str, Any] = {
            name: result,
            "seconds": {**(study.seconds or {}), name: seconds},
        }
        study = replace(study, **changes)
    return study


def study_precision(objective: AmiciObjective, theta: ArrayLike, **options: Any) -> Study:
    """The finished study; arguments as for `studies`.

    Examples:
        >>> import jax
        >>> from amijax import AmiciObjective, load_problem
        >>> from amijax.precision import study_precision
        >>> jax.config.update("jax_enable_x64", True)
        >>> objective = AmiciObjective(load_problem("Conversion_Reaction"))
        >>> study = study_precision(objective, objective.problem.nominal_theta, pieces=["budget"])
        >>> study.verdicts[1].quantity, bool(study.verdicts[1].digits_float32 > 4)
        ('k1', True)
    """
    *_, study = studies(objective, theta, **options)
    return study


def _empty_study(
    objective: AmiciObjective, theta: FloatArray, parameters: Sequence[str] | None
) -> Study:
    problem = objective.problem
    chosen = set(problem.parameter_ids if parameters is None else parameters)
    if not chosen:
        raise ValueError("Choose at least one parameter.")
    if unknown := sorted(chosen - set(problem.parameter_ids)):
        raise ValueError(
            f"{problem.problem_id} has no free parameter "
            + ", ".join(f"{name}{nearest(name, problem.parameter_ids)}" for name in unknown)
            + "."
        )
    positions = tuple(i for i, name in enumerate(problem.parameter_ids) if name in chosen)
    return Study(
        problem_id=problem.problem_id,
        parameter_ids=tuple(problem.parameter_ids[i] for i in positions),
        scales=tuple(problem.scales[i] for i in positions),
        positions=positions,
        theta=theta,
        solver=objective.solver,
    )


def _lacks(study: Study, name: PieceName) -> bool:
    """Whether something that a piece needs has no result, or is not there."""
    if name in ("work", "export") and len(study.positions) < len(study.theta):
        return True  # their errors are of the gradient as a whole
    no_reference = study.reference is not None and not study.reference.values.is_finite
    return "reference" in PIECES[name].needs and no_reference


def _reporter(name: PieceName, on_progress: OnProgress | None) -> Report:
    return (lambda _done, _total: None) if on_progress is None else partial(on_progress, name)
