"""Throughput of batches on all cores over a sequential loop of raw AMICI, and their memory.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_batch.py

The loop writes each point's parameters into prepared ExpData, calls AMICI's `run_simulations`
with its default reporting and adds up what comes back, on one core. Rounds are interleaved; the
table has medians. Memory is the growth of the peak over batches of growing size, results aside.
"""

import resource
import statistics
import time

import amici.sim.sundials as sundials
import click
import jax
import numpy as np
from common import number_option, problems_argument

from amijax import AmiciObjective, JaxObjective, load_problem
from amijax.cores import available_cores
from amijax.jax_setup import set_up_jax

PROBLEMS = ["Boehm_JProteomeRes2014", "Bruno_JExpBot2016", "Schwen_PONE2014"]


def sequential(objective, gradient):
    """A loop over raw AMICI; returns llh of all points."""
    model, solver = objective.simulator.model, objective.simulator.new_solver()
    order = sundials.SensitivityOrder.first if gradient else sundials.SensitivityOrder.none
    solver.set_sensitivity_order(order)
    edatas = [sundials.ExpData(edata) for edata in objective.simulator.edatas]

    def loop(thetas):
        found = []
        for theta in thetas:
            for edata, values in zip(
                edatas, objective.simulator.model_parameters(theta), strict=True
            ):
                edata.free_parameters = values
            rdatas = sundials.run_simulations(model, solver, edatas)
            found.append(sum(rdata.llh for rdata in rdatas))
        return np.array(found)

    return loop


def contenders(objective, gradient):
    """Functions from points to log-likelihoods."""
    inside = JaxObjective(objective)
    if gradient:
        batched = jax.jit(jax.vmap(jax.value_and_grad(inside)))
        return {
            "raw": sequential(objective, True),
            "batch": lambda thetas: objective.llh_and_gradient_batch(thetas)[0],
            "vmap": lambda thetas: np.asarray(batched(thetas)[0]),
        }
    batched = jax.jit(jax.vmap(inside))
    return {
        "raw": sequential(objective, False),
        "batch": objective.llh_batch,
        "vmap": lambda thetas: np.asarray(batched(thetas)),
    }


def row(name, gradient, n, rounds):
    """The table's row for a problem and a quantity."""
    objective = AmiciObjective(load_problem(name))
    random = np.random.default_rng(0)
    thetas = objective.problem.nominal_theta + random.uniform(
        -0.05, 0.05, (n, objective.problem.n_parameters)
    )
    functions = contenders(objective, gradient)
    found = {key: function(thetas) for key, function in functions.items()}
    for key in ("batch", "vmap"):
        np.testing.assert_allclose(found[key], found["raw"], rtol=1e-12)
    durations = {key: [] for key in functions}
    for _ in range(rounds):
        for key, function in functions.items():
            start = time.perf_counter()
            function(thetas)
            durations[key].append((time.perf_counter() - start) / n * 1e3)
    ms = {key: statistics.median(values) for key, values in durations.items()}
    return (
        f"{name:26}{'gradient' if gradient else 'llh':>10}{ms['raw']:10.2f}{ms['batch']:10.2f}"
        f"{ms['raw'] / ms['batch']:10.2f}{ms['raw'] / ms['vmap']:10.2f}"
    )


def peak():
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@click.command(help=__doc__.splitlines()[0])
@problems_argument(PROBLEMS)
@number_option("--points", 64, "Points of a batch.")
@number_option("--rounds", 7, "Batches of each kind.")
def main(problems, points, rounds):
    """Print the tables."""
    set_up_jax()
    print(f"{points} points, {available_cores()} cores, milliseconds for a point")
    print(f"{'':36}{'raw loop':>10}{'batch':>10}{'speed-up':>10}{'vmap':>10}")
    for name in problems:
        for gradient in (False, True):
            print(row(name, gradient, points, rounds), flush=True)
    objective = AmiciObjective(load_problem(PROBLEMS[0]))
    nominal = objective.problem.nominal_theta
    print(f"\n{PROBLEMS[0]}: peak memory in MB (results are 80 bytes a point)")
    for n in (100, 1000, 10_000):
        objective.llh_and_gradient_batch(np.tile(nominal, (n, 1)))
        print(f"{n:>8} points {peak():10.1f}", flush=True)


if __name__ == "__main__":
    main()
