"""Fits beside pyPESTO's: time until the best known llh, and the share of starts that reach it.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_fit.py

Both have AMICI simulate one condition after the other on one core, the same random starts, and
fides with the same options. Starts of both sides take turns in one process, and CPU time counts, so
that a busy machine disturbs neither. pyPESTO simulates with the settings that work at nominal
(AMICI's defaults where they do); ours does what `amijax.fit` does, which is the same after a coarse
stage ("ours"), and with --tuned also with settings found by a search, for the error of AMICI's
defaults or for --digits of the gradient. Best known is the largest llh that any of them found, or
the stored reference. The expected time until it is found counts starts that don't find it in full.

With --optimizers instead: our optimisers against each other, over problems and seeds. With
--scaling: all starts on one core and on all, wall time, when processes are to be started first and
when they wait for work already. With --stages: the coarse stage against the fine one all along.
"""

import contextlib
import json
import math
import statistics
import time
import warnings
from dataclasses import dataclass, field

import click
import numpy as np
from common import json_option, number_option, problems_argument

from amijax import AmiciObjective, ProblemError, load_problem
from amijax.cores import available_cores
from amijax.fit.multistart import fit
from amijax.fit.optima import SAME_OPTIMUM
from amijax.fit.optimizers import OPTIMIZERS, fides_options
from amijax.fit.run_start import Plan, Task, run_start
from amijax.fit.solver import settled_for_fit
from amijax.fit.stages import stages_for
from amijax.fit.start_points import random_points
from amijax.fit.worker_processes import end_idle_workers
from amijax.problems.features import known_features
from amijax.simulation.settings import SolverChoice
from amijax.tuning.found import TuningWarning, tuned

# Whose starts take seconds, and whose optimum some of twenty starts find.
PROBLEMS = [
    "Bertozzi_PNAS2020",
    "Blasi_CellSystems2016",
    "Boehm_JProteomeRes2014",
    "Bruno_JExpBot2016",
    "Perelson_Science1996",
    "Raia_CancerResearch2011",
    "Schwen_PONE2014",
    "Zhao_QuantBiol2020",
]


class _LateError(Exception):
    """A start took longer than it may."""


@dataclass
class Side:
    """What one way to fit came to.

    Attributes:
        cpu: CPU seconds of each start.
        evaluations: of each start.
        traces: (seconds, llh) at the improvements of each start.
    """

    cpu: list = field(default_factory=list)
    evaluations: list = field(default_factory=list)
    traces: list = field(default_factory=list)

    @property
    def ends(self):
        return [trace[-1][1] if trace else -math.inf for trace in self.traces]

    def add(self, cpu, trace, evaluations):
        self.cpu.append(cpu)
        self.traces.append(trace)
        self.evaluations.append(evaluations)

    def reached(self, target):
        """How many starts came within 0.1 of the target."""
        return sum(end >= target - SAME_OPTIMUM for end in self.ends)

    def seconds_until(self, target):
        """Expected CPU seconds until a start comes within 0.1, starts in random order.

        Starts that don't count in full; of the one that does, the time until it is there.
        """
        times = [
            next((s for s, llh in trace if llh >= target - SAME_OPTIMUM), None)
            for trace in self.traces
        ]
        hits = [seconds for seconds in times if seconds is not None]
        if not hits:
            return math.inf
        missed = sum(cpu for cpu, s in zip(self.cpu, times, strict=True) if s is None)
        return statistics.mean(hits) + missed / len(hits)


def opened(name, optimizer="fides"):
    objective = AmiciObjective(load_problem(name), num_threads=1)
    return settled_for_fit(objective, SolverChoice(), optimizer)


def our_start(objective, optimizer, stages, theta, limit):
    """One start of ours, as `Side.add` takes it."""
    problem = objective.problem
    plan = Plan(optimizer, problem.lower_theta, problem.upper_theta, False, stages)
    began, last = time.thread_time(), []

    def report(start):
        last[:] = [start]
        if time.thread_time() - began > limit:
            raise _LateError

    with contextlib.suppress(_LateError):
        last[:] = [run_start(objective, plan, Task(0, theta), report)]
    start = last[0]
    cpu = time.thread_time() - began
    share = cpu / max(start.seconds, 1e-9)
    pairs = zip(start.trace.seconds * share, start.trace.values, strict=True)
    return cpu, [(float(s), float(v)) for s, v in pairs], start.n_evaluations


def target_of(name, sides):
    reference = known_features()[name].reference_llh if name in known_features() else None
    found = max(max(side.ends, default=-math.inf) for side in sides)
    return found if reference is None else max(found, reference)


def tuned_stages(objective, digits):
    """Stages for the digits, and the seconds that searching took or would take."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TuningWarning)
        stages = stages_for(objective, digits, search=True)
        searched = tuned(objective, digits).search_seconds
        if len(stages) > 1:
            searched += tuned(objective, 2.0).search_seconds
    return stages, searched


def beside_pypesto(name, n_starts, seeds, limit, with_search, digits):
    """A row of the table, and what is in it."""
    from peers.pypesto_fit import run_start as peer_start
    from peers.pypesto_fit import set_up

    objective = opened(name)
    problem = objective.problem
    peer = set_up(objective)
    usual = stages_for(objective, None)
    options = {**fides_options(), "maxtime": limit}
    turns = {
        "pypesto": lambda theta: peer_start(peer, theta, options, None),
        "ours": lambda theta: our_start(objective, "fides", usual, theta, limit),
    }
    searched = 0.0
    if with_search:
        stages, searched = tuned_stages(objective, digits)
        turns["tuned"] = lambda theta: our_start(objective, "fides", stages, theta, limit)
    sides = {side: Side() for side in turns}
    for turn in turns.values():  # the first evaluations load and try the model
        with contextlib.suppress(Exception):
            turn(problem.nominal_theta)
    k = 0
    for seed in seeds:
        for theta in random_points(
            problem, n_starts, seed, problem.lower_theta, problem.upper_theta
        ):
            names = list(turns)
            first = k % len(names)
            for side in names[first:] + names[:first]:
                sides[side].add(*turns[side](theta))
            k += 1
    target = target_of(name, sides.values())
    return {
        "problem": name,
        "parameters": problem.n_parameters,
        "best": target,
        "searched": searched,
        **{
            side: {
                "reached": values.reached(target),
                "starts": len(values.cpu),
                "until": values.seconds_until(target),
                "cpu": sum(values.cpu),
                "evaluations": sum(values.evaluations),
                "ends": values.ends,
            }
            for side, values in sides.items()
        },
    }


def geometric_mean(values):
    known = [v for v in values if math.isfinite(v) and v > 0]
    return math.exp(statistics.mean(map(math.log, known))) if known else math.nan


def compare_with_pypesto(problems, n_starts, seeds, limit, with_search, digits):
    """A line for each problem, then geometric means."""
    ours = ("ours", "tuned") if with_search else ("ours",)
    sides = ("pypesto", *ours)
    width = 9 * len(sides)
    print(
        f"{'problem':26} {'best llh':>12} | {'reached, of starts':^{width}} | "
        f"{'CPU s until reached':^{width}} | {'ratio':^{7 * len(ours)}} | all starts"
    )
    names = "".join(f"{side:>9}" for side in sides)
    ratios = "".join(f"{side:>7}" for side in ours)
    print(f"{'':26} {'':>12} | {names} | {names} | {ratios} | {ratios}")
    rows = []
    for name in problems:
        try:
            row = beside_pypesto(name, n_starts, seeds, limit, with_search, digits)
        except (ProblemError, RuntimeError, ValueError) as error:
            print(f"{name:26} {type(error).__name__}: {str(error)[:90]}")
            continue
        rows.append(row)
        peer = row["pypesto"]
        print(
            f"{name:26} {row['best']:12.5g} | "
            + "".join(f"{row[side]['reached']:>6}/{peer['starts']:<2}" for side in sides)
            + " | "
            + "".join(f"{row[side]['until']:9.3f}" for side in sides)
            + " | "
            + "".join(f"{row[side]['until'] / peer['until']:7.2f}" for side in ours)
            + " | "
            + "".join(f"{row[side]['cpu'] / peer['cpu']:7.2f}" for side in ours),
            flush=True,
        )
    for side in ours:
        both = [row for row in rows if row["pypesto"]["reached"] and row[side]["reached"]]
        until = geometric_mean(row[side]["until"] / row["pypesto"]["until"] for row in both)
        cpu = geometric_mean(row[side]["cpu"] / row["pypesto"]["cpu"] for row in rows)
        shares = [
            statistics.mean(row[each]["reached"] / row[each]["starts"] for row in rows)
            for each in ("pypesto", side)
        ]
        print(
            f"{side}: geometric mean of the time until reached {until:.2f} of pyPESTO's "
            f"({len(both)} problems that both solve), of the time of all starts {cpu:.2f} "
            f"({len(rows)} problems); share of starts that reach it {shares[1]:.2f} against "
            f"{shares[0]:.2f}"
        )
    if with_search:
        searched = sum(row["searched"] for row in rows)
        print(f"Searching settings took {searched:.0f} s, once for a machine; not in the ratios.")
    return rows


def compare_optimizers(problems, n_starts, seeds, limit):
    """Our optimisers against each other, over problems and seeds."""
    rows = []
    print(f"{'problem':26} {'optimiser':14} {'reached':>9} {'until':>9} {'evaluations':>12}")
    for name in problems:
        sides = {}
        for optimizer in OPTIMIZERS:
            objective = opened(name, optimizer)
            problem = objective.problem
            side = sides[optimizer] = Side()
            try:
                for seed in seeds:
                    for theta in random_points(
                        problem, n_starts, seed, problem.lower_theta, problem.upper_theta
                    ):
                        stages = stages_for(objective, None)
                        side.add(*our_start(objective, optimizer, stages, theta, limit))
            except ProblemError as error:
                print(f"{name:26} {optimizer:14} {str(error)[:60]}")
                del sides[optimizer]
        target = target_of(name, sides.values())
        for optimizer, side in sides.items():
            until = side.seconds_until(target)
            rows.append(
                {
                    "problem": name, "optimizer": optimizer, "reached": side.reached(target),
                    "starts": len(side.cpu), "until": until, "ends": side.ends,
                }
            )  # fmt: skip
            print(
                f"{name:26} {optimizer:14} {side.reached(target):>5}/{len(side.cpu):<3} "
                f"{until:9.2f} {sum(side.evaluations):12}",
                flush=True,
            )
    for optimizer in OPTIMIZERS:
        own = {row["problem"]: row for row in rows if row["optimizer"] == optimizer}
        default = {row["problem"]: row for row in rows if row["optimizer"] == "fides"}
        both = [n for n in own if own[n]["reached"] and default[n]["reached"]]
        ratio = geometric_mean(own[n]["until"] / default[n]["until"] for n in both)
        share = statistics.mean(row["reached"] / row["starts"] for row in own.values())
        print(
            f"{optimizer}: share of starts {share:.2f}, solves "
            f"{sum(bool(row['reached']) for row in own.values())} of {len(own)}, time until "
            f"reached {ratio:.2f} of fides' ({len(both)} problems)"
        )
    return rows


def compare_stages(problems, n_starts, seeds, limit, digits):
    """Coarse settings first against the fine ones all along."""
    rows = []
    print(
        f"{'problem':26} {'CPU fine':>9} {'both':>9} {'ratio':>6} {'median':>7} "
        f"{'same end':>9} {'better':>7} {'worse':>6} {'only both':>10}"
    )
    for name in problems:
        objective = opened(name)
        problem = objective.problem
        stages = stages_for(objective, digits)
        sides = {"fine": Side(), "both": Side()}
        chosen = {"fine": stages[-1:], "both": stages}
        k = 0
        for seed in seeds:
            for theta in random_points(
                problem, n_starts, seed, problem.lower_theta, problem.upper_theta
            ):
                for side in ("fine", "both") if k % 2 else ("both", "fine"):
                    sides[side].add(*our_start(objective, "fides", chosen[side], theta, limit))
                k += 1
        fine, both = (np.array(side.ends) for side in sides.values())
        # Starts that only one side can begin say nothing of speed.
        began = np.isfinite(fine) & np.isfinite(both)
        cpu = {side: np.array(values.cpu)[began] for side, values in sides.items()}
        gain = (both - fine)[began]
        same = int((np.abs(gain) <= SAME_OPTIMUM).sum())
        better, worse = int((gain > SAME_OPTIMUM).sum()), int((gain < -SAME_OPTIMUM).sum())
        ratio = cpu["both"].sum() / cpu["fine"].sum()
        row = {
            "problem": name, "cpu": {side: float(v.sum()) for side, v in cpu.items()},
            "ratio": ratio, "median": float(np.median(cpu["both"] / cpu["fine"])), "same": same,
            "better": better, "worse": worse, "only both": int((np.isfinite(both) & ~began).sum()),
            "best": [float(fine.max()), float(both.max())],
        }  # fmt: skip
        rows.append(row)
        print(
            f"{name:26} {row['cpu']['fine']:9.2f} {row['cpu']['both']:9.2f} {ratio:6.2f} "
            f"{row['median']:7.2f} {same:>5}/{began.sum():<3} {better:7} {worse:6} "
            f"{row['only both']:10}   best {fine.max():.7g} and {both.max():.7g}",
            flush=True,
        )
    print(f"Geometric mean of the CPU time {geometric_mean(row['ratio'] for row in rows):.2f}")
    return rows


def scaling(problems, n_starts, limit):
    """Wall time of all starts on one core and on all, without and with processes that wait."""
    rows = []
    cores = available_cores()
    print(
        f"{'problem':26} {'1 core s':>9} {f'{cores} cold':>8} {f'{cores} warm':>8} {'speed-up':>16}"
    )
    for name in problems:
        objective = opened(name)
        end_idle_workers()
        seconds = {}
        for way, workers in (("one", 1), ("cold", cores), ("warm", cores)):
            result = fit(
                objective, n_starts, workers=workers, resume=False, audit=False, priors=False,
                time_limit=limit,
            )  # fmt: skip
            seconds[way] = result.seconds
        rows.append({"problem": name, "seconds": seconds})
        print(
            f"{name:26} {seconds['one']:9.2f} {seconds['cold']:8.2f} {seconds['warm']:8.2f} "
            f"{seconds['one'] / seconds['cold']:8.2f}{seconds['one'] / seconds['warm']:8.2f}",
            flush=True,
        )
    for way in ("cold", "warm"):
        mean = geometric_mean(row["seconds"]["one"] / row["seconds"][way] for row in rows)
        print(f"{way}: geometric mean {mean:.2f}")
    return rows


@click.command(help=__doc__)
@problems_argument(PROBLEMS)
@number_option("--starts", 20, "Starts for each seed.")
@number_option("--seeds", 1, "Seeds.")
@click.option("--limit", default=30.0, show_default=True, help="CPU seconds for one start.")
@click.option("--tuned", "with_search", is_flag=True, help="With searched settings as well.")
@click.option("--digits", type=float, help="Of the gradient, for `tuned`.  [default: the error "
    "of AMICI's defaults]")  # fmt: skip
@click.option("--optimizers", "what", flag_value="optimizers", help="Compare our optimisers.")
@click.option("--stages", "what", flag_value="stages", help="Compare stages with a single one.")
@click.option("--scaling", "what", flag_value="scaling", help="One core and all.")
@json_option
def main(problems, starts, seeds, limit, with_search, digits, what, json_file):
    """Run a comparison and print its table."""
    warnings.simplefilter("ignore")
    every = range(seeds)
    if what == "optimizers":
        rows = compare_optimizers(problems, starts, every, limit)
    elif what == "stages":
        rows = compare_stages(problems, starts, every, limit, digits)
    elif what == "scaling":
        rows = scaling(problems, starts, None)
    else:
        rows = compare_with_pypesto(problems, starts, every, limit, with_search, digits)
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
