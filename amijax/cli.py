"""The command line: everything that the pages show, without a browser."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from amijax._version import __version__
from amijax.cli_check import check_command
from amijax.cli_problems import download_command, download_printer, list_command, table
from amijax.problems import DownloadError, Problem, ProblemError, load_problem, log_prior
from amijax.solver import DEFAULT_TIME_LIMIT, SolverChoice, SteadyState

if TYPE_CHECKING:
    from amijax.comparison import Comparison, Precision

PROBLEM_HELP = (
    "PROBLEM is an id that `list` names, or the path of a PEtab YAML file. A problem of the "
    "collection that is not here yet is downloaded."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="amijax")
def main() -> None:
    """AMICI and JAX side by side for PEtab problems."""


main.add_command(list_command)
main.add_command(download_command)
main.add_command(check_command)


@main.command("compile", epilog=PROBLEM_HELP)
@click.argument("problems", metavar="PROBLEM...", nargs=-1, required=True)
def compile_command(problems: tuple[str, ...]) -> None:
    """Compile the models of problems into the cache."""
    from amijax.models import CompileError, find_model, get_model

    failed = False
    for problem in [_load(name) for name in problems]:
        try:
            known = find_model(problem)
            model = known or get_model(problem, on_progress=_phase_printer(problem.problem_id))
        except (CompileError, ProblemError) as error:
            click.echo(f"{problem.problem_id}: {error}", err=True)
            failed = True
            continue
        if known is None:
            state = f"compiled in {model.seconds['total']:.1f} s"
        else:
            state = f"was compiled before (in {model.seconds['total']:.1f} s)"
        click.echo(f"{problem.problem_id}: {state}, {model.path}")
    sys.exit(1 if failed else 0)


def _steady_state_option(name: str, explanation: str) -> Callable[[Any], Any]:
    return click.option(
        name,
        type=click.Choice(get_args(SteadyState)),
        default="integrationOnly",
        show_default=True,
        help=f"{explanation} For problems with preequilibration.",
    )


@main.command("evaluate", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float64"]),
    default="float64",
    show_default=True,
    help="What JAX computes in.",
)
@click.option(
    "--set",
    "assignments",
    metavar="ID=VALUE",
    multiple=True,
    help="Set a parameter; the others stay at nominal. Repeatable.",
)
@click.option(
    "--scaled/--linear",
    default=True,
    show_default=True,
    help="Whether --set gives values on the PEtab scale or on linear scale.",
)
@click.option("--rtol", type=float, help="Relative tolerance.  [default: auto]")
@click.option("--atol", type=float, help="Absolute tolerance.  [default: auto]")
@click.option("--max-steps", type=int, help="Most solver steps between outputs.  [default: auto]")
@click.option(
    "--time-limit",
    type=float,
    default=DEFAULT_TIME_LIMIT,
    show_default=True,
    help="Seconds for one simulation.",
)
@click.option(
    "--sensitivities",
    type=click.Choice(["auto", "forward", "adjoint"]),
    default="auto",
    show_default=True,
    help="How AMICI computes the gradient; auto is the faster one whose result agrees.",
)
@_steady_state_option("--steady-state", "How a steady state is computed.")
@_steady_state_option("--steady-state-sensitivities", "How its sensitivities are computed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def evaluate_command(
    problem: str,
    precision: Precision,
    assignments: tuple[str, ...],
    scaled: bool,
    rtol: float | None,
    atol: float | None,
    max_steps: int | None,
    time_limit: float,
    sensitivities: Literal["auto", "forward", "adjoint"],
    steady_state: SteadyState,
    steady_state_sensitivities: SteadyState,
    as_json: bool,
) -> None:
    """Log-likelihood and gradient from AMICI and from AMICI inside JAX.

    Gradients are with respect to the parameters on their PEtab scale; rel_diff is
    (amici - jax) / |amici|. Without --rtol and --atol, AMICI's default tolerances are tried
    first, then larger ones until the simulation works. Exit status: 0 done, 1 the simulation
    failed, 2 wrong use.
    """
    opened = _load(problem)
    try:
        theta = opened.theta_from(_parse_assignments(assignments), linear=not scaled)
    except ProblemError as error:
        raise click.UsageError(str(error)) from error

    from amijax.jax_setup import set_up_jax

    set_up_jax()
    from amijax.auto import settle
    from amijax.comparison import compare
    from amijax.models import CompileError, DamagedModelError, get_model
    from amijax.objective import AmiciObjective

    try:
        choice = SolverChoice(
            rtol=rtol,
            atol=atol,
            max_steps=max_steps,
            time_limit=time_limit,
            sensitivities=sensitivities,
            steady_state=steady_state,
            steady_state_sensitivities=steady_state_sensitivities,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        model = get_model(opened, on_progress=_phase_printer(opened.problem_id))
        objective = AmiciObjective(opened, model=model, num_threads=os.process_cpu_count() or 1)
    except (CompileError, DamagedModelError, ProblemError) as error:
        raise click.ClickException(str(error)) from error
    settled = settle(objective, theta, choice)
    for attempt in settled.attempts:
        click.echo(f"Failed with {attempt.solver}: {attempt.failure}", err=True)
    comparison = compare(settled.objective, theta, precision, amici=settled.evaluation)
    if as_json:
        click.echo(json.dumps(comparison_as_json(comparison), indent=2, allow_nan=False))
    else:
        click.echo(_comparison_as_text(comparison))
        if (prior := log_prior(opened, theta)) is not None:
            total = comparison.llh_amici + prior
            click.echo(f"Log-prior {prior:.15g}, llh + log-prior {total:.15g}")
    sys.exit(1 if comparison.failure else 0)


def comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as what `evaluate --json` prints: NaN and infinities are None."""
    failure = comparison.failure
    return {
        "problem": comparison.problem_id,
        "precision": comparison.precision,
        "status": "failed" if failure else "ok",
        "failure": failure
        and {
            "condition": failure.condition,
            "time": _finite(failure.time),
            "status": failure.status,
            "message": failure.message,
            "remedy": failure.remedy,
        },
        "llh": {
            "amici": _finite(comparison.llh_amici),
            "jax": _finite(comparison.llh_jax),
            "rel_diff": _finite(comparison.llh_rel_diff),
        },
        "gradient": [
            {
                "parameter": name,
                **{k: _finite(v) if k != "scale" else v for k, v in row.items() if k != "linear"},
            }
            for name, row in comparison.gradient_frame().to_dict("index").items()
        ],
        "solver": comparison.solver.as_dict(),
        "seconds": asdict(comparison.timings),
    }


def _comparison_as_text(comparison: Comparison) -> str:
    seconds = comparison.timings
    lines = [
        f"{comparison.problem_id}, JAX in {comparison.precision}, {comparison.solver}",
    ]
    if comparison.failure:
        lines += ["", f"Failed: {comparison.failure}"]
    rows = [["llh", "", "", *_numbers(comparison.llh_frame().iloc[0])]]
    for name, row in comparison.gradient_frame().iterrows():
        rows.append([name, row["scale"], f"{row['theta']:.6g}", *_numbers(row)])
    lines += ["", *table(rows, ["", "scale", "theta", "amici", "jax", "rel_diff"]), ""]
    lines.append(
        f"AMICI {seconds.amici_wall * 1e3:.1f} ms, AMICI in JAX {seconds.jax_wall * 1e3:.1f} ms "
        f"(and {seconds.jax_compile * 1e3:.0f} ms once for JAX's compilation)"
    )
    return "\n".join(lines)


def _numbers(row: Any) -> list[str]:
    return [f"{row['amici']:.15g}", f"{row['jax']:.15g}", f"{row['rel_diff']:.2e}"]


def _load(name: str) -> Problem:
    try:
        return load_problem(name, on_download=download_printer())
    except DownloadError as error:
        raise click.ClickException(str(error)) from error
    except ProblemError as error:
        raise click.UsageError(str(error)) from error


def _parse_assignments(assignments: tuple[str, ...]) -> dict[str, float]:
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


def _phase_printer(problem_id: str) -> Callable[[Any], None]:
    """A progress callback that names each phase of a compile once, on stderr."""
    seen: list[str] = []

    def show(progress: Any) -> None:
        if progress.phase and (not seen or seen[-1] != progress.phase):
            seen.append(progress.phase)
            click.echo(f"{problem_id}: {progress.phase} ({progress.elapsed:.0f} s)", err=True)

    return show


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
