"""Cold compile of a problem: amijax against AMICI's own default import, in one run.

Each measurement is a fresh process with an empty cache, the two taking turns. `call` is the
time of `get_model` and of `import_petab_problem`; `process` adds imports and reading the
problem. Then our build and AMICI's default build of the same model are loaded into one process and
simulated in turns: compiling faster must not cost speed of simulation nor change a digit.
Run it as `python tests/benchmarks/bench_compile.py [PROBLEM...]`.
"""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from typing import Any

import click
from common import ROOT, number_option, problems_argument

AMIJAX = """
import json, sys, time
from amijax.models.lookup import get_model
from amijax.problems import load_problem
problem = load_problem(sys.argv[1])
start = time.perf_counter()
model = get_model(problem)
seconds = time.perf_counter() - start
model.load()
print(json.dumps({"call": seconds, **model.seconds}))
"""

AMICI = """
import json, os, sys, time
import petab.v1 as petab
from amici.importers.petab.v1 import import_petab_problem
from amijax.problems import load_problem
source = load_problem(sys.argv[1]).source
problem = petab.Problem.from_yaml(source)
petab.flatten_timepoint_specific_output_overrides(problem)
start = time.perf_counter()
import_petab_problem(problem, os.environ["AMIJAX_CACHE_DIR"] + "/model", model_name="reference")
seconds = time.perf_counter() - start
sys.stdout.flush()
print()
print(json.dumps({"call": seconds}))
"""

SIMULATE = """
import json, os, statistics, sys, time
from pathlib import Path
import amici
import amici.sim.sundials as sundials
import numpy as np
from amijax.models.source import model_source, problem_numbers
from amijax.models.lookup import get_model
from amijax.problems import load_problem
from amijax.simulation.preparation import prepare
from amijax.simulation.run import sensitivity_order, solver_of
from amijax.simulation.settings import SolverSettings
problem = load_problem(sys.argv[1])
folder = Path(os.environ["AMIJAX_CACHE_DIR"])
source = model_source(problem)
source.write(folder / "source")
# AMICI's default build of what we compile: the import of PEtab is another model.
amici.SbmlImporter(str(folder / "source" / "model.xml"), discard_annotations=True).sbml2amici(
    "reference", folder / "reference", fixed_parameters=source.plan.fixed,
    observation_model=[
        amici.MeasurementChannel(
            o.id, formula=o.formula, sigma=o.sigma, noise_distribution=o.distribution
        )
        for o in source.plan.observables
    ],
)
reference = amici.import_model_module("reference", folder / "reference").get_model()
models = [get_model(problem).load(), reference]
result = {}
for what, gradient in (("llh", False), ("llh_and_gradient", True)):
    calls = []
    for model in models:
        edatas = prepare(problem_numbers(problem), source.plan, model).edatas
        solver = solver_of(model, SolverSettings())
        solver.set_sensitivity_order(sensitivity_order(gradient))
        calls.append(lambda m=model, s=solver, e=edatas: sundials.run_simulations(m, s, list(e)))
    start = time.perf_counter()
    values = [
        np.hstack([np.hstack([r.llh, *([r.sllh] if gradient else [])]) for r in call()])
        for call in calls
    ]
    repeats = max(5, min(200, int(20 / (time.perf_counter() - start))))
    seconds = [[], []]
    for i in range(repeats):
        for j in (0, 1) if i % 2 else (1, 0):
            start = time.perf_counter()
            calls[j]()
            seconds[j].append(time.perf_counter() - start)
    medians = [statistics.median(s) for s in seconds]
    result[what] = [*medians, bool(np.array_equal(*values, equal_nan=True))]
sys.stdout.flush()
print()
print(json.dumps(result))
"""

TARGETS = {"Boehm_JProteomeRes2014": 0.45, "Bachmann_MSB2011": 0.7}


def measure(script: str, problem: str) -> dict[str, Any]:
    """What a script prints in a fresh process with an empty cache, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "AMIJAX_CACHE_DIR": folder,
            "PYTHONPATH": str(ROOT),
            # AMICI's own import needs swig, cmake and ninja on PATH.
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        }
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", script, problem],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    return {**json.loads(done.stdout.splitlines()[-1]), "process": seconds}


@click.command()
@problems_argument(TARGETS)
@number_option("--repeats", 3, "Compilations of each kind.")
@click.option("--limit", type=float, help="Largest ratio that passes; each problem's target.")
@click.option("--speed/--no-speed", default=True, show_default=True, help="Compare simulations.")
def main(problems: tuple[str, ...], repeats: int, limit: float | None, speed: bool) -> None:
    """Print the medians of each PROBLEM and their ratios; exit 1 if one is above its limit."""
    failed = False
    for problem in problems:
        runs = [(measure(AMIJAX, problem), measure(AMICI, problem)) for _ in range(repeats)]
        click.echo(f"{problem}, median of {repeats}, seconds")
        click.echo(f"{'':18}{'amijax':>9}{'AMICI':>9}{'ratio':>8}")
        for what in ("call", "process"):
            ours, theirs = (statistics.median(run[i][what] for run in runs) for i in (0, 1))
            click.echo(f"{what:18}{ours:9.2f}{theirs:9.2f}{ours / theirs:8.2f}")
            failed |= ours / theirs > (limit or TARGETS.get(problem, 0.7))
        for phase in ("import", "code generation", "C++ build", "load"):
            click.echo(f"  {phase:17}{statistics.median(run[0][phase] for run in runs):8.2f}")
        if speed:
            result = measure(SIMULATE, problem)
            for what in ("llh", "llh_and_gradient"):
                ours, theirs, same = result[what]
                digits = "the same digits" if same else "OTHER DIGITS"
                click.echo(
                    f"{what + ', ms':18}{ours * 1e3:9.2f}{theirs * 1e3:9.2f}{ours / theirs:8.2f}"
                    f"  {digits}"
                )
                failed |= not same
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
