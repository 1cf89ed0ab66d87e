"""Gradients with tuned settings against AMICI's defaults and its plain tolerance ladder.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_tuning.py

(a) The settings with an error no larger than AMICI's defaults have at nominal, against raw AMICI
(`run_simulations` on prepared ExpData) at these defaults; where they fail, at the first tolerances
that `auto` tries (marked *). (b) The settings for 2, 4 and 6 digits against the cheapest rung of
AMICI's plain ladder (rtol 1e-4 to 1e-13; atol 1e-16, or 1e-4 times rtol; simultaneous) whose error
is as asked at the same points. (c) At how many of 20 other points around nominal the promised
digits hold, and at how many AMICI fails, so that there is no gradient. Errors are those of the
gradient in norm, against AMICI at rtol 1e-13. Calls are made in turns; times are medians of the
process's CPU time, ratios are medians of those of two calls one after the other, since a machine
is slower at one time than at another. Searches are not kept.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import click
import numpy as np
from common import json_option, number_option, problems_argument, seconds_option
from peers import raw

from amijax import AmiciObjective, SolverSettings, load_problem
from amijax.json_values import json_text
from amijax.logs import quiet_amici
from amijax.tuning.errors import digits_of
from amijax.tuning.points import around, baseline_at, known_point
from amijax.tuning.search import tune

PROBLEMS = [
    "Boehm_JProteomeRes2014",
    "Fujita_SciSignal2010",
    "Weber_BMC2015",
    "Raia_CancerResearch2011",
    "Fiedler_BMCSystBiol2016",
    "Zheng_PNAS2012",
    "Sneyd_PNAS2002",
    "Rahman_MBS2016",
    "Crauste_CellSystems2017",
    "Bruno_JExpBot2016",
    "Brannmark_JBC2010",
]
DIGITS = (2.0, 4.0, 6.0)
OTHER_POINTS_SEED = 1  # the search draws with 0
_LIMIT = 20.0  # a rung that takes longer than this times the baseline is not tried on


@dataclass(frozen=True)
class Duration:
    """Medians of a call, in milliseconds."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class SameError:
    """Part (a) for a problem."""

    problem: str
    defaults_work: bool
    raw: Duration
    tuned: Duration
    ratio: Duration  # of tuned to raw
    error_defaults: float
    error_tuned: float
    settings: str
    tried: int
    search_seconds: float


@dataclass(frozen=True)
class ForDigits:
    """Parts (b) and (c) for a problem and a number of digits."""

    problem: str
    digits: float
    outcome: str
    promised: float
    measured: float
    confirmed: float
    tuned: Duration
    ladder: Duration | None  # None where no rung gives the digits
    ratio: Duration | None  # of tuned to the ladder
    ladder_settings: str
    settings: str
    held: int
    judged: int
    failed: int  # of those judged: AMICI gave no gradient, so none that is wrong
    worst_digits: float  # at the other points
    tried: int
    search_seconds: float


def in_turns(
    calls: dict[str, Callable[[], object]], seconds: float
) -> tuple[dict[str, Duration], Duration]:
    """Time calls in turns, at least seven times each; medians, and of the last one's ratios to
    the first.
    """
    found = {name: ([], []) for name in calls}
    for call in calls.values():
        call()
    end = time.perf_counter() + seconds
    turns = 0
    while turns < 7 or (time.perf_counter() < end and turns < 100):
        for name, call in calls.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            found[name][0].append(time.process_time() - cpu)
            found[name][1].append(time.perf_counter() - wall)
        turns += 1
    durations = {
        name: Duration(*(1e3 * statistics.median(each) for each in pair))
        for name, pair in found.items()
    }
    first, *_, last = found.values()
    ratio = Duration(
        *(statistics.median(np.divide(a, b)) for a, b in zip(last, first, strict=True))
    )
    return durations, ratio


def same_error(objective: AmiciObjective, seconds: float) -> SameError:
    """Part (a)."""
    theta = objective.problem.nominal_theta
    found = tune(objective, None, n_drawn=0)
    tuned = objective.with_solver(found.settings)
    at_defaults = raw.set_up(objective.with_solver(found.baseline))(gradient=True)
    durations, ratio = in_turns(
        {"raw": at_defaults.run, "tuned": lambda: tuned.llh_and_gradient(theta)}, seconds
    )
    (point,) = found.points
    return SameError(
        objective.problem.problem_id, found.baseline.atol == SolverSettings().atol,
        durations["raw"], durations["tuned"], ratio, point.error_baseline, point.error,
        str(found.settings), len(found.table), found.search_seconds,
    )  # fmt: skip


def ladder(base: SolverSettings):
    """AMICI's plain ladder, from loose to tight."""
    for k in range(4, 14):
        for atol in (1e-16, 10.0 ** (-k - 4)):
            yield base.at(10.0**-k, atol, max_steps=100_000)


def cheapest_rung(objective, found, digits):
    """The rung with the least CPU time that has the digits at the points of a search; or None."""
    base, best, least = found.baseline, None, math.inf
    for settings in ladder(base):
        tried = objective.with_solver(settings)
        used = 0.0
        for point in found.points:
            limit = _LIMIT * found.baseline_seconds if best is None else 1.5 * least
            evaluation = tried.gradient_within(point.theta, max(limit, 0.02))
            if evaluation is None or evaluation.failure is not None:
                break
            used = used or evaluation.cpu_seconds
            off = np.linalg.norm(evaluation.gradient - point.reference)
            if not off <= 10.0**-digits * np.linalg.norm(point.reference):
                break
        else:
            if used < least:
                best, least = settings, used
    return best


def other_points(objective, baseline, count):
    """Points with their references, where AMICI simulates at tight tolerances."""
    found, first = [], None
    start = objective.with_solver(baseline)
    for i, theta in enumerate(around(objective.problem, count, OTHER_POINTS_SEED)):
        evaluation = start.evaluate(theta)
        if evaluation.failure is None:
            point = known_point(
                start, str(i), theta, evaluation, 10.0 ** -DIGITS[-1], lambda: None,
                first=first, witnessed=False,
            )  # fmt: skip
            if point is not None:
                found.append(point)
                first = point.tight
    return found


def for_digits(objective, digits, others, seconds) -> ForDigits:
    """Parts (b) and (c)."""
    theta = objective.problem.nominal_theta
    found = tune(objective, digits)
    tuned = objective.with_solver(found.settings)
    rung = cheapest_rung(objective, found, digits)
    calls = {}
    if rung is not None:
        plain = objective.with_solver(rung)
        calls["ladder"] = lambda: plain.llh_and_gradient(theta)
    calls["tuned"] = lambda: tuned.llh_and_gradient(theta)
    durations, ratio = in_turns(calls, seconds)
    gradients = [tuned.evaluate(point.theta).gradient for point in others]
    errors = [point.error(g) for point, g in zip(others, gradients, strict=True)]
    held = sum(digits_of(error) >= found.digits for error in errors)
    failed = sum(not math.isfinite(error) for error in errors)
    errors = [error for error in errors if math.isfinite(error)]
    return ForDigits(
        objective.problem.problem_id, digits, found.outcome, found.digits, found.digits_measured,
        found.digits_confirmed, durations["tuned"], durations.get("ladder"),
        None if rung is None else ratio, str(rung),
        str(found.settings), held, len(others), failed,
        min((digits_of(error) for error in errors), default=math.nan),
        len(found.table), found.search_seconds,
    )  # fmt: skip


def geometric_mean(values):
    """Of numbers above 0; NaN of none."""
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def show_same(each: SameError) -> str:
    """A row of (a)."""
    return (
        f"{each.problem:26}{each.raw.cpu:9.2f}{'' if each.defaults_work else '*':1}"
        f"{each.ratio.cpu:8.2f}{each.ratio.wall:8.2f}"
        f"{each.error_defaults:10.1e}{each.error_tuned:10.1e}{each.tried:6}"
        f"{each.search_seconds:8.1f} s  {each.settings}"
    )


def show_digits(each: ForDigits) -> str:
    """A row of (b) and (c)."""
    ratio = math.nan if each.ratio is None else each.ratio.cpu
    return (
        f"{each.problem:26}{each.digits:3.0f}{each.tuned.cpu:9.2f}{ratio:8.2f}  {each.outcome:12}"
        f"{each.promised:5.1f}{each.measured:6.1f}{each.confirmed:6.1f}"
        f"{each.held:4}/{each.judged:2}{each.failed:3}{each.worst_digits:6.1f}"
        f"{each.tried:6}{each.search_seconds:8.1f} s  {each.settings}"
    )


@click.command(help=__doc__.splitlines()[0])
@problems_argument(PROBLEMS)
@seconds_option(4.0, "for a pair of calls")
@number_option("--others", 20, "Points at which the promise is tried.")
@click.option("--same", "only_same", is_flag=True, help="Part (a) alone, for large problems.")
@json_option
def main(problems, seconds, others, only_same, json_file):
    """Print the tables as they come, and the summary."""
    quiet_amici()
    same, asked = [], []
    for name in problems:
        try:
            objective = AmiciObjective(load_problem(name), num_threads=1)
            same.append(same_error(objective, seconds))
            print("(a)", show_same(same[-1]), flush=True)
            baseline = baseline_at(objective, objective.problem.nominal_theta).solver
            points = [] if only_same else other_points(objective, baseline, others)
            for digits in () if only_same else DIGITS:
                asked.append(for_digits(objective, digits, points, seconds))
                print("(b)", show_digits(asked[-1]), flush=True)
        except Exception as error:  # the others go on
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
        if json_file is not None:
            content = {
                "same": [asdict(each) for each in same], "digits": [asdict(each) for each in asked]
            }  # fmt: skip
            json_file.write_text(json_text(content, indent=1))
    print(summary(same, asked))


def summary(same, asked) -> str:
    """The figures that count."""
    ratios = {each.problem: each.ratio.cpu for each in same}
    lines = [
        f"(a) geometric mean {geometric_mean(list(ratios.values())):.2f}, largest "
        f"{max(ratios.values(), default=math.nan):.2f}"
    ]
    for digits in DIGITS:
        pairs = [e for e in asked if e.digits == digits and e.ratio and e.measured >= digits]
        ratio = geometric_mean([e.ratio.cpu for e in pairs])
        lines.append(
            f"(b) {digits:.0f} digits: geometric mean {ratio:.2f} of {len(pairs)} problems"
        )
    held, judged = sum(e.held for e in asked), sum(e.judged for e in asked)
    lines.append(f"(c) the promise held at {held} of {judged} points ({held / max(judged, 1):.1%})")
    lines.append(f"    AMICI failed, and said so, at {sum(e.failed for e in asked)} of the others")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
