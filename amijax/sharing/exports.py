"""The current state as a PEtab parameter table, and everything about it as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from petab.v1 import C

from amijax.comparison import Comparison
from amijax.json_values import json_text
from amijax.precisions import Precision
from amijax.problems.problem import Problem
from amijax.scales import to_scaled
from amijax.simulation.failures import Failure
from amijax.versions import versions

REVISION = 1


def parameter_table(problem: Problem, theta: ArrayLike) -> str:
    """The problem's parameter table with theta as nominal values, as PEtab's tab-separated text.

    nominalValue is on linear scale, whatever the parameter's scale. A parameter at its nominal
    value keeps the table's number. Read back and scaled, others are theta exactly on linear scale;
    on a logarithmic one exactly (a last bit may differ) where |theta| > 1, while nearer to 0,
    where linear numbers are coarser than theta, they differ by up to 2.3e-16.

    Args:
        problem: gives the table.
        theta: shape (n_parameters,), on the PEtab scale.

    Raises:
        ValueError: theta has the wrong shape, or a value that is not finite, or overflows or
            underflows on linear scale.
    """
    theta = problem.checked(theta)
    p = np.where(theta == problem.nominal_theta, problem.nominal_p, problem.linear(theta))
    if not np.isfinite(to_scaled(p, problem.scales)).all():
        raise ValueError("theta has a value that has no finite counterpart on linear scale.")
    table = problem.petab_problem.parameter_df.copy()
    table[C.NOMINAL_VALUE] = table[C.NOMINAL_VALUE].astype(np.float64)
    table.loc[list(problem.parameter_ids), C.NOMINAL_VALUE] = p
    if problem.petab_version == "2":  # which has no scales, and words in the place of numbers
        table = table.drop(columns=C.PARAMETER_SCALE)
        table[C.ESTIMATE] = np.where(table[C.ESTIMATE] == 1, "true", "false")
    text: str = table.to_csv(sep="\t", lineterminator="\n")
    return text


def state_as_json(
    comparisons: Mapping[Precision, Comparison], *, extra: Mapping[str, Any] | None = None
) -> str:
    """Everything about a state as JSON text: theta, llh, gradients, solver, durations, versions.

    Numbers keep every bit; those that are not finite are null. Gradients are with respect to
    theta, in the order of `parameters`.

    Args:
        comparisons: of one point, by precision, at least one.
        extra: more to put in, as JSON takes it.

    Raises:
        ValueError: there is no comparison.
    """
    if not comparisons:
        raise ValueError("There is no comparison to export.")
    first = next(iter(comparisons.values()))
    content: dict[str, Any] = {
        "format": "amijax state",
        "revision": REVISION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "problem": first.problem_id,
        "parameters": list(first.parameter_ids),
        "scales": list(first.scales),
        "theta": first.theta,
        "linear": first.p,
        "solver": first.solver.as_dict(),
        "repair": first.repair,
        "amici": {
            "llh": first.llh_amici,
            "gradient": first.gradient_amici,
            "failure": _failure(first.failure_amici),
        },
        "jax": {
            precision: {
                "llh": c.llh_jax,
                "llh_rel_diff": c.llh_rel_diff,
                "gradient": c.gradient_jax,
                "gradient_rel_diff": c.gradient_rel_diff,
                "failure": _failure(c.failure_jax),
                "seconds": asdict(c.timings),
            }
            for precision, c in comparisons.items()
        },
        **(extra or {}),
    }
    return json_text(content, indent=1)


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else asdict(failure)
