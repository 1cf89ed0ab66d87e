"""Durations of calls that are made in turns, so that noise hits all of them alike."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST, MOST = 3, 300  # repetitions of a call, whatever it takes


@dataclass(frozen=True)
class Spread:
    """Milliseconds of a call: median, quartiles and the number of repetitions."""

    median: float
    lower: float
    upper: float
    n: int


def spread(durations: list[float]) -> Spread:
    """The spread of durations given in seconds."""
    lower, median, upper = (float(q) * 1e3 for q in np.quantile(durations, [0.25, 0.5, 0.75]))
    return Spread(median, lower, upper, len(durations))


def repetitions(seconds: Mapping[str, float], budget: float) -> dict[str, int]:
    """How often each call is made: as often as fits in its budget, within limits.

    Args:
        seconds: what one call takes, by name.
        budget: seconds for each name.
    """
    return {
        name: min(max(int(budget / max(once, 1e-9)), FEWEST), MOST)
        for name, once in seconds.items()
    }


def turns(counts: Mapping[str, int]) -> Iterator[str]:
    """Each name as often as its count says, spread evenly from first to last, order shuffled.

    The order within a round is shuffled so that nobody always follows the same predecessor, which
    leaves the caches in a certain state.
    """
    shuffle = random.Random(0).shuffle
    rounds = max(counts.values(), default=0)
    for i in range(rounds):
        names = [
            name
            for name, count in counts.items()
            if (i + 1) * count // rounds > i * count // rounds
        ]
        shuffle(names)
        yield from names


def measure(runs: Mapping[str, Callable[[], Any]], budget: float) -> dict[str, list[float]]:
    """Seconds of each call, made in turns; each was called before.

    Args:
        runs: the calls by name.
        budget: seconds for each.
    """
    once = {name: seconds_of(run) for name, run in runs.items()}
    durations: dict[str, list[float]] = {name: [] for name in runs}
    for name in turns(repetitions(once, budget)):
        durations[name].append(seconds_of(runs[name]))
    return durations


def seconds_of(run: Callable[[], Any]) -> float:
    """What one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
