"""What residuals with their Jacobian cost over a gradient of the log-likelihood.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_jacobian.py

Both simulate with forward sensitivities, at nominal and on one core; rounds are interleaved, the
table has medians. AMICI's defaults fail for Fujita's gradient: where they do, atol is 1e-8.
"""

import statistics
import time
from dataclasses import replace

import click
from common import problems_argument, seconds_option

from amijax import AmiciObjective, ProblemError, load_problem

PROBLEMS = [
    "Boehm_JProteomeRes2014",
    "Bruno_JExpBot2016",
    "Fujita_SciSignal2010",
    "Schwen_PONE2014",
    "Zheng_PNAS2012",
]


def row(name, seconds):
    """The table's row for a problem."""
    objective = AmiciObjective(load_problem(name))
    theta = objective.problem.nominal_theta
    if objective.evaluate(theta).failure is not None:
        objective = objective.with_solver(replace(objective.solver, atol=1e-8))
    functions = {
        "gradient": lambda: objective.llh_and_gradient(theta),
        "values": lambda: objective.measured_values(theta),
        "residuals": lambda: objective.residuals(theta, extended=True),
    }
    try:
        objective.residuals(theta)
    except ProblemError:
        del functions["residuals"]
    durations = {key: [] for key in functions}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(durations["gradient"]) < 5:
        for key, function in functions.items():
            start = time.perf_counter()
            function()
            durations[key].append(time.perf_counter() - start)
    medians = {key: statistics.median(times) for key, times in durations.items()}
    values, both = (medians.get(key, float("nan")) for key in ("values", "residuals"))
    gradient, rounds = medians["gradient"], len(durations["gradient"])
    return (
        f"{name:26} {objective.problem.n_measurements:6} {objective.problem.n_parameters:4} "
        f"{1e3 * gradient:9.2f} {values / gradient:7.3f} {both / gradient:10.3f} {rounds:7}"
    )


@click.command(help=__doc__)
@problems_argument(PROBLEMS)
@seconds_option(20.0, "for each problem")
def main(problems, seconds):
    """Print the table."""
    names = f"{'gradient':>9} {'values':>7} {'residuals':>10} {'rounds':>7}"
    print(f"{'problem':26} {'data':>6} {'m':>4} {names}")
    print(f"{'':26} {'':6} {'':4} {'ms':>9} {'ratio':>7} {'ratio':>10}")
    for name in problems:
        print(row(name, seconds), flush=True)


if __name__ == "__main__":
    main()
