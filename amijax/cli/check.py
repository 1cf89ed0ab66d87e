"""The command that checks problems as a whole."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from amijax.cli.shared import table
from amijax.json_values import json_text
from amijax.problems import list_problems

if TYPE_CHECKING:
    from amijax.checks.check import CheckResult


@click.command("check")
@click.argument("problems", metavar="[PROBLEM...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All problems that `list` names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check_command(problems: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Compile and evaluate problems at nominal, and compare with what is known of them.

    PROBLEM is an id that `list` names, or the path of a PEtab YAML file. One problem is checked
    in this process, several each in its own. The results are kept and shown on the dashboard.
    Exit status: 0 done, 1 a problem that was named is not ok or, with --all, one with a stored
    reference does not agree with it, 2 wrong use.
    """
    if everything == bool(problems):
        raise click.UsageError("Name the problems to check, or give --all.")
    names = tuple(info.problem_id for info in list_problems()) if everything else problems
    results = _check_here(names[0]) if len(names) == 1 else _check_apart(names)
    if as_json:
        click.echo(json_text({"problems": [asdict(result) for result in results]}, indent=2))
        for result in results:
            if result.status in ("failed", "unavailable"):
                click.echo(f"{result.problem_id}: {result.explanation}", err=True)
    else:
        click.echo("\n".join(_as_text(results)))
    if everything:
        sys.exit(any(result.agrees_with_reference is False for result in results))
    sys.exit(any(result.status != "ok" for result in results))


def _check_here(name: str) -> tuple[CheckResult, ...]:
    from amijax.jax_setup import set_up_jax

    set_up_jax()
    from amijax.checks.check import check_problem

    return (check_problem(name),)


def _check_apart(names: tuple[str, ...]) -> tuple[CheckResult, ...]:
    from amijax.checks.run import CheckRun

    run = CheckRun(names)
    seen = 0
    try:
        while not (progress := run.wait(0.5)).is_over or seen < len(progress.done):
            for result in progress.done[seen:]:
                click.echo(f"{result.problem_id}: {result.status}", err=True)
            seen = len(progress.done)
    except KeyboardInterrupt:
        run.cancel()
        raise
    return progress.done


def _as_text(results: tuple[CheckResult, ...]) -> list[str]:
    columns = ["problem", "status", "compile s", "llh", "reference", "digits", "float64", "float32"]
    columns += ["audit", "llh ms", "gradient ms", "atol"]
    rows = [
        [
            r.problem_id,
            r.status,
            _number(r.compile_seconds, ".1f"),
            _number(r.llh, ".10g"),
            _number(r.reference_llh, ".10g"),
            _number(r.reference_digits, ".1f"),
            _number(r.rel_diff_float64, ".0e"),
            _number(r.rel_diff_float32, ".0e"),
            r.verdict or "",
            _number(None if r.llh_seconds is None else r.llh_seconds * 1e3, ".1f"),
            _number(None if r.gradient_seconds is None else r.gradient_seconds * 1e3, ".1f"),
            _number(None if r.solver is None else r.solver["atol"], "g"),
        ]
        for r in results
    ]
    notes = [
        f"{r.problem_id}: {note}"
        for r in results
        for note in (
            *([r.explanation] if r.explanation else []),
            *([f"Audit: {r.audit}"] if r.audit else []),
            *(f"Warning: {warning}" for warning in r.warnings),
            *(f"Changed in the model: {repair}" for repair in r.repairs),
        )
    ]
    return [*table(rows, columns), *([""] if notes else []), *notes]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
