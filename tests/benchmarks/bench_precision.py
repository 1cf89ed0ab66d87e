"""What the pieces of a precision study cost, in seconds and in evaluations of the gradient.

    python tests/benchmarks/bench_precision.py [PROBLEM ...]

Each study runs in a fresh cache folder, after one that is thrown away: what is imported and
compiled once per process is not counted.
"""

import os
import tempfile

import click
from common import problems_argument

from amijax.auto import settle
from amijax.cores import available_cores
from amijax.jax_setup import set_up_jax
from amijax.objective import AmiciObjective
from amijax.precision import PIECE_NAMES, forecast, study_precision
from amijax.problems import load_problem
from amijax.simulation.settings import SolverChoice

DEFAULT = ("Boehm_JProteomeRes2014", "Robertson_Stiff")


@click.command(help=__doc__.splitlines()[0])
@problems_argument(DEFAULT)
def main(problems: tuple[str, ...]) -> None:
    """Print the table."""
    set_up_jax()
    print(f"{'problem':28}" + "".join(f"{piece:>12}" for piece in (*PIECE_NAMES, "all")))
    for name in problems:
        problem = load_problem(name)
        objective = AmiciObjective(problem, num_threads=available_cores())
        settled = settle(objective, problem.nominal_theta, SolverChoice())
        settled.objective.evaluate(problem.nominal_theta)
        evaluation = settled.objective.evaluate(problem.nominal_theta)
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["AMIJAX_CACHE_DIR"] = folder
                study = study_precision(settled.objective, problem.nominal_theta)
        cost = forecast(settled.objective, evaluation, problem.n_parameters)
        seconds = study.seconds or {}
        rows = {
            name: [seconds.get(piece, 0.0) for piece in PIECE_NAMES],
            "  forecast": [cost[piece] for piece in PIECE_NAMES],
            "  in gradients": [seconds.get(p, 0.0) / evaluation.wall_seconds for p in PIECE_NAMES],
        }
        for label, values in rows.items():
            print(f"{label:28}" + "".join(f"{value:12.2f}" for value in (*values, sum(values))))


if __name__ == "__main__":
    main()
