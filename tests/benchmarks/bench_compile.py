"""Cold compile of a problem: amijax against AMICI's own default import, in one run.

Each measurement is a fresh process with an empty cache, the two taking turns. `call` is the
time of `get_model` and of `import_petab_problem`; `process` adds imports and reading the
problem. Run it as `python tests/benchmarks/bench_compile.py [PROBLEM...]`.
"""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]

AMIJAX = """
import json, sys, time
from amijax.models import get_model
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


def measure(script: str, problem: str) -> dict[str, float]:
    """Seconds of one cold compile in a fresh process."""
    import time

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
@click.argument("problems", nargs=-1)
@click.option("--repeats", default=3, show_default=True)
@click.option("--limit", default=0.6, show_default=True, help="Largest ratio that passes.")
def main(problems: tuple[str, ...], repeats: int, limit: float) -> None:
    """Print the medians of each PROBLEM and their ratios; exit 1 if one is above the limit."""
    worst = 0.0
    for problem in problems or ("Boehm_JProteomeRes2014",):
        runs = [(measure(AMIJAX, problem), measure(AMICI, problem)) for _ in range(repeats)]
        click.echo(f"{problem}, median of {repeats}, seconds")
        click.echo(f"{'':10}{'amijax':>9}{'AMICI':>9}{'ratio':>8}")
        for what in ("call", "process"):
            ours, theirs = (statistics.median(run[i][what] for run in runs) for i in (0, 1))
            click.echo(f"{what:10}{ours:9.2f}{theirs:9.2f}{ours / theirs:8.2f}")
            worst = max(worst, ours / theirs)
        for phase in ("import", "code generation", "C++ build", "load"):
            click.echo(f"  {phase:17}{statistics.median(run[0][phase] for run in runs):.2f}")
    sys.exit(1 if worst > limit else 0)


if __name__ == "__main__":
    main()
