"""An audit of llh and gradient at a point: witnesses asked, and what is to be believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amijax.audit.causes import TOLERANCE, likely_cause
from amijax.audit.closed_forms import closed_form
from amijax.audit.concurrently import Concurrently
from amijax.audit.jax_export_process import jax_export_testimony
from amijax.audit.record import Audit, Directions
from amijax.audit.roadrunner_process import roadrunner_differences
from amijax.audit.testimony import Testimony, Witness
from amijax.audit.verdicts import Claim, QuantityVerdict, judge
from amijax.audit.witness_process import TIME_LIMIT
from amijax.audit.witnesses import (
    finite_differences,
    other_sensitivities,
    tight_gradient,
    tight_objective,
)
from amijax.digits import ALL_DIGITS
from amijax.objective import AmiciObjective
from amijax.problems.findings import Finding
from amijax.problems.names import nearest
from amijax.problems.steps import random_directions, step_sizes
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation

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
_EXPORT: Witness = "AMICI's JAX export"
# Both reach AMICI's llh at tight tolerances (rtol 1e-12 and 1e-10) much closer than this.
_SAME_LLH = 1e-6
_OF_AMICI_S_LLH: tuple[Witness, ...] = ("finite differences", _EXPORT)
_TIGHT_SECONDS = 300.0  # for one simulation of the gradient at tight tolerances


def audit_gradient(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    entries: Entries = "auto",
    roadrunner: bool = True,
    jax_export: bool | None = None,
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
        jax_export: whether AMICI's JAX export is asked, which takes up to some minutes; if not
            given, where entries are asked for by name or all.
        time_limit: seconds for libRoadRunner.
        evaluation: of the objective at theta with gradient, if it is at hand.
        go_on: called every now and then; what it raises ends the audit.

    Raises:
        ValueError: theta has the wrong shape, or an entry is no free parameter.

    Examples:
        >>> from amijax import AmiciObjective, audit_gradient, load_problem
        >>> problem = load_problem("Conversion_Reaction")
        >>> audit = audit_gradient(AmiciObjective(problem), problem.nominal_theta)
        >>> audit.verdict, audit.llh.witness
        ('right', 'closed form')
        >>> all(entry.digits > 6 for entry in audit.gradient)
        True
    """
    if jax_export is None:
        jax_export = asks_for_entries(entries)
    return _Auditor(objective, theta, roadrunner, jax_export, time_limit, go_on).audit(
        entries, evaluation
    )


def asks_for_entries(entries: Entries) -> bool:
    """Whether entries are asked for one by one, and not as it takes."""
    return entries not in ("auto", "none") and len(entries) > 0


class _Auditor:
    """One audit under way."""

    def __init__(
        self,
        objective: AmiciObjective,
        theta: ArrayLike,
        roadrunner: bool,
        jax_export: bool,
        time_limit: float,
        go_on: Callable[[], None],
    ) -> None:
        self._objective, self._problem = objective, objective.problem
        self._theta = self._problem.checked(theta)
        self._n = self._problem.n_parameters
        self._roadrunner, self._jax_export = roadrunner, jax_export
        self._time_limit, self._go_on = time_limit, go_on
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
        witnesses: dict[Witness, Concurrently] = {}
        try:
            if self._roadrunner:
                witnesses["libRoadRunner"] = Concurrently("libRoadRunner", self._ask_roadrunner)
            if self._jax_export:
                witnesses[_EXPORT] = Concurrently(_EXPORT, self._ask_jax_export)
            forms = closed_form(self._problem, self._theta)
            tight = tight_objective(self._objective, self._theta, evaluation.cpu_seconds)
            per_simulation = self._ask_directions(tight, gradient)
            positions = self._choose(asked, gradient, per_simulation)
            self._ask_entries(tight, positions)
            consistent = self._ask_tight(tight, positions)
            self._ask_other_sensitivities(evaluation, positions)
            heard = {who: witness.wait(self._go_on) for who, witness in witnesses.items()}
        except BaseException:
            for witness in witnesses.values():
                witness.cancel()
            raise
        is_doubted = "libRoadRunner" in heard and not self._hear_roadrunner(
            *heard["libRoadRunner"], evaluation
        )
        if _EXPORT in heard:
            self._hear_jax_export(*heard[_EXPORT], tight, evaluation)
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

    def _ask_jax_export(self, go_on: Callable[[], None]) -> tuple[Testimony, Testimony]:
        return jax_export_testimony(self._problem, self._theta, go_on=go_on)

    def _hear_jax_export(
        self,
        llh: Testimony,
        gradient: Testimony,
        tight: AmiciObjective | None,
        evaluation: Evaluation,
    ) -> None:
        """Take down what it says of llh; of the gradient if it is of the same llh."""
        if llh.reason:
            self._refusals.append(llh.reason)
            return
        self._llh_claims += _claims(llh, 0)
        known = evaluation.llh
        if tight is not None:
            known = tight.evaluate_batch([self._theta], gradient=False)[0].llh
        value, uncertainty = float(llh.values[0]), float(llh.uncertainty[0])
        if not abs(value - known) <= uncertainty + _SAME_LLH * max(1.0, abs(known)):
            self._refusals.append(
                f"{_EXPORT}: its llh is {value:.10g} ± {uncertainty:.1g}, AMICI's {known:.10g}, "
                "so its gradient is that of something else."
            )
            return
        for i in range(self._n):
            self._entry_claims.setdefault(i, []).extend(_claims(gradient, i))

    def _llh_verdict(
        self, evaluation: Evaluation, warnings: tuple[Finding, ...]
    ) -> QuantityVerdict:
        why_not = next(iter(self._refusals), "no independent witness was asked.")
        verdict = judge(
            "llh", evaluation.llh, self._llh_claims, abs(evaluation.llh), kind="llh",
            why_not=why_not,
        )  # fmt: skip
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
        """Derivatives of a wrong llh confirm nothing: libRoadRunner's own take their place."""
        if llh_is_wrong:
            self._why_not = "llh itself is wrong, so its differences confirm nothing."
            for i, claims in self._entry_claims.items():
                self._entry_claims[i] = [c for c in claims if c.witness not in _OF_AMICI_S_LLH]
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
