"""The command that follows profiles of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    digits_option,
    level_option,
    opened_problem,
    optimizer_option,
    point_of,
    point_options,
    prepare_for,
    priors_option,
    resume_option,
    table,
    tuned_settings,
)
from amijax.json_values import json_text
from amijax.problems import ProblemError
from amijax.simulation.settings import SolverChoice

if TYPE_CHECKING:
    from amijax.identifiability.profile import ProfileProgress
    from amijax.identifiability.profile_record import ProfileResult


@click.command("profile", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@click.option("--all", "every", is_flag=True, help="All parameters, which is the default.")
@click.option(
    "--parameter", "parameters", multiple=True, metavar="ID", help="One of them. Repeatable."
)
@point_options
@optimizer_option
@digits_option(
    "Digits of the gradient, 1 to 10: the fastest solver settings that give them.  [default: "
    "AMICI's default tolerances, larger ones where these fail]"
)
@priors_option
@level_option
@click.option(
    "--restart", is_flag=True, help="Start anew from a better optimum that comes up on the way."
)
@resume_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the profiles as a web page, whose buttons save PNG and SVG.",
)  # fmt: skip
def profile_command(
    problem: str,
    every: bool,
    parameters: tuple[str, ...],
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    optimizer: str,
    digits: float | None,
    priors: bool,
    level: float,
    restart: bool,
    resume: bool,
    as_json: bool,
    html: Path | None,
) -> None:
    """How far each parameter can go before the data refuse it, all others optimised anew.

    A local optimisation from nominal (or --set) comes first. Sides of profiles run on all cores
    (on the cluster that AMIJAX_DASK_SCHEDULER names), and are kept on disk as they go: profiles
    that were interrupted go on when they are asked for again. Exit status: 0 done, 1 the first
    point can't be evaluated, or FILE can't be written, 2 wrong use.
    """
    if every and parameters:
        raise click.UsageError("--all and --parameter exclude each other: give one of them.")
    opened = opened_problem(problem, scales=scales)
    theta = point_of(opened, assignments, scaled)
    prepare_for(2 * (opened.n_parameters if every or not parameters else len(parameters)))
    from amijax.cluster.client import executor_of_setting
    from amijax.cluster.errors import ClusterError
    from amijax.fit.processes import WorkerError
    from amijax.fit.solver import settled_for_fit
    from amijax.identifiability.exports import profiles_as_json
    from amijax.identifiability.profile import NoOptimumError, profile

    objective = settled_for_fit(compiled_objective(opened), SolverChoice(), optimizer)
    if digits is not None:
        found = tuned_settings(objective.with_executor(None), digits)
        click.echo(f"{opened.problem_id}: {found.summary}", err=True)
        objective = objective.with_solver(found.settings)
    try:
        result = profile(
            objective, parameters or None, theta=theta, optimizer=optimizer, priors=priors,
            level=level, restart=restart, resume=resume, executor=executor_of_setting(),
            on_progress=_progress_printer(opened.problem_id),
        )  # fmt: skip
    except KeyboardInterrupt:
        raise click.ClickException(
            "The profiles were interrupted. What they have is kept: the same command goes on from "
            "there."
        ) from None
    except (ClusterError, WorkerError, NoOptimumError) as error:
        raise click.ClickException(str(error)) from error
    except (ProblemError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if html is not None:
        _write(result, html)
    if as_json:
        click.echo(json_text(profiles_as_json(result), indent=2))
    else:
        click.echo("\n".join(_as_text(result)))


def _as_text(result: ProfileResult) -> list[str]:
    from amijax.identifiability.findings import profile_findings
    from amijax.identifiability.verdicts import interval_in_words

    optimum = result.optimum
    what = "llh" if optimum.log_prior is None else "llh + log prior"
    lines = [
        f"{result.problem_id}: {what} {optimum.value:.8g} at the optimum, {result.gain:.2g} above "
        f"the point that was given; {100 * result.level:.4g} % are {result.threshold:.4g} below",
        f"{result.optimizer}, {result.workers} at a time, {result.seconds:.1f} s; {result.solver}",
    ]
    if result.n_restarts:
        lines.append(f"Started anew {result.n_restarts} times from better optima")
    rows = [
        [
            each.parameter,
            each.verdict,
            each.scale,
            f"{each.optimum:.6g}",
            interval_in_words(*each.interval),
            interval_in_words(*each.interval_linear),
            len(each.points),
            each.n_evaluations,
        ]
        for each in result.profiles
    ]
    columns = [
        "parameter", "verdict", "scale", "optimum", "interval", "on linear scale", "points",
        "evaluations",
    ]  # fmt: skip
    return [
        *lines,
        "",
        *table(rows, columns),
        "",
        *(each.sentence for each in result.profiles),
        "",
        *(f"Warning: {finding}" for finding in profile_findings(result)),
    ]


def _write(result: ProfileResult, path: Path) -> None:
    from amijax.figures import profiles_figure, web_page
    from amijax.files import write_atomically

    page = web_page(
        profiles_figure(result), f"{result.problem_id}: profiles",
        (f"{result.optimizer}, {result.solver}",), f"{result.problem_id}_profiles",
    )  # fmt: skip
    try:
        write_atomically(path, page)
    except OSError as error:
        raise click.ClickException(
            f"{path} can't be written: {error.strerror or error}."
        ) from error


def _progress_printer(problem_id: str) -> Any:
    """A progress callback that says on stderr how many sides are over, whenever that changes."""
    said: tuple[Any, ...] = ()

    def show(progress: ProfileProgress) -> None:
        nonlocal said
        now = (progress.phase, progress.sides_over)
        if now == said:
            return
        said = now
        words = {
            "optimum": "optimising before the profiles ...",
            "profiles": f"{progress.sides_over} of {progress.sides} sides of profiles",
            "better": "a better optimum came up; optimising from it ...",
        }[progress.phase]
        click.echo(f"{problem_id}: {words}", err=True)

    return show
