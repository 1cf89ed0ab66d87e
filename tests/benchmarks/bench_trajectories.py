"""Trajectories, value and gradient against raw AMICI, for what each of them asks.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_trajectories.py

Raw is `run_simulations` on the same prepared ExpData, solver settings, cores and kind of results.
The last column compares with one simulation of all drawn times in a single ExpData for each
condition, whose observables at the measured times would not be those of the likelihood. Calls are
interleaved; the table has medians.
"""

import amici.sim.sundials as sundials
import click
import numpy as np
from bench_evaluation import PROBLEMS, measure
from common import number_option, problems_argument, seconds_option

from amijax import AmiciObjective, TrajectorySimulator, load_problem
from amijax.logs import quiet_amici


def raw(objective, edatas, reporting, gradient=False):
    """AMICI alone on ExpData that are ready; parameters are in them."""
    solver = objective.simulator.new_solver()
    order = sundials.SensitivityOrder.first if gradient else sundials.SensitivityOrder.none
    solver.set_sensitivity_order(order)
    solver.set_return_data_reporting_mode(reporting)
    threads = min(objective.num_threads, len(edatas))
    return lambda: sundials.run_simulations(
        objective.simulator.model, solver, edatas, failfast=False, num_threads=threads
    )


def in_one(edata, times):
    """The same simulation with all drawn times in place of the measured ones."""
    dense = sundials.ExpData(edata)
    dense.set_timepoints(times)
    nothing = np.full(dense.nt() * dense.nytrue(), np.nan)
    dense.set_measurements(nothing)
    dense.set_noise_scales(nothing)
    return dense


def row(name, threads, seconds):
    """The table's row for one problem."""
    objective = AmiciObjective(load_problem(name), num_threads=threads)
    quiet_amici()
    theta = objective.problem.nominal_theta
    simulator = TrajectorySimulator(objective)
    courses = simulator.simulate(theta).conditions
    reporting = sundials.RDataReporting
    both = [sundials.ExpData(e) for pair in simulator.edatas for e in pair]
    measured = [sundials.ExpData(edata) for edata in objective.simulator.edatas]
    dense = [in_one(e, c.times) for e, c in zip(measured, courses, strict=True)]
    times = measure(
        {
            "raw courses": raw(objective, both, reporting.observables_likelihood),
            "courses": lambda: simulator.simulate(theta),
            "raw in one": raw(objective, dense, reporting.observables_likelihood),
            "raw llh": raw(objective, measured, reporting.likelihood),
            "llh": lambda: objective.llh(theta),
        },
        seconds,
    ).all
    slow = measure(
        {
            "raw gradient": raw(objective, measured, reporting.likelihood, gradient=True),
            "gradient": lambda: objective.llh_and_gradient(theta),
        },
        seconds,
    ).all
    return (
        f"{name:26}{times['raw courses']:10.2f}{times['courses'] / times['raw courses']:10.2f}"
        f"{times['llh'] / times['raw llh']:10.2f}{slow['gradient'] / slow['raw gradient']:10.2f}"
        f"{times['courses'] / times['raw in one']:14.2f}"
    )


@click.command(help=__doc__.splitlines()[0])
@problems_argument(PROBLEMS)
@seconds_option(4.0, "for a problem, twice")
@number_option("--threads", 2, "Cores to use.")
def main(problems, seconds, threads):
    """Print the table."""
    print(f"{'':26}{'raw':>10}{'courses':>10}{'llh':>10}{'gradient':>10}{'courses':>14}")
    print(f"{'':26}{'ms':>10}{'/ raw':>10}{'/ raw':>10}{'/ raw':>10}{'/ raw in one':>14}")
    for name in problems:
        print(row(name, threads, seconds), flush=True)


if __name__ == "__main__":
    main()
