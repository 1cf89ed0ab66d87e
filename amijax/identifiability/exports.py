"""Uncertainty as plain data: what the commands print as JSON, and the page exports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amijax.identifiability.findings import local_findings, profile_findings
from amijax.identifiability.profile_record import Profile, ProfileResult
from amijax.identifiability.record import Identifiability
from amijax.problems.findings import Finding


def curvature_as_json(result: Identifiability) -> dict[str, Any]:
    """What `identify --json` prints."""
    bounds = {-1: "lower", 0: None, 1: "upper"}
    return {
        "problem": result.problem_id,
        "method": result.method,
        "level": result.level,
        "llh": result.llh,
        "log_prior": result.log_prior,
        "is_optimum": result.is_optimum,
        "expected_gain": result.expected_gain,
        "n_parameters": result.n_parameters,
        "rank": result.rank,
        "noise": result.noise,
        "eigenvalues": result.eigenvalues,
        "eigenvalue_noise": result.eigenvalue_noise,
        "units": result.units,
        "directions": [
            {
                "kind": each.kind,
                "parameters": each.parameters,
                "eigenvalue": each.eigenvalue,
                "components": dict(
                    zip(result.parameter_ids, each.components.tolist(), strict=True)
                ),
                "sentence": each.sentence,
            }
            for each in result.directions
        ],
        "parameters": [
            {
                "parameter": name,
                "scale": result.scales[i],
                "theta": result.theta[i],
                "standard_error": result.standard_errors[i],
                "standard_error_linear": result.standard_errors_linear[i],
                "interval": result.intervals[i],
                "interval_linear": result.intervals_linear[i],
                "at_bound": bounds[int(result.at_bounds[i])],
            }
            for i, name in enumerate(result.parameter_ids)
        ],
        "correlations": result.correlations,
        "warnings": _warnings(local_findings(result)),
        "failure": str(result.failure) if result.failure else None,
        "evaluations": result.evaluations,
        "solver": result.solver.as_dict(),
        "seconds": result.seconds,
    }


def profiles_as_json(result: ProfileResult) -> dict[str, Any]:
    """What `profile --json` prints."""
    optimum, better = result.optimum, result.better
    return {
        "problem": result.problem_id,
        "optimizer": result.optimizer,
        "level": result.level,
        "threshold": result.threshold,
        "start": {"value": result.start_value, "theta": _by_id(result, result.theta_start)},
        "optimum": {
            "llh": optimum.llh,
            "log_prior": optimum.log_prior,
            "value": optimum.value,
            "theta": _by_id(result, optimum.theta),
        },
        "better": better
        and {
            "value": better.value,
            "gain": better.gain,
            "theta": _by_id(result, better.theta),
            "parameter": better.parameter,
        },
        "solver_error": result.solver_error,
        "restarts": result.n_restarts,
        "parameters": [_profile_as_json(each, optimum.value) for each in result.profiles],
        "warnings": _warnings(profile_findings(result)),
        "solver": result.solver.as_dict(),
        "seconds": result.seconds,
    }


def _profile_as_json(profile: Profile, value: float) -> dict[str, Any]:
    return {
        "parameter": profile.parameter,
        "scale": profile.scale,
        "verdict": profile.verdict,
        "optimum": profile.optimum,
        "interval": profile.interval,
        "interval_linear": profile.interval_linear,
        "open_ends": profile.open_ends,
        "points": [
            {"theta": x, "value": y, "below_optimum": value - y}
            for x, y in zip(profile.points.tolist(), profile.values.tolist(), strict=True)
        ],
        "sentence": profile.sentence,
        "evaluations": profile.n_evaluations,
        "seconds": profile.seconds,
    }


def _by_id(result: ProfileResult, theta: Any) -> dict[str, float]:
    return dict(zip(result.parameter_ids, theta.tolist(), strict=True))


def _warnings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [{"code": f.code, "message": str(f), "parameters": list(f.parameters)} for f in findings]
