"""What several commands share: opening a problem, options for points and solver, tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from amijax.cluster.client import executor_of_setting
from amijax.cores import available_cores
from amijax.logs import unexpected
from amijax.paths import cache_sentence, dask_scheduler
from amijax.precisions import PRECISIONS
from amijax.problems import (
    DownloadError,
    DownloadProgress,
    OnDownload,
    Problem,
    ProblemError,
    load_problem,
)
from amijax.scales import FloatArray
from amijax.simulation.settings import OPTIONS, SETTERS, SolverChoice
from amijax.simulation.settings_help import SETTING_HELP

if TYPE_CHECKING:
    from amijax.objective import AmiciObjective
    from amijax.problems.findings import Finding
    from amijax.problems.scale_choice import ScaleChoice
    from amijax.tuning.record import Tuning

PROBLEM_HELP = (
    "PROBLEM is an id that `list` names, or the path of a PEtab YAML file. A problem of the "
    "collection that is not here yet is downloaded."
)


precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float64",
    show_default=True,
    help="What JAX computes in.",
)


repairs_option = click.option(
    "--repairs/--no-repairs",
    default=True,
    help="Whether the model is changed where AMICI would be wrong; without, to see what AMICI "
    "makes of it.",
)


scales_option = click.option(
    "--scales",
    metavar="SCALE|ID=SCALE",
    multiple=True,
    help="Scale of theta for a PEtab v2 problem, which has none of its own: lin, log or log10, for "
    "all parameters or for one; repeatable.  [default: log10 where bounds and nominal value are "
    "positive and the bounds more than two decades apart, else lin]",
)

# As `amijax.fit.optimizers.OPTIMIZERS`, which would take AMICI with it.
OPTIMIZERS = ("fides", "scipy-lbfgsb", "least-squares")
optimizer_option = click.option(
    "--optimizer", type=click.Choice(OPTIMIZERS), default="fides", show_default=True,
    help="How llh is climbed; least-squares is for normal noise.",
)  # fmt: skip
priors_option = click.option(
    "--priors/--no-priors", default=True, show_default=True,
    help="Whether the parameter table's objective priors count.",
)  # fmt: skip
level_option = click.option(
    "--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95,
    show_default=True, help="Of the intervals.",
)  # fmt: skip
resume_option = click.option(
    "--resume/--fresh", default=True, show_default=True,
    help="Whether to go on from what an earlier run of the same left on disk.",
)  # fmt: skip


def point_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options `--set`, `--scaled/--linear` and `--scales`, which say where it is evaluated."""
    command = scales_option(command)
    command = click.option(
        "--scaled/--linear",
        default=True,
        show_default=True,
        help="Whether --set gives values on the scale of theta or on linear scale.",
    )(command)
    return click.option(
        "--set",
        "assignments",
        metavar="ID=VALUE",
        multiple=True,
        help="Set a parameter; the others stay at nominal. Repeatable.",
    )(command)


def method_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each of the solver's rarer settings, for example `--atol-fsa`."""
    for name in reversed(SETTERS):
        known = SETTING_HELP[name]
        command = click.option(
            f"--{name.replace('_', '-')}",
            type=click.Choice(OPTIONS[name]) if name in OPTIONS else float,
            help=f"{known.text}  [default: {known.default}]",
        )(command)
    return command


def opened_problem(name: str, repairs: bool = True, scales: Sequence[str] = ()) -> Problem:
    """A problem by its id or path, downloaded if need be; what is wrong ends the command.

    Warnings about its files go to standard error.
    """
    try:
        problem = load_problem(
            name, repair=repairs, scales=_scale_choice(scales), on_download=download_printer()
        )
    except DownloadError as error:
        raise click.ClickException(str(error)) from error
    except ProblemError as error:
        raise click.UsageError(str(error)) from error
    for warning in problem.warnings:
        click.echo(f"{problem.problem_id}: {warning}", err=True)
    return problem


def _scale_choice(options: Sequence[str]) -> ScaleChoice | None:
    """What `--scales` asks for; the latest of several for all parameters counts."""
    if not options:
        return None
    given = dict(option.partition("=")[::2] for option in options if "=" in option)
    everywhere = [option for option in options if "=" not in option]
    if everywhere and given:
        raise click.UsageError(
            "--scales takes one scale for all parameters, or scales of single ones, not both."
        )
    return cast("ScaleChoice", everywhere[-1] if everywhere else given)


def point_of(problem: Problem, assignments: tuple[str, ...], scaled: bool) -> FloatArray:
    """The theta that `point_options` give; what can't be used of them is wrong use."""
    try:
        return problem.theta_from(_parse_assignments(assignments), linear=not scaled)
    except ProblemError as error:
        raise click.UsageError(str(error)) from error


def solver_choice(**values: Any) -> SolverChoice:
    """What options ask of the solver; what can't be used of them is wrong use."""
    choice, complaints = SolverChoice.read(values)
    if complaints:
        raise click.UsageError(" ".join(complaints))
    return choice


def digits_option(explanation: str) -> Callable[..., Any]:
    """The option `--digits`."""
    return click.option("--digits", type=click.FloatRange(1, 10), help=explanation)


def tuned_settings(
    objective: AmiciObjective, digits: float | None, own: Sequence[FloatArray] = ()
) -> Tuning:
    """The fastest settings with so many digits, from the disk or found now.

    What a search will take, how far it is, and what is not reached go to standard error.
    """
    from amijax.tuning.found import forecast, stored_tuning, tuned

    known = stored_tuning(objective, digits, own)
    if known is not None:
        return known
    name = objective.problem.problem_id
    click.echo(f"{name}: searching settings, about {forecast(objective):.0f} s ...", err=True)
    return tuned(objective, digits, points=own)


def prepare_for(n_tasks: int) -> None:
    """Start the processes of long work now, so that they load while the problem is made ready."""
    from amijax.fit.worker_processes import prepare_workers

    if n_tasks > 1 and dask_scheduler() is None:
        prepare_workers(n_tasks)


def compiled_objective(problem: Problem) -> AmiciObjective:
    """A problem's objective on all cores, its model compiled if need be; else the command ends."""
    from amijax.models.lookup import CompileError, DamagedModelError, get_model
    from amijax.objective import AmiciObjective

    try:
        model = get_model(problem, on_progress=phase_printer(problem.problem_id))
        return AmiciObjective(
            problem,
            model=model,
            num_threads=available_cores(),
            executor=executor_of_setting(),
        )
    except (CompileError, DamagedModelError, ProblemError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(cache_sentence(error)) from error


def _parse_assignments(assignments: tuple[str, ...]) -> dict[str, float]:
    """The values that `--set` gives, by parameter."""
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        try:
            values[name.strip()] = float(text)
        except ValueError:
            equals = ""
        if not equals:
            raise click.UsageError(
                f"--set takes ID=VALUE with a number as value, for example k_phos=4.2; "
                f"it was given {assignment!r}."
            )
    return values


def phase_printer(problem_id: str) -> Callable[[Any], None]:
    """A progress callback that names each phase of a compile once, on stderr."""
    seen: list[str] = []

    def show(progress: Any) -> None:
        if progress.phase and (not seen or seen[-1] != progress.phase):
            seen.append(progress.phase)
            click.echo(f"{problem_id}: {progress.phase} ({progress.elapsed:.0f} s)", err=True)

    return show


def download_printer() -> OnDownload:
    """A progress callback that names each file that is fetched once, on stderr."""
    last, said = "", ""

    def show(progress: DownloadProgress) -> None:
        nonlocal last, said
        name, kilobytes = progress.problem_id, f"{progress.bytes_done / 1e3:,.0f} kB"
        if not progress.file and progress.bytes_done:
            click.echo(f"{name}: downloaded, {kilobytes}", err=True)
            if progress.unverified:
                files = ", ".join(progress.unverified)
                click.echo(f"{name}: not checked, since no SHA-256 is known: {files}", err=True)
        elif progress.file == last != said:  # the second call for a file: data came
            said = last
            which = f"{progress.files_done + 1} of {progress.files_total}"
            click.echo(f"{name}: file {which}, {progress.file}", err=True)
        last = progress.file

    return show


def warnings_as_json(warnings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Warnings about a problem as `evaluate --json` prints them."""
    return [{"code": w.code, "message": str(w), "parameters": list(w.parameters)} for w in warnings]


def table(rows: list[list[Any]], columns: list[str]) -> list[str]:
    """Lines of a text table with aligned columns."""
    cells = [columns, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    ]


class SentenceGroup(click.Group):
    """Commands whose unexpected exceptions end with a sentence, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; with AMIJAX_DEBUG=1 exceptions stay what they are."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("AMIJAX_DEBUG") == "1":
                raise
            raise click.ClickException(unexpected(error)) from error
