"""Many points at once: threads pull pieces of their simulations from one queue, on all cores."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

import amici.sim.sundials as sundials

from amijax.models.amici_internals import run_simulations
from amijax.scales import FloatArray
from amijax.simulation.failures import Failure
from amijax.simulation.preparation import Condition, Prepared
from amijax.simulation.steady_states import never_steady

# Long enough that starting a piece costs nothing, short enough that cores finish together, and
# for progress and stopping.
_PIECE_SECONDS = 0.02
_REPORT_SECONDS = 0.1
_LARGEST_PIECE = 1024  # simulations, whose ReturnData is in memory at once


class Read(Protocol):
    """What is kept of one simulation."""

    @property
    def stopped(self) -> Failure | None:
        """Why AMICI could not finish it, None if it did."""


type Reader[R: Read] = Callable[[Condition, Any, Failure | None], R]
"""Function of a condition, AMICI's ReturnData, and why its steady state is none."""


class PointResult[R: Read](NamedTuple):
    """What became of one point of a batch."""

    position: int
    results: list[R]  # by condition; those after one that failed may be missing
    seconds: float  # the point's share of the batch's duration


class _Piece[R: Read](NamedTuple):
    """Consecutive simulations; number n_conditions * k + i is condition i of point k."""

    simulations: range
    results: list[R | None]  # None where the point had failed before
    seconds: float


def simulate_points[R: Read](
    model: Any,
    new_solver: Callable[[], Any],
    prepared: Prepared,
    thetas: FloatArray,
    read: Reader[R],
    num_threads: int,
) -> Generator[list[PointResult[R]]]:
    """Simulate all conditions at many points; a failed simulation does not stop other points.

    Dividing the simulations among the cores beforehand, as `run_simulations` does with
    `num_threads`, leaves cores idle wherever some simulations are slower than others. Here each
    thread takes the next few as soon as it is free. Memory grows with the points in flight.

    Args:
        model: AMICI's model.
        new_solver: makes an AMICI solver with its sensitivity order and reporting mode set.
        prepared: the conditions.
        thetas: the points, all finite, shape (n, n_parameters).
        read: takes what is wanted from each simulation.
        num_threads: cores to use.

    Yields:
        Points as they are finished, several times a second; an empty list if there are none.
    """
    n_conditions = len(prepared.conditions)
    num_threads = max(1, min(num_threads, len(thetas) * n_conditions))
    queue = _Queue(len(thetas), n_conditions, num_threads)

    def new_worker() -> _Worker[R]:
        return _Worker(model, new_solver(), prepared, thetas, read, queue)

    pieces = _in_threads(new_worker, num_threads) if num_threads > 1 else new_worker().pieces()
    results: dict[int, list[R | None]] = defaultdict(lambda: [None] * n_conditions)
    missing: dict[int, int] = defaultdict(lambda: n_conditions)
    seconds: dict[int, float] = defaultdict(float)
    finished: list[PointResult[R]] = []
    told = -math.inf
    for piece in pieces:
        share = piece.seconds / len(piece.simulations) / num_threads
        for simulation, result in zip(piece.simulations, piece.results, strict=True):
            point, i = divmod(simulation, n_conditions)
            results[point][i] = result
            seconds[point] += share
            missing[point] -= 1
            if not missing[point]:
                del missing[point]
                present = [result for result in results.pop(point) if result is not None]
                finished.append(PointResult(point, present, seconds.pop(point)))
        if time.perf_counter() - told > _REPORT_SECONDS:
            yield finished
            finished, told = [], time.perf_counter()
    if finished:
        yield finished


class _Queue:
    """What is still to be simulated, handed out to the threads."""

    def __init__(self, n_points: int, n_conditions: int, num_threads: int) -> None:
        self.n_conditions = n_conditions
        self._total = n_points * n_conditions
        self._num_threads = num_threads
        self._next = 0
        self._each = math.inf  # seconds for one simulation; first pieces have just one
        self._failed: dict[int, int] = {}
        self._lock = threading.Lock()

    def take(self) -> range:
        """The simulations of the next piece; an empty range after the last one."""
        with self._lock:
            size = min(int(_PIECE_SECONDS / self._each), _LARGEST_PIECE)
            # Towards the end smaller pieces, so that no thread waits long for the last one.
            size = min(size, (self._total - self._next) // (2 * self._num_threads))
            piece = range(self._next, min(self._next + max(size, 1), self._total))
            self._next = piece.stop
            return piece

    def report(self, piece: range, seconds: float) -> None:
        """Tell how long a piece took."""
        with self._lock:
            self._each = max(seconds / len(piece), 1e-9)

    def fail(self, simulation: int) -> None:
        """Tell that the solver gave up: the point's later conditions are not worth their time."""
        point, i = divmod(simulation, self.n_conditions)
        with self._lock:
            self._failed[point] = min(i, self._failed.get(point, i))

    def is_worthwhile(self, simulation: int) -> bool:
        """Whether no earlier condition of the simulation's point failed."""
        point, i = divmod(simulation, self.n_conditions)
        return i <= self._failed.get(point, i)


class _Worker[R: Read]:
    """One thread's share of a batch: what AMICI's setters mutate is its own."""

    def __init__(
        self,
        model: Any,
        solver: Any,
        prepared: Prepared,
        thetas: FloatArray,
        read: Reader[R],
        queue: _Queue,
    ) -> None:
        self._model, self._solver, self._prepared = model, solver, prepared
        self._thetas, self._read, self._queue = thetas, read, queue
        self._spare: dict[int, list[Any]] = defaultdict(list)  # ExpData to be filled again

    def pieces(self) -> Iterator[_Piece[R]]:
        """Simulate piece after piece until nothing is left."""
        while simulations := self._queue.take():
            start = time.perf_counter()
            results = self._simulate(simulations)
            seconds = time.perf_counter() - start
            self._queue.report(simulations, seconds)
            yield _Piece(simulations, results, seconds)

    def _simulate(self, simulations: range) -> list[R | None]:
        queue, conditions = self._queue, self._prepared.conditions
        worthwhile = [simulation for simulation in simulations if queue.is_worthwhile(simulation)]
        values: dict[int, list[list[float]]] = {}  # by point
        edatas = []
        for simulation in worthwhile:
            point, i = divmod(simulation, queue.n_conditions)
            if point not in values:
                values[point] = self._prepared.model_parameters(self._thetas[point])
            spare = self._spare[i]
            edata = spare.pop() if spare else sundials.ExpData(self._prepared.edatas[i])
            edata.free_parameters = values[point][i]
            edatas.append(edata)
        rdatas = run_simulations(self._model, self._solver, edatas, failfast=False)
        results: dict[int, R] = {}
        for simulation, edata, rdata in zip(worthwhile, edatas, rdatas, strict=True):
            i = simulation % queue.n_conditions
            self._spare[i].append(edata)
            unsteady = never_steady(conditions[i], self._model, self._solver, edata, rdata)
            result = self._read(conditions[i], rdata, unsteady)
            results[simulation] = result
            if result.stopped is not None:
                queue.fail(simulation)
        return [results.get(simulation) for simulation in simulations]


def _in_threads[R: Read](
    new_worker: Callable[[], _Worker[R]], num_threads: int
) -> Iterator[_Piece[R]]:
    """The pieces of several workers, each in a thread of its own, as they are finished."""
    done: SimpleQueue[_Piece[R] | BaseException | None] = SimpleQueue()
    stopping = threading.Event()

    def work() -> None:
        try:
            for piece in new_worker().pieces():
                done.put(piece)
                if stopping.is_set():
                    break
        except BaseException as error:  # told by the thread that waits
            done.put(error)
        finally:
            done.put(None)

    with ThreadPoolExecutor(num_threads, thread_name_prefix="amijax batch") as pool:
        try:
            for _ in range(num_threads):
                pool.submit(work)
            working = num_threads
            while working:
                item = done.get()
                if item is None:
                    working -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            stopping.set()
