"""The command that finds the fastest settings for the digits asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    digits_option,
    opened_problem,
    point_of,
    point_options,
    table,
    tuned_settings,
)
from amijax.json_values import json_text
from amijax.simulation.settings import SolverSettings

if TYPE_CHECKING:
    from amijax.tuning.record import Tuning


@click.command("tune", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@digits_option(
    "Digits of the gradient, 1 to 10, as a whole (in norm).  [default: as many as AMICI's default "
    "settings give]"
)
@point_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def tune_command(
    problem: str,
    digits: float | None,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    as_json: bool,
) -> None:
    """The fastest solver settings whose gradient has so many digits.

    They are measured at nominal, at nine points around it within the bounds, and at the point
    that --set gives, against AMICI at tight tolerances and against finite differences of the
    log-likelihood. What was found is kept: `evaluate --digits` uses it. Exit status: 0 the digits
    are reached, 1 they are not, or witnesses confirm fewer, 2 wrong use.
    """
    opened = opened_problem(problem, scales=scales)
    own = [point_of(opened, assignments, scaled)] if assignments else []
    objective = compiled_objective(opened).with_executor(None)
    found = tuned_settings(objective, digits, own)
    if as_json:
        click.echo(json_text(tuning_as_json(found), indent=2))
    else:
        click.echo("\n".join(_as_text(found)))
    sys.exit(0 if found.outcome == "reached" else 1)


def tuning_as_json(tuning: Tuning) -> dict[str, Any]:
    """A search as what `tune --json` prints."""
    return {
        "problem": tuning.problem_id,
        "asked": tuning.asked,
        "outcome": tuning.outcome,
        "digits": tuning.digits,
        "digits_measured": tuning.digits_measured,
        "digits_confirmed": tuning.digits_confirmed,
        "solver": tuning.settings.as_dict(),
        "milliseconds": tuning.seconds * 1e3,
        "baseline": tuning.baseline.as_dict(),
        "baseline_milliseconds": tuning.baseline_seconds * 1e3,
        "ratio": tuning.ratio,
        "points": [
            {
                "name": point.name,
                "theta": point.theta,
                "gradient": point.gradient,
                "reference": point.reference,
                "error": point.error,
                "error_baseline": point.error_baseline,
                "digits_confirmed": point.digits_confirmed,
            }
            for point in tuning.points
        ],
        "skipped": list(tuning.skipped),
        "tried": [
            {
                "solver": tried.settings.as_dict(),
                "errors": list(tried.errors),
                "milliseconds": tried.seconds * 1e3,
            }
            for tried in tuning.table
        ],
        "seconds": tuning.search_seconds,
    }


def _as_text(tuning: Tuning) -> list[str]:
    rows = [
        [
            point.name,
            f"{point.error_baseline:.1e}",
            f"{point.error:.1e}",
            f"{point.digits_measured:.1f}",
            "" if point.digits_confirmed is None else f"{point.digits_confirmed:.1f}",
        ]
        for point in tuning.points
    ]
    columns = ["point", "error, baseline", "error, tuned", "digits", "confirmed"]
    return [
        f"{tuning.problem_id}: {tuning.settings}",
        "",
        tuning.summary,
        "",
        *table(rows, columns),
        *(f"Not used: {sentence}" for sentence in tuning.skipped),
        "",
        f"To use them: {_options(tuning.settings)}",
        f"{len(tuning.table)} settings tried in {tuning.search_seconds:.1f} s.",
    ]


def _options(settings: SolverSettings) -> str:
    """The settings as options of `evaluate`."""
    default = SolverSettings().as_dict()
    words = []
    for name, value in settings.as_dict().items():
        if value != default[name] or name in ("rtol", "atol", "sensitivities"):
            shown = value if isinstance(value, str) else f"{value:g}"
            words.append(f"--{name.replace('_', '-')} {shown}")
    return " ".join(words)
