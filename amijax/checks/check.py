"""Checking a problem as a whole: does it compile, evaluate, and agree with what is known of it?"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from amijax._version import __version__
from amijax.audit.audit import audit_gradient
from amijax.audit.verdicts import Verdict
from amijax.auto import settle
from amijax.comparison import Comparison, compare_precisions, rel_diff
from amijax.digits import digits
from amijax.files import write_atomically
from amijax.json_values import json_text
from amijax.logs import unexpected
from amijax.models.lookup import CompileError, DamagedModelError, get_model
from amijax.objective import AmiciObjective
from amijax.paths import cache_dir, cache_sentence
from amijax.problems import ProblemError, list_problems, load_problem
from amijax.simulation.settings import SolverChoice

# The references were computed at rtol and atol 1e-8, which leaves some six digits.
REFERENCE_TOLERANCE = 1e-5
# Both sides do the same arithmetic but for some roundings of the chain rule.
AGREEMENT_TOLERANCE = 1e-12

Status = Literal["ok", "differs", "failed", "unavailable"]


@dataclass(frozen=True)
class CheckResult:
    """What a check found; a problem's row on the collection page. All at nominal parameters.

    Attributes:
        problem_id: the problem.
        status: ok, differs (from the reference, or JAX from AMICI without an explanation),
            failed (can't be compiled or simulated), or unavailable (can't be opened).
        explanation: why, in words; empty if there is nothing to explain.
        compile_seconds: what compiling the model took.
        llh: log-likelihood from AMICI.
        reference_llh: the stored reference.
        reference_digits: digits in which they agree.
        rel_diff_float64, rel_diff_float32: largest |rel_diff| of llh and gradient.
        round_trip_exact: whether 10**theta and back gives the same theta, bit for bit.
        llh_seconds, gradient_seconds: duration of an evaluation.
        solver: the settings that auto found.
        verdict: of the audit of llh and of the gradient along random directions: right, wrong or
            unproven; None where nothing was audited.
        audit: what the witnesses say, a sentence.
        repairs: what was changed in the model, as sentences.
        warnings: what is not to be trusted, as sentences.
        versions: of amijax, AMICI and JAX.
        checked: date and time, UTC.
    """

    problem_id: str
    status: Status
    explanation: str = ""
    compile_seconds: float | None = None
    llh: float | None = None
    reference_llh: float | None = None
    reference_digits: float | None = None
    rel_diff_float64: float | None = None
    rel_diff_float32: float | None = None
    round_trip_exact: bool | None = None
    llh_seconds: float | None = None
    gradient_seconds: float | None = None
    solver: dict[str, Any] | None = None
    verdict: Verdict | None = None
    audit: str = ""
    repairs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: dict[str, str] | None = None
    checked: str = ""

    @property
    def agrees_with_reference(self) -> bool | None:
        """Whether llh is the reference's; None without a reference or without the problem's
        files, False where it could not be computed.
        """
        if self.reference_llh is None or self.status == "unavailable":
            return None
        if self.llh is None:
            return False
        return abs(self.llh - self.reference_llh) <= REFERENCE_TOLERANCE * abs(self.reference_llh)


def check_problem(problem_id: str, choice: SolverChoice | None = None) -> CheckResult:
    """Compile and evaluate a problem at nominal, and compare; never raises.

    JAX's 64-bit mode must be on. The result is kept on disk for `known_results`.

    Args:
        problem_id: an id or the path of a YAML file.
        choice: solver settings; auto if not given.
    """
    common: dict[str, Any] = {
        "problem_id": problem_id,
        "versions": {"amijax": __version__, "amici": version("amici"), "jax": version("jax")},
        "checked": datetime.now(UTC).isoformat(timespec="seconds"),
        "reference_llh": _reference(problem_id),
    }
    try:
        return _keep(_checked(problem_id, choice or SolverChoice(), common))
    except OSError as error:
        explanation = cache_sentence(error)
    except Exception as error:  # one bad problem must not end the check of many
        explanation = unexpected(error)
    return _keep(CheckResult(status="failed", explanation=explanation, **common))


def _checked(problem_id: str, choice: SolverChoice, common: dict[str, Any]) -> CheckResult:
    try:
        problem = load_problem(problem_id)
    except ProblemError as error:
        return CheckResult(status="unavailable", explanation=str(error), **common)
    try:
        model = get_model(problem)
        common["compile_seconds"] = model.seconds["total"]
        objective = AmiciObjective(problem, model=model)
    except (CompileError, DamagedModelError, ProblemError) as error:
        return CheckResult(status="failed", explanation=str(error), **common)
    common["repairs"] = tuple(repair.message for repair in objective.repairs)
    settled = settle(objective, problem.nominal_theta, choice)
    common["solver"] = settled.evaluation.solver.as_dict()
    common["warnings"] = tuple(str(warning) for warning in settled.objective.warnings)
    if settled.evaluation.failure is not None:
        explanation = str(settled.evaluation.failure)
        return CheckResult(status="failed", explanation=explanation, **common)
    comparisons = compare_precisions(
        settled.objective, problem.nominal_theta, amici=settled.evaluation
    )
    start = time.perf_counter()
    settled.objective.llh(problem.nominal_theta)
    common["llh_seconds"] = time.perf_counter() - start
    common["gradient_seconds"] = settled.evaluation.wall_seconds
    common["llh"] = settled.evaluation.llh
    audit = audit_gradient(
        settled.objective, problem.nominal_theta, entries="none", evaluation=settled.evaluation
    )
    common["verdict"], common["audit"] = audit.verdict, audit.summary
    return _judge(common, settled.objective, comparisons["float64"], comparisons["float32"])


def known_results() -> dict[str, CheckResult]:
    """The latest result of every problem that was ever checked, by id."""
    results = {}
    for path in sorted(_folder().glob("*.json")) if _folder().is_dir() else ():
        try:
            result = from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue  # written by another version, or damaged: as if it were never checked
        results[result.problem_id] = result
    return results


def from_json(content: dict[str, Any]) -> CheckResult:
    """A result from what `dataclasses.asdict` made of it.

    Raises:
        TypeError: something is missing.
    """
    known = {field.name for field in fields(CheckResult)}
    values = {name: value for name, value in content.items() if name in known}
    for name in ("repairs", "warnings"):
        values[name] = tuple(values.get(name, ()))
    return CheckResult(**values)


def _judge(
    common: dict[str, Any], objective: AmiciObjective, float64: Comparison, float32: Comparison
) -> CheckResult:
    """Compare with the reference and explain what differs."""
    status: Status = "ok"
    explanations = []
    reference = common["reference_llh"]
    if reference is not None:
        common["reference_digits"] = float(digits(common["llh"], reference))
        if abs(common["llh"] - reference) > REFERENCE_TOLERANCE * abs(reference):
            status = "differs"
            explanations.append(
                f"llh {common['llh']:.10g} agrees with the reference {reference:.10g} in only "
                f"{common['reference_digits']:.1f} digits."
            )
    exact = np.array_equal(float64.theta_inside, float64.theta)
    worst = _largest(float64)
    if float64.failure is not None:
        status = "differs"
        explanations.append(f"JAX in float64 failed: {float64.failure}")
    elif worst > AGREEMENT_TOLERANCE:
        # The same simulation at the point that JAX's arithmetic leads to: if that explains all,
        # the difference is how strongly the solver reacts to the last bits of theta.
        _, alone = objective.llh_and_gradient(float64.theta_inside)
        left = np.abs(rel_diff(alone, float64.gradient_jax)).max()
        if not exact and left <= AGREEMENT_TOLERANCE:
            moved = np.abs(float64.theta_inside - float64.theta).max()
            explanations.append(
                f"10**theta and back moves theta by up to {moved:.0e}; at the moved point AMICI "
                f"alone agrees with JAX to {left:.0e}. The difference of {worst:.0e} is "
                "solver noise."
            )
        else:
            status = "differs"
            explanations.append(f"JAX in float64 differs from AMICI by {worst:.1e}.")
    if float32.failure is not None:
        explanations.append(f"JAX in float32 failed: {float32.failure.message}.")
    return CheckResult(
        status=status,
        explanation=" ".join(explanations),
        rel_diff_float64=_number(worst),
        rel_diff_float32=_number(_largest(float32)),
        round_trip_exact=exact,
        **common,
    )


def _largest(comparison: Comparison) -> float:
    every = np.append(comparison.gradient_rel_diff, comparison.llh_rel_diff)
    return float(np.abs(every).max())


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _reference(problem_id: str) -> float | None:
    for info in list_problems():
        if info.problem_id == problem_id and info.features is not None:
            return info.features.reference_llh
    return None


def _folder() -> Path:
    return cache_dir() / "checks"


def _keep(result: CheckResult) -> CheckResult:
    with suppress(OSError, ValueError):  # without a cache, or with a name that no file can have
        path = _folder() / f"{Path(result.problem_id).name}.json"
        write_atomically(path, json_text(asdict(result), indent=1))
    return result
