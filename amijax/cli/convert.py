"""The command that writes a PEtab v1 problem as PEtab v2."""

from __future__ import annotations

from pathlib import Path

import click

from amijax.cli.shared import PROBLEM_HELP, opened_problem
from amijax.problems import ProblemError


@click.command("convert", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write, new or empty.",
)  # fmt: skip
def convert_command(problem: str, output: Path) -> None:
    """Write a PEtab v1 problem as PEtab v2, by PEtab's own converter.

    Says what is changed (scales and priors, for example), and evaluates both at nominal: nothing
    is written unless llh is the same. Exit status: 0 done, 1 it can't be converted or is another
    problem afterwards, 2 wrong use.
    """
    opened = opened_problem(problem)
    if opened.petab_version == "2":
        raise click.UsageError(f"{opened.problem_id} is a PEtab v2 problem already.")
    from amijax.models.lookup import CompileError
    from amijax.sharing.conversion import convert

    try:
        done = convert(opened, output)
    except (ProblemError, CompileError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"{output} can't be written: {error.strerror or error}."
        ) from error
    click.echo(f"{done.path}: {opened.problem_id} in PEtab v2.")
    for change in done.changes:
        click.echo(f"- {change}")
    if done.scales:
        words = " ".join(f"--scales {name}={scale}" for name, scale in done.scales.items())
        click.echo(f"- To have the scales that it had: {words}")
    else:
        click.echo("- Theta has the scales that it had by default.")
    click.echo(f"llh at nominal: {done.llh_v1:.15g} in PEtab v1, {done.llh_v2:.15g} in v2.")
