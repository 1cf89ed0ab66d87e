"""Many points in one `run_simulations`: all conditions of all points, on all cores, in chunks."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import amici.sim.sundials as sundials

from amijax.preparation import Prepared, write_parameters
from amijax.scales import FloatArray

# Long enough that the cores are busy, short enough for progress and for stopping.
_CHUNK_SECONDS = 0.5
_LARGEST_CHUNK = 4096  # simulations, whose results are in memory at once


def simulate_points(
    model: Any, solver: Any, prepared: Prepared, thetas: FloatArray, num_threads: int
) -> Iterator[list[tuple[int, list[Any], float]]]:
    """Simulate all conditions at many points; a failed simulation does not stop the others.

    Args:
        model: AMICI's model.
        solver: AMICI's solver, with its sensitivity order set.
        prepared: the conditions.
        thetas: the points, all finite, shape (n, n_parameters).
        num_threads: cores to use.

    Yields:
        After each chunk the points that it finished: position, AMICI's ReturnData of all
        conditions, and seconds (the point's share of the chunks' durations).
    """
    n_conditions = len(prepared.conditions)
    total = len(thetas) * n_conditions
    spare: dict[int, list[Any]] = defaultdict(list)  # ExpData to be filled again
    rdatas: dict[int, list[Any]] = defaultdict(list)
    seconds: dict[int, float] = defaultdict(float)
    size = num_threads  # until it is known how long a simulation takes
    first = 0
    while first < total:
        chunk = range(first, min(first + size, total))
        edatas = []
        for task in chunk:
            point, i = divmod(task, n_conditions)
            edata = spare[i].pop() if spare[i] else sundials.ExpData(prepared.edatas[i])
            write_parameters(edata, prepared.conditions[i], thetas[point])
            edatas.append(edata)
        start = time.perf_counter()
        results = sundials.run_simulations(
            model, solver, edatas, failfast=False, num_threads=min(num_threads, len(edatas))
        )
        each = (time.perf_counter() - start) / len(chunk)
        finished = []
        for task, edata, rdata in zip(chunk, edatas, results, strict=True):
            point, i = divmod(task, n_conditions)
            spare[i].append(edata)
            rdatas[point].append(rdata.ptr)
            seconds[point] += each
            if i == n_conditions - 1:
                finished.append((point, rdatas.pop(point), seconds.pop(point)))
        yield finished
        wanted = math.ceil(_CHUNK_SECONDS / max(each, 1e-9) / num_threads) * num_threads
        size = min(max(wanted, num_threads), _LARGEST_CHUNK)
        first = chunk.stop
