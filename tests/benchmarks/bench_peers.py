"""This package, raw AMICI and their peers side by side: time and accuracy of llh and gradient.

    pip install -r requirements.txt -r tests/benchmarks/requirements.txt
    AMIJAX_COLLECTION=../shared/benchmark-collection \
        python tests/benchmarks/bench_peers.py --json peers.json [PROBLEM ...]

All compute llh and its gradient with respect to theta, on the PEtab scale, at the nominal point,
with the same tolerances and steps: AMICI's defaults, or what `amijax.auto` finds where those fail;
but for "tuned", which has the settings that `amijax.tuning` finds for an error no larger.
What AMICI computes uses forward sensitivities, and one thread but for the batch. Calls are made in
turns in one process; a peer that may hang gets a process of its own, in turns with raw AMICI.
The accuracy is that against the tight tolerances of `amijax.precision.reference`.
"""

import json
import os
import platform
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import click
import numpy as np
from common import json_option, problems_argument, seconds_option
from peers import CONTENDERS, RAW
from peers.isolation import run_worker
from peers.records import add_accuracy, add_ratios, collect
from peers.table import markdown

from amijax import AmiciObjective, load_problem
from amijax._version import __version__
from amijax.auto import settle
from amijax.cores import available_cores
from amijax.models.lookup import CompileError
from amijax.precision.reference import find_reference
from amijax.problems import ProblemError
from amijax.simulation.settings import SolverChoice

PROBLEMS = [
    "Boehm_JProteomeRes2014",
    "Bruno_JExpBot2016",  # 6 conditions
    "Sneyd_PNAS2002",  # 9 conditions
    "Schwen_PONE2014",  # 19 conditions
    "Fiedler_BMCSystBiol2016",
    "Crauste_CellSystems2017",  # inaccurate at default tolerances
    "Raia_CancerResearch2011",  # 39 parameters
    "Brannmark_JBC2010",  # preequilibration
    "Zheng_PNAS2012",  # preequilibration, 46 parameters
    "Fujita_SciSignal2010",  # default tolerances fail; discontinuities
]
MAIN_PACKAGES = ("amici", "jax", "petab", "pypesto", "diffrax")


def compare(problem_id, names, seconds, timeout, memory):
    """Measure all contenders at one problem; a record for the JSON."""
    problem = load_problem(problem_id)
    objective = AmiciObjective(problem, num_threads=available_cores())
    theta = problem.nominal_theta
    settled = settle(objective, theta, SolverChoice(sensitivities="forward"))
    reference = find_reference(settled.objective, theta, np.arange(problem.n_parameters))
    settings = settled.objective.solver
    records = {}
    for group in _groups(names):
        request = {
            "problem": problem_id,
            "settings": asdict(settings),
            "contenders": group,
            "budget": seconds,
        }
        _say(f"{problem_id}: {', '.join(group)}")
        events, ended_badly = run_worker(request, timeout, memory)
        measured = collect(events, group, ended_badly)
        add_ratios(measured)
        records = measured | records  # raw AMICI's of the first group is the one shown
    add_accuracy(records, reference)
    return {
        "problem": problem_id,
        "conditions": len(objective.simulator.conditions),
        "parameters": problem.n_parameters,
        "settings": asdict(settings),
        "reference": _reference(reference),
        "compile_seconds": objective.model.seconds["total"],
        "contenders": {name: records[name] for name in names},
    }


def _groups(names):
    """Contenders that share a process; raw AMICI is part of each."""
    isolated = [c.name for c in CONTENDERS if c.isolated and c.name in names]
    return [[n for n in names if n not in isolated], *([RAW, name] for name in isolated)]


def _reference(reference):
    if not reference.values.is_finite:
        return {"converged": False, "rtol": None, "atol": None}
    return {
        "converged": reference.converged,
        "rtol": reference.solver.rtol,
        "atol": reference.solver.atol,
        "llh": reference.values.llh,
        "gradient": reference.values.gradient.tolist(),
        "least_digits": None if np.isnan(reference.digits).any() else float(reference.digits.min()),
    }


def machine():
    """What the figures depend on, besides the packages."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [
        line.split(":", 1)[1].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else ())
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


@click.command(help=__doc__.splitlines()[0])
@problems_argument(PROBLEMS)
@json_option
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([c.name for c in CONTENDERS]),
    help="A contender besides raw AMICI; all if none is named.",
)
@seconds_option(5.0, "for each call")
@click.option("--timeout", default=900.0, show_default=True, help="Seconds for one process.")
@click.option("--memory", default=8.0, show_default=True, help="GB for one process.")
def main(problems, json_file, only, seconds, timeout, memory):
    """Measure, print the tables, write the JSON."""
    names = [c.name for c in CONTENDERS if c.name == RAW or not only or c.name in only]
    installed = {d.metadata["Name"].lower(): d.version for d in distributions()}
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "main_versions": {"amijax": __version__}
        | {name: installed.get(name, "not installed") for name in MAIN_PACKAGES},
        "versions": dict(sorted(installed.items())),
        "budget_seconds": seconds,
        "timeout_seconds": timeout,
        "memory_gb": memory,
        "contenders": names,
        "problems": [],
    }
    for problem_id in problems:
        try:
            report["problems"].append(compare(problem_id, names, seconds, timeout, memory))
        except (ProblemError, CompileError) as error:
            _say(f"{problem_id} is left out: {error}")
        if json_file:  # after each problem: an interrupted run keeps what it had
            json_file.write_text(json.dumps(report, indent=1))
    print(markdown(report))


if __name__ == "__main__":
    main()
