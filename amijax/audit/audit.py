"""An audit of llh and gradient at a point: witnesses asked, and what is to be believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amijax.audit.causes import TOLERANCE, likely_cause
from amijax.audit.closed_forms import closed_form
from amijax.audit.roadrunner_process import TIME_LIMIT, roadrunner_differences
from amijax.audit.steps import random_directions, step_sizes
from amijax.audit.testimony import Testimony
from amijax.audit.verdicts import Claim, QuantityVerdict, Verdict, judge
from amijax.audit.witnesses import (
    finite_differences,
    other_sensitivities,
    tight_gradient,
    tight_objective,
)
from amijax.digits import ALL_DIGITS, digits
from amijax.objective import AmiciObjective
from amijax.problems.findings import Finding
from amijax.problems.names import nearest
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverSettings

Entries = Literal["auto", "all", "none"] | Sequence[str]

N_DIRECTIONS = 2
# Entry by entry without being asked where that takes no longer than this, in seconds.
_CHEAP = 10.0
# Simulations for an entry, of which some need more.
_EVALUATIONS = 8
# A direction disagrees beyond this, relative to the derivative or to a thousandth of the largest
# term: the solver's error at AMICI's defaults is smaller.
_APART = 1e-2
_SMALL = 1e-3
# Points for differences of libRoadRunner's llh are asked for where one takes no longer, seconds.
_QUICK = 3.0
_START_SECONDS = 10.0  # of its process, on a busy machine
_OTHER_ALLOWANCE = 20.0
_TIGHT_SECONDS = 300.0  # for one simulation of the gradient at tight tolerances


@dataclass(frozen=True)
class Directions:
    """Derivatives along random directions, which move all parameters at once.

    Attributes:
        tried: how many have a witness.
        agree: how many of them agree with AMICI's gradient.
        digits: in which the weakest agrees, relative to the gradient's norm; None without any.
        cause: where one disagrees, what is likely to blame; else empty.
        seconds: how long finite differences along them took.
    """

    tried: int
    agree: int
    digits: float | None
    cause: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Audit:
    """What witnesses other than AMICI say of llh and gradient at a point.

    Attributes:
        problem_id: the problem.
        parameter_ids: the free parameters.
        theta: the point, shape (n_parameters,), on the PEtab scale.
        solver: the settings that produced the numbers.
        llh: the verdict on the log-likelihood.
        gradient: the verdict on each entry, in the order of `parameter_ids`.
        directions: what random directions say of the gradient as a whole.
        tight: AMICI's own gradient at tight tolerances, shape (n_parameters,), NaN where it was
            not computed: how self-consistent AMICI is, not whether it is right.
        refusals: why witnesses that were asked did not testify, sentences.
        warnings: what is not to be trusted, by the model's features.
        seconds: how long the audit took.
        gradient_seconds: how long one gradient takes.
    """

    problem_id: str
    parameter_ids: tuple[str, ...]
    theta: FloatArray
    solver: SolverSettings
    llh: QuantityVerdict
    gradient: tuple[QuantityVerdict, ...]
    directions: Directions
    tight: FloatArray
    refusals: tuple[str, ...]
    warnings: tuple[Finding, ...]
    seconds: float
    gradient_seconds: float

    @property
    def anything_wrong(self) -> bool:
        """Whether a number is wrong, or the gradient as a whole by a direction."""
        return (
            any(each.verdict == "wrong" for each in (self.llh, *self.gradient))
            or self.directions.agree < self.directions.tried
        )

    @property
    def verdict(self) -> Verdict:
        """On all of it: right only if llh and, entry by entry or as a whole, the gradient are."""
        if self.anything_wrong:
            return "wrong"
        every_entry = all(entry.verdict == "right" for entry in self.gradient)
        gradient = every_entry or self.directions.tried > 0
        return "right" if self.llh.verdict == "right" and gradient else "unproven"

    @property
    def digits_self_consistent(self) -> FloatArray:
        """Digits in which AMICI agrees with itself at tight tolerances, shape (n_parameters,).

        NaN where that was not computed. They say nothing of whether a number is right.
        """
        return digits([entry.value for entry in self.gradient], self.tight)

    @property
    def summary(self) -> str:
        """What is known of llh and gradient, in one or two sentences."""
        return summary(self)

    @property
    def entries(self) -> dict[str, QuantityVerdict]:
        """The verdicts on the gradient by parameter."""
        return dict(zip(self.parameter_ids, self.gradient, strict=True))


def summary(audit: Audit) -> str:
    """What is known of llh and gradient, in one or two sentences.

    Args:
        audit: at a point.
    """
    wrong = [entry for entry in (audit.llh, *audit.gradient) if entry.verdict == "wrong"]
    if wrong:
        first = wrong[0]
        entries = sum(entry.verdict == "wrong" for entry in audit.gradient)
        count = (
            f"{entries} of {len(audit.gradient)} gradient entries are wrong. " if entries else ""
        )
        example = "For example " if entries > 1 else ""
        return (
            f"{count}{example}{first.quantity}: AMICI {first.value:.6g}, {first.witness} "
            f"{first.witness_value:.6g}. {first.cause}"
        )
    directions = audit.directions
    if directions.agree < directions.tried:
        return (
            "The gradient as a whole is wrong: its derivative along a random direction is not what "
            f"llh does. {directions.cause or 'Audit it entry by entry.'}"
        )
    llh = (
        f"llh confirmed by {audit.llh.witness} to {_floor(audit.llh.digits)} digits"
        if audit.llh.verdict == "right"
        else "llh unproven"
    )
    right = [entry for entry in audit.gradient if entry.verdict == "right"]
    n = len(audit.gradient)
    if len(right) == n and n:
        witnesses = ", ".join(dict.fromkeys(str(entry.witness) for entry in right))
        least = min((e.digits for e in right if e.digits is not None), default=None)
        gradient = f"every gradient entry by {witnesses} to {_floor(least)} digits or more"
    elif right:
        gradient = f"{len(right)} of {n} gradient entries confirmed, the others unproven"
        if directions.digits is not None:
            gradient += f"; the gradient as a whole to {_floor(directions.digits)} digits"
    elif directions.digits is not None:
        gradient = (
            f"the gradient as a whole by finite differences along random directions to "
            f"{_floor(directions.digits)} digits of its norm"
        )
    else:
        gradient = "the gradient unproven"
    return f"{llh}; {gradient}."


def _floor(digits: float | None) -> str:
    """Digits, never rounded up."""
    return "all" if digits is None else f"{np.floor(digits * 10 + 1e-9) / 10:.1f}"


def audit_gradient(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    entries: Entries = "auto",
    roadrunner: bool = True,
    time_limit: float = TIME_LIMIT,
    evaluation: Evaluation | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> Audit:
    """Hold llh and gradient at a point against witnesses that are not AMICI's sensitivities.

    Random directions first; then entry by entry where these disagree, where that is asked for or
    cheap, and for entries that are exactly 0, the commonest sign of a fault.

    Args:
        objective: the problem and the settings whose numbers are in question.
        theta: shape (n_parameters,), on the PEtab scale.
        entries: which entries are held against finite differences of their own: all, none, those
            of some parameters, or as it takes ("auto").
        roadrunner: whether libRoadRunner is asked, where it is installed.
        time_limit: seconds for libRoadRunner.
        evaluation: of the objective at theta with gradient, if it is at hand.
        go_on: called every now and then; what it raises ends the audit.

    Raises:
        ValueError: theta has the wrong shape, or an entry is no free parameter.
    """
    return _Auditor(objective, theta, roadrunner, time_limit, go_on).audit(entries, evaluation)


class _Auditor:
    """One audit under way."""

    def __init__(
        self,
        objective: AmiciObjective,
        theta: ArrayLike,
        roadrunner: bool,
        time_limit: float,
        go_on: Callable[[], None],
    ) -> None:
        self._objective, self._problem = objective, objective.problem
        self._theta = self._problem.checked(theta)
        self._n = self._problem.n_parameters
        self._roadrunner, self._time_limit, self._go_on = roadrunner, time_limit, go_on
        self._sizes = step_sizes(self._problem, self._theta)
        self._refusals: list[str] = []
        self._entry_claims: dict[int, list[Claim]] = {}
        self._llh_claims: list[Claim] = []
        self._why_not = "only random directions were tried; ask for this entry."
        self._tried: list[_Tried] = []
        self._direction_seconds = 0.0
        self._roadrunner_seconds = np.inf

    def audit(self, entries: Entries, evaluation: Evaluation | None) -> Audit:
        start = time.perf_counter()
        asked = self._positions(entries)
        if evaluation is None:
            evaluation = self._objective.evaluate(self._theta)
        if evaluation.failure is not None or evaluation.gradient is None:
            return self._nothing(evaluation, time.perf_counter() - start)
        gradient = evaluation.gradient
        witness = _Concurrently(self._ask_roadrunner) if self._roadrunner else None
        try:
            forms = closed_form(self._problem, self._theta)
            tight = tight_objective(self._objective, self._theta, evaluation.cpu_seconds)
            per_simulation = self._ask_directions(tight, gradient)
            positions = self._choose(asked, gradient, per_simulation)
            self._ask_entries(tight, positions)
            consistent = self._ask_tight(tight, positions)
            self._ask_other_sensitivities(evaluation, positions)
        except BaseException:
            if witness is not None:
                witness.cancel()
            raise
        is_doubted = witness is not None and not self._hear_roadrunner(*witness.wait(), evaluation)
        if forms is not None:
            self._llh_claims += _claims(forms[0], 0)
            for i in range(self._n):
                self._entry_claims.setdefault(i, []).extend(_claims(forms[1], i))
        warnings = self._objective.warnings_at(self._theta)
        llh = self._llh_verdict(evaluation, warnings)
        if llh.verdict == "wrong" or is_doubted:
            self._distrust_differences(llh.verdict == "wrong")
        return Audit(
            self._problem.problem_id,
            self._problem.parameter_ids,
            self._theta,
            self._objective.solver,
            llh,
            self._gradient_verdicts(gradient, consistent, warnings),
            self._directions(consistent),
            consistent,
            tuple(dict.fromkeys(self._refusals)),
            warnings,
            time.perf_counter() - start,
            evaluation.wall_seconds,
        )

    def _positions(self, entries: Entries) -> set[int] | Literal["auto"]:
        ids = self._problem.parameter_ids
        if entries == "auto":
            return "auto"
        if isinstance(entries, str):
            return set(range(self._n)) if entries == "all" else set()
        if unknown := [name for name in entries if name not in ids]:
            raise ValueError(
                f"{self._problem.problem_id} has no free parameter "
                + ", ".join(f"{name}{nearest(name, ids)}" for name in unknown)
                + "."
            )
        return {ids.index(name) for name in entries}

    def _ask_directions(self, tight: AmiciObjective | None, gradient: FloatArray) -> float:
        """Try random directions; return seconds for one simulation."""
        if tight is None:
            self._refusals.append(
                "Finite differences: AMICI does not simulate at tight tolerances."
            )
            return np.inf
        directions = random_directions(self._theta, self._sizes, N_DIRECTIONS)
        found = finite_differences(tight, self._theta, directions, self._go_on, few=True)
        self._direction_seconds = found.seconds
        for k, direction in enumerate(directions):
            self._try(direction, gradient, float(found.values[k]), float(found.uncertainty[k]))
        if len(self._tried) < len(directions):
            self._refusals.append(
                "Finite differences along random directions are not sharp enough here."
            )
        return found.seconds / max(found.evaluations, 1)

    def _try(
        self, direction: FloatArray, gradient: FloatArray, value: float, uncertainty: float
    ) -> bool | None:
        """Hold the gradient against a derivative along a direction; None if that is not sharp."""
        found = self._tries(direction, gradient, value, uncertainty)
        if found is None:
            return None
        self._tried.append(found)
        return found.agrees

    def _tries(
        self, direction: FloatArray, gradient: FloatArray, value: float, uncertainty: float
    ) -> _Tried | None:
        terms = np.abs(gradient * self._sizes)
        expected = float(gradient @ direction)
        largest = max(abs(expected), abs(value), _SMALL * float(terms.max(initial=0.0)))
        if not (np.isfinite(value) and uncertainty <= _APART * largest):
            return None
        off = abs(expected - value)
        agrees = off - uncertainty <= _APART * largest
        norm = max(float(np.linalg.norm(terms)), np.finfo(float).tiny)
        share = (off + uncertainty) / norm
        digits = ALL_DIGITS if share == 0 else float(np.clip(-np.log10(share), 0.0, ALL_DIGITS))
        return _Tried(direction, value, uncertainty, agrees, digits)

    def _directions(self, tight: FloatArray) -> Directions:
        """What random directions say, and whether AMICI itself agrees at tight tolerances."""
        digits = [each.digits for each in self._tried]
        doubtful = [each for each in self._tried if not each.agrees]
        again = [
            self._tries(each.direction, tight, each.value, each.uncertainty) for each in doubtful
        ]
        mended = all(each is not None and each.agrees for each in again)
        return Directions(
            len(self._tried),
            len(self._tried) - len(doubtful),
            min(digits) if digits else None,
            TOLERANCE if doubtful and mended and np.isfinite(tight).all() else "",
            self._direction_seconds,
        )

    def _choose(
        self,
        asked: set[int] | Literal["auto"],
        gradient: FloatArray,
        per_simulation: float,
    ) -> list[int]:
        """Which entries get differences of their own."""
        every = set(range(self._n))
        zeros = {i for i in every if gradient[i] == 0}
        if asked != "auto":
            return sorted(asked | zeros if asked else asked)
        in_doubt = not self._tried or not all(each.agrees for each in self._tried)
        cheap = per_simulation * _EVALUATIONS * self._n <= _CHEAP
        return sorted(every if in_doubt or cheap else zeros)

    def _ask_entries(self, tight: AmiciObjective | None, positions: list[int]) -> None:
        if tight is None:
            self._why_not = "AMICI does not simulate at tight tolerances, which differences need."
            return
        if not positions:
            return
        steps = np.diag(self._sizes)[positions]
        found = finite_differences(tight, self._theta, steps, self._go_on)
        for k, i in enumerate(positions):
            claim = Claim(
                "finite differences",
                float(found.values[k] / self._sizes[i]),
                float(found.uncertainty[k] / self._sizes[i]),
            )
            self._entry_claims.setdefault(i, []).append(claim)

    def _ask_tight(self, tight: AmiciObjective | None, positions: list[int]) -> FloatArray:
        """AMICI's own gradient at tight tolerances, where entries are looked at or in doubt."""
        in_doubt = any(not each.agrees for each in self._tried)
        if tight is None or not (positions or in_doubt):
            return np.full(self._n, np.nan)
        found = tight_gradient(tight, self._theta, _TIGHT_SECONDS, self._go_on)
        for i in positions:
            self._entry_claims.setdefault(i, []).extend(_claims(found, i))
        return found.values

    def _ask_other_sensitivities(self, evaluation: Evaluation, positions: list[int]) -> None:
        if not positions:
            return
        limit = max(_OTHER_ALLOWANCE * evaluation.cpu_seconds, 1.0)
        found = other_sensitivities(self._objective, self._theta, limit, self._go_on)
        if found.reason:
            self._refusals.append(f"Other sensitivities: {found.reason}")
            return
        for i in positions:
            self._entry_claims.setdefault(i, []).extend(_claims(found, i))

    def _ask_roadrunner(self, go_on: Callable[[], None]) -> tuple[Testimony, Testimony]:
        """llh, and its derivative along the first direction: two functions may meet at a point."""
        return roadrunner_differences(
            self._problem,
            self._theta,
            random_directions(self._theta, self._sizes, 1),
            quick=_QUICK,
            time_limit=self._time_limit,
            go_on=go_on,
        )

    def _hear_roadrunner(self, llh: Testimony, along: Testimony, evaluation: Evaluation) -> bool:
        """Take down what it says; return whether the gradient agrees with it."""
        if llh.reason:
            self._refusals.append(llh.reason)
            return True
        self._llh_claims += _claims(llh, 0)
        self._roadrunner_seconds = llh.seconds
        assert evaluation.gradient is not None
        direction = random_directions(self._theta, self._sizes, 1)[0]
        agrees = self._try(
            direction, evaluation.gradient, float(along.values[0]), float(along.uncertainty[0])
        )
        return agrees is not False

    def _llh_verdict(
        self, evaluation: Evaluation, warnings: tuple[Finding, ...]
    ) -> QuantityVerdict:
        why_not = next(iter(self._refusals), "no independent witness was asked.")
        verdict = judge(
            "llh", evaluation.llh, self._llh_claims, abs(evaluation.llh), why_not=why_not
        )
        return self._with_cause(verdict, None, np.nan, warnings)

    def _gradient_verdicts(
        self, gradient: FloatArray, tight: FloatArray, warnings: tuple[Finding, ...]
    ) -> tuple[QuantityVerdict, ...]:
        largest = float(np.abs(gradient).max(initial=0.0))
        return tuple(
            self._with_cause(
                judge(
                    name, float(gradient[i]), self._entry_claims.get(i, ()), largest,
                    why_not=self._why_not,
                ),
                name, float(tight[i]), warnings,
            )
            for i, name in enumerate(self._problem.parameter_ids)
        )  # fmt: skip

    def _with_cause(
        self,
        verdict: QuantityVerdict,
        parameter: str | None,
        tight: float,
        warnings: tuple[Finding, ...],
    ) -> QuantityVerdict:
        if verdict.verdict != "wrong" or verdict.witness_value is None:
            return verdict
        cause = likely_cause(self._objective, warnings, parameter, verdict, tight)
        return replace(verdict, cause=cause)

    def _distrust_differences(self, llh_is_wrong: bool) -> None:
        """Differences of a wrong llh confirm nothing: libRoadRunner's own take their place."""
        if llh_is_wrong:
            self._why_not = "llh itself is wrong, so its differences confirm nothing."
            for i, claims in self._entry_claims.items():
                self._entry_claims[i] = [c for c in claims if c.witness != "finite differences"]
        if self._roadrunner_seconds > _QUICK + _START_SECONDS:
            return
        steps = np.diag(self._sizes)
        _, found = roadrunner_differences(
            self._problem, self._theta, steps, quick=_QUICK, time_limit=self._time_limit,
            go_on=self._go_on,
        )  # fmt: skip
        for i in range(self._n):
            value, uncertainty = found.values[i] / self._sizes[i], found.uncertainty[i]
            if np.isfinite(value) and np.isfinite(uncertainty):
                claim = Claim("libRoadRunner", float(value), float(uncertainty / self._sizes[i]))
                self._entry_claims.setdefault(i, []).append(claim)

    def _nothing(self, evaluation: Evaluation, seconds: float) -> Audit:
        why = f"AMICI's simulation failed: {evaluation.failure}"
        nothing = [
            judge(name, np.nan, (), 0.0, why_not=why)
            for name in ("llh", *self._problem.parameter_ids)
        ]
        return Audit(
            self._problem.problem_id, self._problem.parameter_ids, self._theta,
            self._objective.solver, nothing[0], tuple(nothing[1:]), Directions(0, 0, None),
            np.full(self._n, np.nan), (why,), self._objective.warnings_at(self._theta), seconds,
            evaluation.wall_seconds,
        )  # fmt: skip


def _claims(testimony: Testimony, i: int) -> list[Claim]:
    value, uncertainty = float(testimony.values[i]), float(testimony.uncertainty[i])
    if not (np.isfinite(value) and np.isfinite(uncertainty)):
        return []
    return [Claim(testimony.witness, value, uncertainty)]


class _Tried(NamedTuple):
    """A direction, the derivative along it by a witness, and whether AMICI's agrees.

    Digits are relative to the gradient's norm.
    """

    direction: FloatArray
    value: float
    uncertainty: float
    agrees: bool
    digits: float


class _Concurrently:
    """A testimony that is waited for in a thread of its own, since its witness is a process."""

    def __init__(self, ask: Callable[[Callable[[], None]], tuple[Testimony, Testimony]]) -> None:
        self._is_cancelled = threading.Event()
        self._found: list[tuple[Testimony, Testimony]] = []

        def go_on() -> None:
            if self._is_cancelled.is_set():
                raise _EndedError

        def work() -> None:
            try:
                self._found.append(ask(go_on))
            except _EndedError:
                pass
            except Exception as error:  # a thread's exception would vanish
                reason = f"libRoadRunner: {type(error).__name__}: {error}"
                refusal = Testimony.refusal("libRoadRunner", 1, reason)
                self._found.append((refusal, refusal))

        self._thread = threading.Thread(target=work, name="audit witness", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End the witness."""
        self._is_cancelled.set()
        self._thread.join()

    def wait(self) -> tuple[Testimony, Testimony]:
        """What it says."""
        self._thread.join()
        return self._found[0]


class _EndedError(Exception):
    """The audit was ended."""
