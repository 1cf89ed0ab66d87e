"""The commands about problems: which there are, and downloading them."""

from __future__ import annotations

import sys
from typing import Any

import click

from amijax.cli.shared import download_printer, table
from amijax.json_values import json_text
from amijax.problems import (
    ProblemError,
    ProblemInfo,
    download_problem,
    list_problems,
)
from amijax.problems.names import nearest


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_command(as_json: bool) -> None:
    """List the problems there are, those to be downloaded as well; none is opened."""
    rows = [_listed(info) for info in list_problems()]
    if as_json:
        click.echo(json_text({"problems": rows}, indent=2))
        return
    columns = [
        *("problem", "source", "states", "parameters", "measurements", "conditions", "events"),
        *("noise", "priors", "reference"),
    ]
    click.echo("\n".join(table([[_cell(row[c]) for c in columns] for row in rows], columns)))


def _listed(info: ProblemInfo) -> dict[str, Any]:
    """A problem as `list --json` prints it; null where nothing is known before it is opened."""
    known = info.features
    return {
        "problem": info.problem_id,
        "source": info.source,
        "here": info.is_here,
        "path": None if info.path is None else str(info.path),
        "states": known and known.species,
        "parameters": known and known.estimated_parameters,
        "measurements": known and known.measurements,
        "observables": known and known.observables,
        "conditions": known and known.conditions,
        "preequilibration": known and known.preequilibration,
        "postequilibration": known and known.postequilibration,
        "events": known and known.events,
        "possible_discontinuities": known and known.possible_discontinuities,
        "noise": known and known.noise_distributions,
        "priors": known and known.objective_priors,
        "reference_llh": known and known.reference_llh,
        "reference": known and known.reference,
    }


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else str(value)


@click.command("download")
@click.argument("problems", metavar="[PROBLEM...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All problems that are not here yet.")
def download_command(problems: tuple[str, ...], everything: bool) -> None:
    """Download problems of the benchmark collection into the cache folder.

    PROBLEM is an id that `list` names. What is there and complete is checked, not fetched again.
    Exit status: 0 all are here, 1 one could not be had, 2 wrong use.
    """
    if everything == bool(problems):
        raise click.UsageError("Name the problems to download, or give --all.")
    known = {info.problem_id: info for info in list_problems()}
    if unknown := [name for name in problems if name not in known]:
        names = ", ".join(f"{name}{nearest(name, known, by_author=True)}" for name in unknown)
        raise click.UsageError(f"There is no problem {names}; `list` names them all.")
    failed = False
    for name in problems or [name for name, info in known.items() if not info.is_here]:
        info = known[name]
        if info.source in ("embedded", "local collection"):
            click.echo(f"{name}: {info.source}, {info.path}")
            continue
        try:
            download = download_problem(name, download_printer())
        except ProblemError as error:
            click.echo(f"{name}: {error}", err=True)
            failed = True
        else:
            click.echo(f"{name}: {download.path}")
    sys.exit(1 if failed else 0)
