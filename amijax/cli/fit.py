"""The command that fits a problem's parameters to its data."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    digits_option,
    opened_problem,
    optimizer_option,
    prepare_for,
    priors_option,
    resume_option,
    scales_option,
    table,
    tuned_settings,
    warnings_as_json,
)
from amijax.json_values import json_text
from amijax.simulation.settings import SolverChoice

if TYPE_CHECKING:
    from amijax.fit.multistart import FitProgress
    from amijax.fit.record import FitResult, Start


@click.command("fit", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="PROBLEM")
@scales_option
@click.option(
    "--starts", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
    help="Local optimisations, from random points within the bounds.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="S",
    help="Of the random points.",
)  # fmt: skip
@optimizer_option
@digits_option(
    "Digits of the gradient, 1 to 10: the fastest solver settings that give them.  [default: "
    "AMICI's default tolerances, larger ones where these fail]"
)
@click.option(
    "--search", is_flag=True,
    help="Look for the fastest solver settings whose error is no larger than that of AMICI's "
    "defaults; --digits always does.",
)  # fmt: skip
@click.option(
    "--coarse/--no-coarse", default=True,
    help="Whether starts go most of their way with coarser solver settings, and only the end with "
    "those above.",
)  # fmt: skip
@click.option(
    "--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="For all starts; those under way then keep their best point.  [default: none]",
)  # fmt: skip
@priors_option
@resume_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Keep all of the fit in a file that `amijax.load_fit` reads; with a name that ends in "
    ".h5 or .hdf5, in one that pyPESTO reads.",
)  # fmt: skip
def fit_command(
    problem: str,
    scales: tuple[str, ...],
    starts: int,
    seed: int,
    optimizer: str,
    digits: float | None,
    search: bool,
    coarse: bool,
    time_limit: float | None,
    priors: bool,
    resume: bool,
    as_json: bool,
    output: Path | None,
) -> None:
    """Fit parameters to data: local optimisations from many points, within the bounds.

    Starts run on all cores (on the cluster that AMIJAX_DASK_SCHEDULER names), and are kept on disk
    as they go: a fit that was interrupted goes on when it is asked for again. Exit status: 0 done,
    1 no start found a point that can be evaluated, or FILE can't be written, 2 wrong use.
    """
    opened = opened_problem(problem, scales=scales)
    prepare_for(starts)
    from amijax.cluster.errors import ClusterError
    from amijax.fit.multistart import fit
    from amijax.fit.processes import WorkerError
    from amijax.fit.solver import settled_for_fit
    from amijax.tuning.found import TuningWarning

    objective = settled_for_fit(compiled_objective(opened), SolverChoice(), optimizer)
    if digits is not None or search:
        found = tuned_settings(objective.with_executor(None), digits)
        click.echo(f"{opened.problem_id}: {found.summary}", err=True)
    from amijax.cluster.client import executor_of_setting

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TuningWarning)  # it was said
            result = fit(
                objective, starts, seed=seed, optimizer=optimizer, digits=digits, search=search,
                coarse=coarse, priors=priors, time_limit=time_limit, resume=resume,
                executor=executor_of_setting(), on_progress=_progress_printer(opened.problem_id),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise click.ClickException(
            "The fit was interrupted. What it has is kept: the same command goes on from there."
        ) from None
    except (ClusterError, WorkerError) as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if output is not None:
        _write(result, output)
    if as_json:
        click.echo(json_text(fit_as_json(result), indent=2))
    else:
        click.echo("\n".join(_as_text(result)))
    sys.exit(0 if result.best is not None else 1)


def fit_as_json(result: FitResult) -> dict[str, Any]:
    """A fit as what `fit --json` prints."""
    from amijax.fit.findings import fit_findings

    best = result.best
    return {
        "problem": result.problem_id,
        "optimizer": result.settings.optimizer,
        "best": best and {"llh": best.llh, "theta": _by_id(result, best), "start": best.index},
        "starts": [
            {
                "llh": start.llh,
                "theta": _by_id(result, start) if start.has_point else None,
                "evaluations": start.n_evaluations,
                "seconds": start.seconds,
                "exit": start.exit,
                "failure": start.message if start.exit == "failed" else None,
            }
            for start in result.starts
        ],
        "reference_llh": result.reference_llh,
        "warnings": warnings_as_json(fit_findings(result)),
        "seconds": result.seconds,
    }


def _by_id(result: FitResult, start: Start) -> dict[str, float]:
    return dict(zip(result.parameter_ids, start.theta.tolist(), strict=True))


def _as_text(result: FitResult) -> list[str]:
    from amijax.fit.findings import fit_findings

    rows = [
        [
            start.index,
            f"{start.llh:.8g}",
            *([f"{start.log_prior:.6g}"] if result.has_priors else []),
            f"{start.gradient_norm:.1e}",
            start.n_evaluations,
            f"{start.seconds:.1f}",
            start.state,
        ]
        for start in result.ordered
    ]
    columns = ["start", "llh", "|gradient|", "evaluations", "seconds", "exit"]
    if result.has_priors:
        columns.insert(2, "log prior")
    lines = [
        f"{result.problem_id}: {len(result.starts)} starts with {result.settings.optimizer}, "
        f"{result.workers}, {result.seconds:.1f} s; {result.settings.stages_in_words}",
        "",
        *table(rows, columns),
    ]
    if result.reference_llh is not None:
        lines += ["", f"Stored reference at nominal: llh {result.reference_llh:.8g}"]
    best = result.best
    if best is not None:
        found = [
            [name, scale, f"{value:.8g}"]
            for name, scale, value in zip(
                result.parameter_ids, result.scales, best.theta, strict=True
            )
        ]
        lines += ["", *table(found, ["best point", "scale", "theta"])]
    return [*lines, "", *(f"Warning: {finding}" for finding in fit_findings(result))]


def _write(result: FitResult, path: Path) -> None:
    from amijax.fit.files import save_fit
    from amijax.fit.pypesto_hdf5 import HDF5_ENDINGS, export_pypesto

    try:
        if path.suffix in HDF5_ENDINGS:
            export_pypesto(result, path)
        else:
            save_fit(result, path)
    except OSError as error:
        raise click.ClickException(
            f"{path} can't be written: {error.strerror or error}."
        ) from error
    except ImportError as error:
        raise click.ClickException(str(error)) from error


def _progress_printer(problem_id: str) -> Any:
    """A progress callback that says on stderr how many starts are over, whenever that changes."""
    said = -1

    def show(progress: FitProgress) -> None:
        nonlocal said
        if progress.phase == "audit" and said >= 0:
            said = -2
            click.echo(f"{problem_id}: auditing the best point ...", err=True)
        result = progress.result
        if progress.phase != "starts" or result is None:
            return
        over = sum(start.is_over for start in result.starts)
        if over != said:
            said = over
            best = "" if result.best is None else f", best llh {result.best.llh:.8g}"
            n = result.settings.n_starts
            click.echo(f"{problem_id}: {over} of {n} starts{best}", err=True)

    return show
