r"""What an audit finds and costs: a row for each problem, with random points beside nominal ones.

    AMIJAX_COLLECTION=../shared/benchmark-collection \
        python tests/benchmarks/bench_audit.py [--points 3] [--no-repairs] [PROBLEM ...]

PROBLEM is an id, a YAML file, or a folder of folders with a problem.yaml and an expected.json
(llh and gradient that are known to be right), against which verdicts are then held: a false
certificate is a number called right that differs by more than its digits allow; a missed fault one
that is off by more than a percent and is not called wrong; a false alarm one that is called wrong
but is not off by more than half a percent. The point's settings are those that auto finds. "x" is
what a directional audit (without libRoadRunner) costs in multiples of one gradient, in CPU time of
all threads, the median of three pairs in turns.
"""

import json
import math
import statistics
import time
from collections import Counter
from pathlib import Path

import click
import numpy as np
from common import json_option, problems_argument

from amijax import AmiciObjective, ProblemError, load_problem
from amijax.audit.audit import audit_gradient
from amijax.audit.record import Audit
from amijax.auto import settle
from amijax.models.lookup import CompileError
from amijax.simulation.settings import SolverChoice

EMBEDDED = ["Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff"]
FAULT, ALARM = 1e-2, 5e-3
NEGLIGIBLE = 1e-5  # of the largest entry: what a missed fault is not


def known(path: Path) -> dict:
    """The truth beside a problem, {} without one."""
    file = path.parent / "expected.json"
    return json.loads(file.read_text()) if file.exists() else {}


def held_against(audit: Audit, truth: dict) -> Counter:
    """False certificates, missed faults and false alarms."""
    found: Counter = Counter()
    gradient = truth.get("gradient") or {}
    largest = max((abs(value) for value in gradient.values()), default=0.0)
    numbers = [
        (audit.llh, truth.get("llh")),
        *((e, gradient.get(e.quantity)) for e in audit.gradient),
    ]
    for entry, right in numbers:
        if right is None:
            continue
        size = max(abs(entry.value), abs(right))
        off = abs(entry.value - right)
        if entry.verdict == "right":
            allowed = 1e-10 * largest if entry.digits is None else 10**-entry.digits * size
            found["false certificates"] += off > allowed
        elif entry.verdict == "wrong":
            found["false alarms"] += off < ALARM * size
        found["missed"] += (
            entry.verdict != "wrong" and off > FAULT * size and off > NEGLIGIBLE * largest
        )
    return found


def cost_of_directions(objective, theta: np.ndarray) -> float:
    """What a directional audit costs, in multiples of one gradient, in CPU time."""

    def cpu(work) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    evaluation = objective.evaluate(theta)
    pairs = [
        (
            cpu(lambda: audit_gradient(objective, theta, entries="none", roadrunner=False,
                                       evaluation=evaluation)),
            cpu(lambda: objective.evaluate(theta)),
        )
        for _ in range(3)
    ]  # fmt: skip
    return statistics.median(audit / gradient for audit, gradient in pairs)


def row(name: str, audit: Audit, point: str, cost: float) -> dict:
    """What is printed of an audit."""
    counts = Counter(entry.verdict for entry in audit.gradient)
    digits = [e.digits for e in audit.gradient if e.digits is not None and e.verdict == "right"]
    return {
        "problem": name,
        "point": point,
        "llh": audit.llh.verdict,
        "by": audit.llh.witness or "",
        "right": counts["right"],
        "wrong": counts["wrong"],
        "unproven": counts["unproven"],
        "digits": statistics.median(digits) if digits else math.nan,
        "least": min(digits, default=math.nan),
        "agree": f"{audit.directions.agree}/{audit.directions.tried}",
        "x": cost,
        "seconds": audit.seconds,
        "tolerance": sum("tolerance" in entry.cause for entry in audit.gradient),
    }


def points_of(problem, count: int) -> list[tuple[str, np.ndarray]]:
    """Nominal and some random points within a tenth of the bounds around it."""
    random = np.random.default_rng(11)
    width = np.where(np.isfinite(problem.upper_theta - problem.lower_theta),
                     problem.upper_theta - problem.lower_theta, 1.0)  # fmt: skip
    found = [("nominal", problem.nominal_theta)]
    for i in range(count):
        theta = problem.nominal_theta + 0.05 * width * random.uniform(-1, 1, len(width))
        found.append((f"random {i}", np.clip(theta, problem.lower_theta, problem.upper_theta)))
    return found


@click.command()
@problems_argument(EMBEDDED)
@click.option("--points", default=0, show_default=True, help="Random points besides nominal.")
@click.option("--no-repairs", is_flag=True, help="Models as they are.")
@click.option("--entries", default="all", show_default=True, help="all, auto or none.")
@click.option("--jax-export", is_flag=True, help="Ask AMICI's JAX export, too: a minute a point.")
@json_option
def main(
    problems, points: int, no_repairs: bool, entries: str, jax_export: bool, json_file: Path | None
) -> None:
    """Print a line for each point, and the sums."""
    names: list[str] = []
    for name in problems:
        folder = Path(name)
        names += (
            [str(p) for p in sorted(folder.glob("*/problem.yaml"))] if folder.is_dir() else [name]
        )
    rows, faults = [], Counter()
    for name in names:
        try:
            problem = load_problem(name)
            problem = problem.without_repairs() if no_repairs else problem
            objective = AmiciObjective(problem)
        except (ProblemError, CompileError) as error:
            click.echo(f"{name}: {str(error)[:100]}")
            continue
        for point, theta in points_of(problem, points):
            settled = settle(objective, theta, SolverChoice())
            if settled.evaluation.failure is not None:
                click.echo(f"{problem.problem_id}, {point}: {settled.evaluation.failure.message}")
                continue
            again = settled.objective.evaluate(theta)  # the first one warms the caches
            audit = audit_gradient(
                settled.objective, theta, entries=entries, jax_export=jax_export, evaluation=again
            )
            cost = cost_of_directions(settled.objective, theta)
            rows.append(row(problem.problem_id, audit, point, cost))
            if point == "nominal" and (truth := known(Path(name))):
                faults += held_against(audit, truth)
            click.echo("  ".join(
                f"{v:.3g}" if isinstance(v, float) else str(v) for v in rows[-1].values()
            ))  # fmt: skip
    verdicts = {v: sum(each[v] for each in rows) for v in ("right", "wrong", "unproven")}
    click.echo(f"{len(rows)} points, entries {verdicts}; by the tolerance: "
               f"{sum(each['tolerance'] for each in rows)}")  # fmt: skip
    click.echo(f"llh: {dict(Counter(each['llh'] for each in rows))}")
    if rows:
        click.echo(f"directions, median of multiples of one gradient: "
                   f"{statistics.median(each['x'] for each in rows):.2f}")  # fmt: skip
    for kind in ("false certificates", "missed", "false alarms"):
        click.echo(f"{kind}: {faults[kind]}")
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
