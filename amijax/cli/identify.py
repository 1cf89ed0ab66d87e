"""The command that says what the curvature at a point says of its parameters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    level_option,
    opened_problem,
    point_of,
    point_options,
    priors_option,
    table,
)
from amijax.json_values import json_text
from amijax.problems import ProblemError
from amijax.simulation.settings import SolverChoice

if TYPE_CHECKING:
    from amijax.identifiability.record import Identifiability

# As `amijax.simulation.hessians.METHODS`, which would take AMICI with it.
_METHODS = ("differences", "ggn", "fisher")


@click.command("identify", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@point_options
@click.option(
    "--method", type=click.Choice(_METHODS), default="differences", show_default=True,
    help="Of the second derivatives: differences of gradients, with measured errors; the "
    "generalised Gauss-Newton matrix; AMICI's Fisher information.",
)  # fmt: skip
@priors_option
@level_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def identify_command(
    problem: str,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    method: Any,
    priors: bool,
    level: float,
    as_json: bool,
) -> None:
    """Which parameters the data determine at a point, and how well, to first order.

    Eigenvalues of minus the second derivative of llh + log prior with their noise, standard errors
    and intervals on the PEtab scale and on linear scale, correlations, and flat directions in
    words. Exit status: 0 done, 1 there are no second derivatives, 2 wrong use.
    """
    opened = opened_problem(problem, scales=scales)
    theta = point_of(opened, assignments, scaled)
    from amijax.fit.solver import settled_for_fit
    from amijax.identifiability.exports import curvature_as_json
    from amijax.identifiability.local import identify

    objective = settled_for_fit(compiled_objective(opened), SolverChoice(), "fides")
    try:
        result = identify(
            objective.with_executor(None), theta, method=method, priors=priors, level=level
        )
    except (ProblemError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json_text(curvature_as_json(result), indent=2))
    else:
        click.echo("\n".join(_as_text(result)))
    sys.exit(1 if result.failure else 0)


def _as_text(result: Identifiability) -> list[str]:
    from amijax.identifiability.findings import local_findings
    from amijax.identifiability.verdicts import interval_in_words

    lines = [
        f"{result.problem_id}: llh {result.llh:.8g}, second derivatives by {result.method}, "
        f"{result.evaluations} gradients, {result.seconds:.1f} s; {result.solver}"
    ]
    if result.failure is None:
        rows = [
            [
                name,
                result.scales[i],
                f"{result.theta[i]:.6g}",
                f"{result.standard_errors[i]:.3g}",
                interval_in_words(*result.intervals[i]),
                interval_in_words(*result.intervals_linear[i]),
            ]
            for i, name in enumerate(result.parameter_ids)
        ]
        interval = f"{100 * result.level:.4g} % interval"
        columns = ["parameter", "scale", "theta", "standard error", interval, "on linear scale"]
        values = [
            [f"{value:.4g}", f"{noise:.1e}", "yes" if value > result.noise else "no"]
            for value, noise in zip(result.eigenvalues, result.eigenvalue_noise, strict=True)
        ]
        lines += [
            "",
            *table(rows, columns),
            "",
            f"Rank {result.rank} of {result.n_parameters}; what is below {result.noise:.2g} is "
            "noise. Per unit squared: a decade or factor e on logarithmic scales, else the "
            "parameter's size.",
            *table(values, ["eigenvalue", "noise", "counts"]),
        ]
        if result.directions:
            lines += ["", *(f"{each.kind}: {each.sentence}" for each in result.directions)]
    return [*lines, "", *(f"Warning: {finding}" for finding in local_findings(result))]
