"""The records of a fit: one start, and all of them with what they were computed with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from amijax.audit.record import Audit
from amijax.fit.optima import SAME_OPTIMUM
from amijax.fit.work import Answer
from amijax.html_tables import Column, Row
from amijax.notebook_html import number, report
from amijax.scales import FloatArray, Scale
from amijax.simulation.settings import SolverSettings

Exit = Literal[
    "converged", "stalled", "finished", "iteration limit", "time limit", "cancelled", "running",
    "failed",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trace:
    """How the best value of a start, or of all, grew: an entry for each time that it did.

    Attributes:
        evaluations: which evaluation it was, the first is 1.
        seconds: when it was done, since the beginning of the start.
        values: llh, and log prior where it counts.
    """

    evaluations: FloatArray
    seconds: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class FailedPoints:
    """Points on the way that could not be evaluated, for one reason.

    Attributes:
        reason: a sentence, that of the first.
        count: how many.
    """

    reason: str
    count: int


@dataclass(frozen=True, eq=False)
class Start(Answer):
    """One local optimisation, from where it began to the best point that it saw within the bounds.

    Attributes:
        index: its number, from 0.
        theta_start: where it began, shape (n_parameters,), on the PEtab scale.
        theta: the best point, on the PEtab scale; NaN if no point could be evaluated.
        llh: log-likelihood there, computed together with the gradient; NaN without a point.
        log_prior: log-density of the objective priors there; None where they don't count.
        gradient: of llh + log prior with respect to theta there, shape (n_parameters,).
        gradient_norm: of those of its entries along which the bounds allow to climb.
        n_evaluations: evaluations of llh and gradient.
        seconds: what they and the optimiser took.
        cpu_seconds: CPU time of the same.
        exit: why it ended. converged: the optimiser's criteria are met; stalled: no smaller step
            improved llh, which is as far as its noise lets it go; finished: a callable returned;
            failed: there is no point; cancelled starts go on when the fit is run again.
        message: the same in the optimiser's words; a sentence with what to do if it failed.
        failures: points that could not be evaluated, the commonest reason first.
        trace: the best value over time.
        is_coarse: whether llh and gradient are still those of a coarser stage: the start was
            interrupted before its last one.
    """

    index: int
    theta_start: FloatArray
    theta: FloatArray
    llh: float
    log_prior: float | None
    gradient: FloatArray
    gradient_norm: float
    n_evaluations: int
    seconds: float
    cpu_seconds: float
    exit: Exit
    message: str
    failures: tuple[FailedPoints, ...]
    trace: Trace
    is_coarse: bool = False

    @property
    def value(self) -> float:
        """What was maximised: llh, and log prior where it counts; NaN without a point."""
        return self.llh + (self.log_prior or 0.0)

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.exit == "running"

    @property
    def is_over(self) -> bool:
        """Whether the optimiser ended it, and running it again would give the same."""
        return self.exit not in ("running", "cancelled", "time limit")

    @property
    def state(self) -> str:
        """How it ended, or that it is under way, and whether its llh is still coarse."""
        return f"{self.exit}, coarse" if self.is_coarse else self.exit

    @property
    def has_point(self) -> bool:
        """Whether at least one point could be evaluated."""
        return math.isfinite(self.value)


@dataclass(frozen=True, eq=False)
class FitSettings:
    """What a fit was asked for.

    Attributes:
        n_starts: starts.
        seed: of the random start points.
        optimizer: its name.
        lower, upper: bounds on the PEtab scale, shape (n_parameters,).
        priors: whether objective priors count; without any in the table that changes nothing.
        digits: of the gradient that were asked for; None for the settings of the objective.
        stages: the solver's settings, one optimisation with each, from where the last one ended.
        time_limit: seconds for all starts, None without.
        own_starts: start points that were given, shape (k, n_parameters); they come first.
        search: whether the solver's settings were searched for without digits.
    """

    n_starts: int
    seed: int
    optimizer: str
    lower: FloatArray
    upper: FloatArray
    priors: bool
    digits: float | None
    stages: tuple[SolverSettings, ...]
    time_limit: float | None
    own_starts: FloatArray
    search: bool = False

    @property
    def stages_in_words(self) -> str:
        """The solver's settings, in the order of the stages."""
        return ", then ".join(str(stage) for stage in self.stages)


@dataclass(frozen=True, eq=False)
class FitResult:
    """All starts of a fit, as far as they are.

    Attributes:
        problem_id: the problem.
        problem_digest: of its files.
        parameter_ids: the free parameters.
        scales: their PEtab scales.
        settings: what was asked for.
        starts: those that ended or were interrupted, by their index; those that never began are
            not among them.
        progress: how the best value of all starts grew: evaluations of all of them together, and
            seconds since the fit began or went on.
        reference_llh: log-likelihood at the nominal parameters that AMICI's benchmark tests hold,
            None where they hold none.
        audit: of llh and gradient at the best point, None where it was not asked for.
        workers: how many starts ran at a time, and where, in words.
        seconds: wall time of the run that completed it; starts of earlier ones were only read.
        n_resumed: starts that an earlier run had finished.
        versions: of amijax, Python and the packages that compute, by name.
        started: date and time, UTC.
    """

    problem_id: str
    problem_digest: str
    parameter_ids: tuple[str, ...]
    scales: tuple[Scale, ...]
    settings: FitSettings
    starts: tuple[Start, ...]
    progress: Trace
    reference_llh: float | None
    audit: Audit | None
    workers: str
    seconds: float
    n_resumed: int
    versions: dict[str, str]
    started: str

    def _repr_html_(self) -> str:
        """The starts as a table, the best one first, for notebooks."""
        priors = "llh and log prior" if self.has_priors else "llh"
        best = self.best
        return report(
            f"Fit of {self.problem_id}",
            [
                f"{self.n_found} of {len(self.starts)} starts found the best {priors}, "
                f"{best.value:.9g}."
                if best
                else "No start found a point.",
                "" if self.is_complete else "Not all starts came to their end.",
                f"{len(self.failed)} without a point." if self.failed else "",
                self.audit.summary if self.audit else "",
            ],
            "start",
            [
                Column(priors, strong=True), "llh",
                Column("behind", "how far its value is from the best"), "ended",
            ],
            [
                Row(
                    str(start.index),
                    [
                        number(start.value, ".9g"), number(start.llh, ".9g"),
                        number(self.ordered[0].value - start.value, ".2g"), start.state,
                    ],
                )
                for start in self.ordered
            ],
            rest=".ordered",
        )  # fmt: skip

    @property
    def ordered(self) -> tuple[Start, ...]:
        """Starts with a point, the best one first."""
        return tuple(sorted((s for s in self.starts if s.has_point), key=lambda s: -s.value))

    @property
    def best(self) -> Start | None:
        """The start with the largest value; None if no point could be evaluated."""
        return next(iter(self.ordered), None)

    @property
    def failed(self) -> tuple[Start, ...]:
        """Starts without a point."""
        return tuple(start for start in self.starts if start.exit == "failed")

    @property
    def n_found(self) -> int:
        """Starts whose value is within `SAME_OPTIMUM` of the best."""
        ordered = self.ordered
        return sum(ordered[0].value - start.value <= SAME_OPTIMUM for start in ordered)

    @property
    def is_complete(self) -> bool:
        """Whether all starts that were asked for came to their end."""
        over = sum(start.is_over for start in self.starts)
        return over == self.settings.n_starts

    @property
    def has_priors(self) -> bool:
        """Whether priors are part of what was maximised."""
        return any(start.log_prior is not None for start in self.starts)
