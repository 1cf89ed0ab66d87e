"""The command that shows where the digits of a gradient go."""

from __future__ import annotations

import sys
from pathlib import Path
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
from amijax.files import write_atomically
from amijax.json_values import json_text
from amijax.precisions import PRECISIONS

if TYPE_CHECKING:
    from amijax.precision import QuantityPrecision, Study
    from amijax.precision.export_line import ExportLine
    from amijax.precision.work_precision import WorkPoint
    from amijax.problems import Problem


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
@click.option(
    "--jax-export",
    is_flag=True,
    help="Measure AMICI's JAX export (diffrax) along its tolerances too; JAX compiles for long.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the work-precision diagram as a web page: the gradient's error against time for "
    "each method. For all parameters only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def precision_command(
    problem: str,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    parameters: tuple[str, ...],
    everything: bool,
    jax_export: bool,
    html: Path | None,
    as_json: bool,
    **solver: Any,
) -> None:
    """How many digits of llh and of each gradient entry are right, and what limits them.

    The float32 error is split by stage; accuracy is what witnesses other than AMICI confirm
    (`audit`), self-consistent digits are those of AMICI at tight tolerances, noise is found by
    moving theta in its last bits. Exit status: 0 done, 1 the simulation
    failed, 2 wrong use.
    """
    if parameters and (jax_export or html is not None):
        raise click.UsageError(
            "Work against precision is of the gradient as a whole: leave out --parameter, or "
            "leave out --html and --jax-export."
        )
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
            pieces=(
                *(PIECE_NAMES if everything else ("budget", "reference", "audit", "noise")),
                *(("work",) if html is not None or jax_export else ()),
                *(("export",) if jax_export else ()),
            ),
            on_progress=None if as_json else _progress_printer(),
        )
    except ClusterError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if html is not None:
        _write_diagram(study, opened, html)
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
    if study.export is not None:
        content["jax_export"] = _export_as_json(study.export)
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


def _export_as_json(export: ExportLine) -> dict[str, Any]:
    return {
        "export_seconds": export.export_seconds,
        "compile_seconds": export.compile_seconds,
        "points": [
            {"rtol": p.rtol, "atol": p.atol, "error": p.error, "milliseconds": p.seconds * 1e3}
            for p in export.points
        ],
        "missing": export.missing,
    }


def _write_diagram(study: Study, problem: Problem, path: Path) -> None:
    """Write the work-precision diagram as a web page."""
    from amijax.figures import web_page, work_precision_figure
    from amijax.sharing.points import point_in_words

    if study.work is None:
        raise click.ClickException(
            "There is no work-precision diagram: AMICI does not simulate at tighter tolerances."
        )
    title = f"{study.problem_id}: error of the gradient against CPU time, by method"
    lines = (point_in_words(problem, study.theta), str(study.solver))
    page = web_page(work_precision_figure(study.work, study.export), title, lines, "work_precision")
    try:
        write_atomically(path, page.encode())
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}.") from error


def _work_rows(study: Study) -> list[str]:
    """Work against precision as a table; nothing where it was not measured."""
    rows: list[tuple[str, float, float, float]] = []
    if study.work is not None:
        for name, points in (*study.work.lines.items(), *(
            (name, (point,)) for name, point in study.work.marked.items()
        )):  # fmt: skip
            rows += [(name, p.settings.rtol, p.error, p.seconds) for p in points]
    if study.export is not None:
        rows += [("AMICI's JAX export", p.rtol, p.error, p.seconds) for p in study.export.points]
    if not rows:
        return []
    lines = ["", "Work against precision: error of the gradient in norm, CPU time", ""]
    lines += table(
        [[name, f"{rtol:.0e}", f"{error:.1e}", f"{1e3 * s:.3g}"] for name, rtol, error, s in rows],
        ["method", "rtol", "error", "ms"],
    )
    if study.export is not None:
        lines += [
            "",
            "AMICI's JAX export: "
            + (
                f"written in {study.export.export_seconds:.3g} s, compiled in "
                f"{study.export.compile_seconds:.3g} s, once. "
                if study.export.points
                else ""
            )
            + study.export.missing,
        ]
    return lines


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
        *_work_rows(study),
        *(line for text in paragraphs for line in ("", text)),
    ]
