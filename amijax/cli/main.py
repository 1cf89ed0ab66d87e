"""The command line: everything that the pages show, without a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from amijax._version import __version__
from amijax.cli.audit import audit_command
from amijax.cli.check import check_command
from amijax.cli.convert import convert_command
from amijax.cli.fit import fit_command
from amijax.cli.identify import identify_command
from amijax.cli.lesson import lesson_command
from amijax.cli.precision import precision_command
from amijax.cli.problems import download_command, list_command
from amijax.cli.profile import profile_command
from amijax.cli.script import script_command
from amijax.cli.shared import (
    PROBLEM_HELP,
    SentenceGroup,
    compiled_objective,
    digits_option,
    method_options,
    opened_problem,
    phase_printer,
    point_of,
    point_options,
    precision_option,
    repairs_option,
    solver_choice,
    table,
    tuned_settings,
    warnings_as_json,
)
from amijax.cli.tune import tune_command
from amijax.json_values import json_text
from amijax.paths import cache_sentence
from amijax.problems import ProblemError, log_prior
from amijax.simulation.settings import (
    ASKED_SENSITIVITIES,
    DEFAULT_TIME_LIMIT,
    STEADY_STATES,
    SolverChoice,
)

if TYPE_CHECKING:
    from amijax.comparison import Comparison
    from amijax.precisions import Precision


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="amijax")
def main() -> None:
    """AMICI and JAX side by side for PEtab problems."""


main.add_command(list_command)
main.add_command(download_command)
main.add_command(audit_command)
main.add_command(check_command)
main.add_command(fit_command)
main.add_command(identify_command)
main.add_command(convert_command)
main.add_command(lesson_command)
main.add_command(precision_command)
main.add_command(profile_command)
main.add_command(script_command)
main.add_command(tune_command)


@main.command("compile", epilog=PROBLEM_HELP)
@click.argument("problems", metavar="PROBLEM...", nargs=-1, required=True)
def compile_command(problems: tuple[str, ...]) -> None:
    """Compile the models of problems into the cache."""
    from amijax.models.lookup import CompileError, find_model, get_model

    status = 0
    for name in problems:
        try:
            problem = opened_problem(name)
        except click.ClickException as error:
            error.show()
            status = max(status, error.exit_code)
            continue
        try:
            known = find_model(problem)
            model = known or get_model(problem, on_progress=phase_printer(problem.problem_id))
        except (CompileError, ProblemError, OSError) as error:
            words = cache_sentence(error) if isinstance(error, OSError) else str(error)
            click.echo(f"{problem.problem_id}: {words}", err=True)
            status = max(status, 1)
            continue
        if known is None:
            state = f"compiled in {model.seconds['total']:.1f} s"
        else:
            state = f"was compiled before (in {model.seconds['total']:.1f} s)"
        click.echo(f"{problem.problem_id}: {state}, {model.path}")
    sys.exit(status)


def _steady_state_option(name: str, explanation: str) -> Callable[[Any], Any]:
    return click.option(
        name,
        type=click.Choice(STEADY_STATES),
        default=SolverChoice.steady_state,
        show_default=True,
        help=f"{explanation} For problems with preequilibration.",
    )


@main.command("evaluate", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@precision_option
@point_options
@digits_option(
    "Digits of the gradient, 1 to 10: the fastest settings that give them, found by `tune`, in the "
    "place of all other options of the solver."
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
    type=click.Choice(ASKED_SENSITIVITIES),
    default=SolverChoice.sensitivities,
    show_default=True,
    help="How AMICI computes the gradient; auto is the faster one whose result agrees.",
)
@_steady_state_option("--steady-state", "How a steady state is computed.")
@_steady_state_option("--steady-state-sensitivities", "How its sensitivities are computed.")
@method_options
@repairs_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def evaluate_command(
    problem: str,
    precision: Precision,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    repairs: bool,
    digits: float | None,
    as_json: bool,
    **solver: Any,
) -> None:
    """Log-likelihood and gradient from AMICI and from AMICI inside JAX.

    Gradients are with respect to the parameters on their PEtab scale; rel_diff is
    (amici - jax) / |amici|. Without --rtol and --atol, AMICI's default tolerances are tried
    first, then larger ones until the simulation works. Exit status: 0 done, 1 the simulation
    failed, 2 wrong use.
    """
    opened = opened_problem(problem, repairs, scales)
    theta = point_of(opened, assignments, scaled)
    choice = solver_choice(**solver)

    from amijax.jax_setup import set_up_jax

    set_up_jax()
    from amijax.auto import settle
    from amijax.comparison import compare

    objective = compiled_objective(opened)
    if digits is not None:
        found = tuned_settings(objective, digits)
        click.echo(f"{opened.problem_id}: {found.summary}", err=True)
        choice = SolverChoice.of(found.settings)
    settled = settle(objective, theta, choice)
    for attempt in settled.attempts:
        click.echo(f"Failed with {attempt.solver}: {attempt.failure}", err=True)
    prior = log_prior(opened, theta)
    comparison = compare(settled.objective, theta, precision, amici=settled.evaluation)
    if as_json:
        content = _comparison_as_json(comparison)
        content["log_prior"] = prior
        content["warnings"] = warnings_as_json(settled.objective.warnings_at(theta))
        content["repairs"] = [asdict(repair) for repair in settled.objective.repairs]
        click.echo(json_text(content, indent=2))
    else:
        click.echo(_comparison_as_text(comparison))
        for warning in settled.objective.warnings_at(theta):
            if warning not in opened.warnings:  # those were said when it was opened
                click.echo(f"Not to be trusted: {warning.message}")
        if prior is not None:
            total = comparison.llh_amici + prior
            click.echo(f"Log-prior {prior:.15g}, llh + log-prior {total:.15g}")
    sys.exit(1 if comparison.failure else 0)


def _comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as what `evaluate --json` prints."""
    failure = comparison.failure
    return {
        "problem": comparison.problem_id,
        "precision": comparison.precision,
        "status": "failed" if failure else "ok",
        "failure": failure
        and {
            "condition": failure.condition,
            "time": failure.time,
            "kind": failure.kind,
            "status": failure.status,
            "message": failure.message,
            "remedy": failure.remedy,
        },
        "llh": {
            "amici": comparison.llh_amici,
            "jax": comparison.llh_jax,
            "rel_diff": comparison.llh_rel_diff,
        },
        "gradient": [
            {
                "parameter": name,
                **{k: v for k, v in row.items() if k != "linear"},
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
