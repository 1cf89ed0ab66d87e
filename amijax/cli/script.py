"""The command that writes a state as a Python script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    method_options,
    opened_problem,
    point_of,
    point_options,
    precision_option,
    repairs_option,
)
from amijax.precisions import Precision
from amijax.problems import ProblemError
from amijax.sharing.script import script
from amijax.simulation.settings import SENSITIVITIES, SolverSettings

_DEFAULT = SolverSettings()


@click.command("script", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@precision_option
@point_options
@repairs_option
@click.option(
    "--rtol", type=float, default=_DEFAULT.rtol, show_default=True, help="Relative tolerance."
)
@click.option(
    "--atol", type=float, default=_DEFAULT.atol, show_default=True, help="Absolute tolerance."
)
@click.option(
    "--max-steps", type=int, default=_DEFAULT.max_steps, show_default=True,
    help="Most solver steps between outputs.",
)  # fmt: skip
@click.option(
    "--time-limit", type=float, default=_DEFAULT.time_limit, show_default=True,
    help="Seconds for one simulation.",
)  # fmt: skip
@click.option(
    "--sensitivities",
    type=click.Choice(SENSITIVITIES),
    default=_DEFAULT.sensitivities,
    show_default=True,
    help="How AMICI computes the gradient.",
)
@method_options
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.  [default: standard output]",
)  # fmt: skip
def script_command(
    problem: str,
    precision: Precision,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    repairs: bool,
    output: Path | None,
    **solver: Any,
) -> None:
    """Write a Python script that computes llh and gradient, with AMICI and with AMICI inside JAX.

    The script needs amici, petab, jax and numpy, but not amijax. It takes the path of the
    problem's YAML file as its argument; without one it looks where the file is now. Exit status:
    0 done, 1 the file can't be written, 2 wrong use.
    """
    opened = opened_problem(problem, repairs, scales)
    given = {name: value for name, value in solver.items() if value is not None}
    try:
        theta = point_of(opened, assignments, scaled)
        text = script(opened, theta, SolverSettings(**given), precision)
    except (ProblemError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{output} can't be written: {error.strerror or error}."
        ) from error
