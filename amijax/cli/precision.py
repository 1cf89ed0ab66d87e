"""The command that shows where the digits of a gradient go."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    method_options,
    opened_problem,
    point_of,
    point_options,
    solver_choice,
    table,
)
from amijax.cluster.errors import ClusterError
from amijax.json_values import json_text
from amijax.precisions import PRECISIONS

if TYPE_CHECKING:
    from amijax.precision import QuantityPrecision, Study
    from amijax.precision.work_precision import WorkPoint


@click.command("precision", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@point_options
@click.option("--rtol", type=float, help="Relative tolerance.  [default: auto]")
@click.option("--atol", type=float, help="Absolute tolerance.  [default: auto]")
@method_options
@click.option(
    "--parameter",
    "parameters",
    metavar="ID",
    multiple=True,
    help="Study this gradient entry only, which is faster. Repeatable.  [default: all]",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Sweep bits and tolerances and predict the error from curvature as well.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def precision_command(
    problem: str,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    parameters: tuple[str, ...],
    everything: bool,
    as_json: bool,
    **solver: Any,
) -> None:
    """How many digits of llh and of each gradient entry are right, and what limits them.

    The float32 error is split by stage; accuracy is what witnesses other than AMICI confirm
    (`audit`), self-consistent digits are those of AMICI at tight tolerances, noise is found by
    moving theta in its last bits. Exit status: 0 done, 1 the simulation
    failed, 2 wrong use.
    """
    opened = opened_problem(problem, scales=scales)
    theta = point_of(opened, assignments, scaled)
    choice = solver_choice(**solver)

    from amijax.jax_setup import set_up_jax

    set_up_jax()
    from amijax.auto import settle
    from amijax.precision import PIECE_NAMES, study_precision

    objective = compiled_objective(opened)
    settled = settle(objective, theta, choice)
    if settled.evaluation.failure is not None:
        raise click.ClickException(str(settled.evaluation.failure))
    try:
        study = study_precision(
            settled.objective,
            theta,
            parameters=parameters or None,
            pieces=PIECE_NAMES if everything else ("budget", "reference", "audit", "noise"),
            on_progress=None if as_json else _progress_printer(),
        )
    except ClusterError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json_text(_study_as_json(study), indent=2))
    else:
        click.echo("\n".join(_as_text(study)))
    sys.exit(0)


def _study_as_json(study: Study) -> dict[str, Any]:
    """A study as what `precision --json` prints."""
    reference = study.reference
    assert reference is not None
    llh, *entries = [_entry_as_json(entry) for entry in study.verdicts]
    del llh["parameter"]
    content: dict[str, Any] = {
        "problem": study.problem_id,
        "solver": study.solver.as_dict(),
        "reference": {
            "rtol": reference.solver.rtol if reference.values.is_finite else None,
            "atol": reference.solver.atol if reference.values.is_finite else None,
            "converged": reference.converged,
        },
        "llh": llh,
        "parameters": entries,
    }
    if study.bits is not None:
        content["bits"] = {
            "mantissa_bits": study.bits.mantissa_bits,
            "errors": study.bits.errors,
            "formats": {
                form.name: {"errors": errors, "out_of_range": lost}
                for form, errors, lost in zip(
                    study.bits.formats,
                    study.bits.format_errors,
                    study.bits.out_of_range,
                    strict=True,
                )
            },
        }
    if study.tolerances is not None:
        sweep = study.tolerances
        content["tolerances"] = {"rtols": sweep.rtols, "atol": sweep.atol} | {
            name: {
                "errors": sweep.errors[i],
                "seconds": sweep.seconds[i],
            }
            for i, name in enumerate(PRECISIONS)
        }
    if study.work is not None:
        work = study.work
        content["work_precision"] = {
            "uncertainty": work.uncertainty,
            "float32_floor": work.float32_floor,
            "lines": {name: _work_as_json(points) for name, points in work.lines.items()},
            "marked": _work_as_json(tuple(work.marked.values())),
        }
    if study.curvature is not None:
        curvature = study.curvature
        content["curvature"] = {
            "method": curvature.method,
            "misses": curvature.misses,
            "hessian_condition": curvature.hessian_condition,
            "predicted": curvature.predicted,
            "measured": curvature.measured,
            "condition": curvature.condition,
            "outcomes": curvature.outcomes,
        }
    return content


def _work_as_json(points: tuple[WorkPoint, ...]) -> list[dict[str, Any]]:
    return [
        {"solver": p.settings.as_dict(), "error": p.error, "milliseconds": p.seconds * 1e3}
        for p in points
    ]


def _entry_as_json(entry: QuantityPrecision) -> dict[str, Any]:
    return {
        "parameter": entry.quantity,
        "amici": entry.amici,
        "float64": entry.float64,
        "float32": entry.float32,
        "reference": entry.reference,
        "stages": entry.stages,
        "digits_agreement": entry.digits_agreement,
        "digits_float32": entry.digits_float32,
        "verdict": entry.verdict,
        "digits_accuracy": entry.digits_accuracy,
        "digits_accuracy_float32": entry.digits_accuracy_float32,
        "digits_self_consistent": entry.digits_self_consistent,
        "digits_self_consistent_float32": entry.digits_self_consistent_float32,
        "digits_reference": entry.digits_reference,
        "spread": entry.spread,
        "digits_noise": entry.digits_noise,
        "limited_by": entry.limited_by,
        "sentence": entry.sentence,
        "audit": entry.audit,
    }


def _progress_printer() -> Any:
    """Name each piece once, on stderr."""
    seen: list[str] = []

    def show(piece: str, _done: int, _total: int) -> None:
        if piece not in seen:
            seen.append(piece)
            click.echo(f"{piece} ...", err=True)

    return show


def _as_text(study: Study) -> list[str]:
    from amijax.precision import STAGES
    from amijax.precision.story import story

    reference = study.reference
    assert reference is not None
    against = (
        f"reference at {reference.solver}"
        + ("" if reference.converged else ", which has not converged")
        if reference.values.is_finite
        else "no reference: no tighter tolerances work"
    )
    columns = ["", "float64", "float32", "reference", *STAGES]
    columns += ["agreement", "float32", "self-consistent", "accuracy", "noise", "verdict"]
    columns += ["limited by"]
    rows = [
        [
            entry.quantity,
            *(f"{x:.9g}" for x in (entry.float64, entry.float32, entry.reference)),
            *(f"{x:.0e}" for x in entry.stages),
            *(
                f"{x:.1f}"
                for x in (
                    entry.digits_agreement,
                    entry.digits_float32,
                    entry.digits_self_consistent,
                    entry.digits_accuracy,
                    entry.digits_noise,
                )
            ),
            entry.verdict,
            entry.limited_by,
        ]
        for entry in study.verdicts
    ]
    paragraphs = [text.replace("**", "").replace("`", "") for text in story(study)]
    return [
        f"{study.problem_id}, {study.solver}; {against}",
        "Stages: what each adds to the float32 error, relative. Then digits.",
        "",
        *table(rows, columns),
        *(line for text in paragraphs for line in ("", text)),
    ]
