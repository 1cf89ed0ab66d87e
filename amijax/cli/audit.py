"""The command that holds llh and gradient against witnesses that are not AMICI."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    method_options,
    opened_problem,
    point_of,
    point_options,
    repairs_option,
    solver_choice,
    table,
    warnings_as_json,
)
from amijax.json_values import json_text
from amijax.simulation.settings import ASKED_SENSITIVITIES, SolverChoice

if TYPE_CHECKING:
    from amijax.audit.audit import Entries
    from amijax.audit.record import Audit
    from amijax.audit.verdicts import QuantityVerdict


@click.command("audit", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@point_options
@click.option(
    "--entries",
    metavar="all|ID,...",
    default="auto",
    help="Gradient entries that get finite differences of their own, and AMICI's JAX export as a "
    "witness: all, none, or some parameters'.  [default: all where that takes seconds, else those "
    "in doubt; without the export]",
)
@click.option("--rtol", type=float, help="Relative tolerance.  [default: auto]")
@click.option("--atol", type=float, help="Absolute tolerance.  [default: auto]")
@click.option(
    "--sensitivities",
    type=click.Choice(ASKED_SENSITIVITIES),
    default=SolverChoice.sensitivities,
    show_default=True,
    help="How AMICI computes the gradient that is audited.",
)
@method_options
@repairs_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def audit_command(
    problem: str,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    entries: str,
    repairs: bool,
    as_json: bool,
    **solver: Any,
) -> None:
    """Whether llh and gradient are right, by witnesses that are not AMICI.

    llh by libRoadRunner, which simulates the SBML file itself; the gradient by finite differences
    along random directions, then entry by entry; with --entries by AMICI's JAX export as well,
    which takes up to some minutes. A number is right (a witness confirms so many digits), wrong
    (one contradicts) or unproven. Exit status: 0 nothing is wrong, 1 something is, or the
    simulation failed, 2 wrong use.
    """
    opened = opened_problem(problem, repairs, scales)
    theta = point_of(opened, assignments, scaled)
    choice = solver_choice(**solver)
    from amijax.audit.audit import audit_gradient
    from amijax.auto import settle

    objective = compiled_objective(opened).with_executor(None)
    settled = settle(objective, theta, choice)
    try:
        audit = audit_gradient(
            settled.objective, theta, entries=_entries(entries), evaluation=settled.evaluation
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json_text(audit_as_json(audit), indent=2))
    else:
        click.echo("\n".join(_as_text(audit)))
    failed = settled.evaluation.failure is not None
    sys.exit(1 if audit.anything_wrong or failed else 0)


def _entries(text: str) -> Entries:
    if text == "auto" or text == "all" or text == "none":
        return text
    return tuple(name.strip() for name in text.split(",") if name.strip())


def audit_as_json(audit: Audit) -> dict[str, Any]:
    """An audit as what `audit --json` prints."""
    return {
        "problem": audit.problem_id,
        "warnings": warnings_as_json(audit.warnings),
        "llh": {**_numbers(audit.llh), "sentence": _sentence(audit.llh)},
        "gradient": [
            {
                "parameter": entry.quantity,
                **_numbers(entry),
                "digits_self_consistent": _finite(self_consistent),
                "sentence": _sentence(entry),
            }
            for entry, self_consistent in zip(
                audit.gradient, audit.digits_self_consistent, strict=True
            )
        ],
        "directions": {
            "tried": audit.directions.tried,
            "agree": audit.directions.agree,
            "digits": audit.directions.digits,
        },
        "refusals": list(audit.refusals),
        "seconds": audit.seconds,
        "gradient_seconds": audit.gradient_seconds,
    }


def _numbers(entry: QuantityVerdict) -> dict[str, Any]:
    return {
        "value": entry.value,
        "verdict": entry.verdict,
        "digits": entry.digits,
        "witness": entry.witness,
        "witness_value": entry.witness_value,
        "uncertainty": entry.uncertainty,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _sentence(entry: QuantityVerdict) -> str:
    return f"{entry.sentence} {entry.cause}".strip()


def _as_text(audit: Audit) -> list[str]:
    rows = [
        [
            entry.quantity,
            f"{entry.value:.10g}",
            entry.verdict,
            "" if entry.digits is None else f"{entry.digits:.1f}",
            "" if entry.witness_value is None else f"{entry.witness_value:.10g}",
            "" if entry.uncertainty is None else f"{entry.uncertainty:.0e}",
            entry.witness or "",
        ]
        for entry in (audit.llh, *audit.gradient)
    ]
    tried, agree = audit.directions.tried, audit.directions.agree
    return [
        f"{audit.problem_id}, {audit.solver}",
        "",
        *table(rows, ["", "amici", "verdict", "digits", "witness", "±", "by"]),
        "",
        audit.summary,
        f"Random directions: {agree} of {tried} agree with the gradient.",
        *(
            f"{entry.quantity}: {_sentence(entry)}"
            for entry in (audit.llh, *audit.gradient)
            if entry.verdict != "right"
        ),
        *(f"Not heard: {refusal}" for refusal in audit.refusals),
        *(f"Not to be trusted: {warning.message}" for warning in audit.warnings if warning.code),
        f"{audit.seconds:.1f} s; one gradient {audit.gradient_seconds * 1e3:.1f} ms",
    ]
