"""Overhead of one evaluation over raw AMICI, and the speed-up over the notebook's way.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_evaluation.py

Raw is `run_simulations` on prepared ExpData, with AMICI's default reporting. The notebook's way
is a `pure_callback` around `simulate_petab`. Calls are interleaved; the table has medians.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).parents[2]))

from peers import notebook, raw

from amijax import AmiciObjective, JaxObjective, load_problem
from amijax.jax_setup import set_up_jax
from amijax.logs import quiet_amici

PROBLEMS = [
    "Boehm_JProteomeRes2014",
    "Bruno_JExpBot2016",
    "Schwen_PONE2014",
    "Fiedler_BMCSystBiol2016",
    "Sneyd_PNAS2002",
    "Brannmark_JBC2010",
    "Raia_CancerResearch2011",
]


def measure(functions, seconds):
    """Median milliseconds of each function, called in turns until the time is up."""
    for function in functions.values():
        function()
    durations = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(durations.values()))) < 5:
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            durations[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in durations.items()}


class Recorder:
    """An objective that remembers how long its latest evaluation took."""

    def __init__(self, objective):
        self.objective, self.scales, self.latest = objective, objective.scales, 0.0

    def evaluate(self, theta, gradient=True):
        """Evaluate and remember."""
        evaluation = self.objective.evaluate(theta, gradient)
        self.latest = evaluation.wall_seconds
        return evaluation


def added_by_jax(objective, seconds):
    """Median milliseconds of value_and_grad outside of the evaluation that it makes.

    Paired, since AMICI's own time varies by more than JAX adds.
    """
    recorder, theta = Recorder(objective), objective.problem.nominal_theta
    function = jax.jit(jax.value_and_grad(JaxObjective(recorder)))
    jax.block_until_ready(function(theta))
    added, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(added) < 5:
        start = time.perf_counter()
        jax.block_until_ready(function(theta))
        added.append((time.perf_counter() - start - recorder.latest) * 1e3)
    return statistics.median(added)


def row(name, seconds):
    """The table's row for one problem."""
    objective = AmiciObjective(load_problem(name))
    inside, theta = JaxObjective(objective), objective.problem.nominal_theta
    quiet_amici()
    value, both = jax.jit(inside), jax.jit(jax.value_and_grad(inside))
    llh = measure(
        {
            "raw": raw.set_up(objective)(gradient=False).run,
            "ours": lambda: objective.llh(theta),
            "jax": lambda: jax.block_until_ready(value(theta)),
        },
        seconds,
    )
    grad = measure(
        {
            "raw": raw.set_up(objective)(gradient=True).run,
            "ours": lambda: objective.llh_and_gradient(theta),
            "jax": lambda: jax.block_until_ready(both(theta)),
        },
        seconds,
    )
    slow = [
        measure({"notebook": notebook.set_up(objective)(gradient).run}, 1.0)["notebook"]
        for gradient in (False, True)
    ]
    return (
        f"{name:26}{llh['raw']:9.2f}{llh['ours'] / llh['raw']:9.2f}{grad['raw']:10.2f}"
        f"{grad['ours'] / grad['raw']:10.2f}{added_by_jax(objective, seconds / 2):10.2f}"
        f"{slow[0] / llh['jax']:14.0f}{slow[1] / grad['jax']:15.0f}"
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--seconds", type=float, default=4.0, help="per problem and quantity")
    arguments = parser.parse_args()
    set_up_jax()
    print(f"{'':26}{'raw llh':>9}{'llh':>9}{'raw grad':>10}{'grad':>10}{'JAX adds':>10}", end="")
    print(f"{'notebook llh':>14}{'notebook grad':>15}")
    print(f"{'':26}{'ms':>9}{'/ raw':>9}{'ms':>10}{'/ raw':>10}{'ms':>10}", end="")
    print(f"{'/ ours':>14}{'/ ours':>15}")
    for name in arguments.problems:
        print(row(name, arguments.seconds), flush=True)


if __name__ == "__main__":
    main()
