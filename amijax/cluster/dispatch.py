"""Batches on a Dask cluster: chunks of points go to its workers, results come back in order.

A worker gets the objective's recipe with each chunk, so a chunk can be done by any worker at any
time; it prepares the objective once and finds or compiles the model by its key. Chunks of a worker
that is lost go to others. What the cluster can't do is done here, and a warning says so.
"""

from __future__ import annotations

import math
import pickle
import queue
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from distributed import CancelledError, Client, Future, KilledWorker

from amijax.cluster.errors import ClusterError, ClusterWarning
from amijax.cluster.settings import ClusterSettings
from amijax.cluster.worker import SAME_VERSIONS, evaluate_chunk
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation, failed_evaluation
from amijax.simulation.failures import Failure
from amijax.versions import versions

if TYPE_CHECKING:
    from amijax.objective import AmiciObjective

_SHORTEST = 0.1  # the least of a chunk's usual time that is worth the way
_LARGEST_CHUNK = 4096  # points
_IN_FLIGHT = 2  # chunks per thread of the cluster: one under way and one that waits for it
_LOOK_SECONDS = 1.0  # between two looks at which workers there are


def evaluate_on(
    client: Client,
    objective: AmiciObjective,
    points: FloatArray,
    gradient: bool,
    on_chunk: Callable[[int], None] | None,
    settings: ClusterSettings,
) -> tuple[Evaluation, ...]:
    """Evaluate at many points on a cluster; results are those of this process, in order.

    Each chunk is computed on one thread of a worker, whatever the objective's `num_threads` is;
    workers run as many chunks at once as they have threads. A point that ends the process of
    every worker that tries it is a failed evaluation.

    Args:
        client: of the cluster.
        objective: what to evaluate.
        points: shape (n, n_parameters), on the PEtab scale.
        gradient: whether to compute gradients as well.
        on_chunk: called after each chunk with the number of points finished so far; what it
            raises ends the batch.
        settings: how to use the cluster.

    Raises:
        ClusterError: there are no workers, their versions differ from those here, or the first
            chunks that come back have all failed.
        ProblemError: the problem's files are not what they were when it was opened.
    """
    return _Batch(client, objective, points, gradient, on_chunk, settings).run()


class _Batch:
    """One batch under way."""

    def __init__(
        self,
        client: Client,
        objective: AmiciObjective,
        points: FloatArray,
        gradient: bool,
        on_chunk: Callable[[int], None] | None,
        settings: ClusterSettings,
    ) -> None:
        self._client = client
        self._settings = settings
        self._objective = objective
        self._points = points
        self._gradient = gradient
        self._on_chunk = on_chunk or _ignore
        self._recipe = pickle.dumps(replace(objective.recipe(), num_threads=1))
        self._versions = versions()
        self._evaluations: dict[int, Evaluation] = {}
        self._first_unsent = 0
        self._under_way: dict[Future, Sequence[int]] = {}
        self._over: queue.SimpleQueue[Future] = queue.SimpleQueue()  # of these, those that ended
        # Chunks under way on workers that ended. Dask blames all that such a worker had, so each
        # is sent again with nothing else under way, to find the one that does it.
        self._suspects: deque[Sequence[int]] = deque()
        self._alone = False  # whether what is under way is a suspect
        self._measured = (0, 0.0)  # points and what they took, in seconds
        self._threads = 0
        self._looked = -math.inf
        self._worker_seen = time.monotonic()
        self._trouble: str | None = None  # what went wrong last

    def run(self) -> tuple[Evaluation, ...]:
        try:
            while self._look() and self._send():
                self._receive()
        finally:
            self._stop()
        self._do_rest_here()
        return tuple(self._evaluations[i] for i in range(len(self._points)))

    def _look(self) -> bool:
        """Count the cluster's threads now and then; return whether to go on with it."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._threads = self._count_threads()
            self._looked = time.monotonic()
        if self._threads:
            self._worker_seen = now
        elif now - self._worker_seen > self._settings.patience_seconds:
            self._fail(f"it has had no workers for {self._settings.patience_seconds:g} s")
            return False
        if self._client.status != "running":
            self._fail("the connection to its scheduler was lost")
            return False
        return True

    def _count_threads(self) -> int:
        try:
            return sum(self._client.nthreads().values())
        except (OSError, TimeoutError, CancelledError):
            return 0

    def _fail(self, why: str) -> None:
        """Note that the cluster can't do something.

        Raises:
            ClusterError: nothing came back from it so far, so it is not set up as it should be.
        """
        self._trouble = why
        if not self._evaluations:
            raise ClusterError(
                f"The Dask cluster at {_address(self._client)} can't evaluate "
                f"{self._objective.problem.problem_id}: {why}. See that its workers run (for those "
                "that start late: `client.wait_for_workers(1)`) and that they and the scheduler "
                "have amijax and a C++ compiler; or compute here, without an executor."
            )

    def _send(self) -> bool:
        """Keep the workers busy; return whether anything is under way."""
        while not self._alone and len(self._under_way) < _IN_FLIGHT * max(self._threads, 1):
            # Suspects come last, unless it may be the very preparation that ends workers.
            if self._suspects and not (
                self._evaluations and self._first_unsent < len(self._points)
            ):
                if self._under_way:
                    break
                self._alone = True
                self._submit(self._suspects.popleft())
            elif self._first_unsent < len(self._points):
                self._submit(self._next_chunk())
            else:
                break
        return bool(self._under_way)

    def _submit(self, chunk: Sequence[int]) -> None:
        future = self._client.submit(
            evaluate_chunk,
            *(self._recipe, self._points[list(chunk)], self._gradient, self._versions),
            pure=False,
            retries=self._settings.retries,
        )
        self._watch(future, chunk)

    def _watch(self, future: Future, chunk: Sequence[int]) -> None:
        self._under_way[future] = chunk
        future.add_done_callback(self._over.put)

    def _next_chunk(self) -> range:
        left = len(self._points) - self._first_unsent
        points, seconds = self._measured
        size = 1  # until it is known how long a point takes
        if points:
            rate = points / max(seconds, 1e-9)
            # Smaller ones towards the end, so that all workers have something to do until then.
            share = left / (_IN_FLIGHT * max(self._threads, 1))
            largest = self._settings.chunk_seconds * rate
            size = math.ceil(min(largest, max(_SHORTEST * largest, share)))
            size = min(size, _LARGEST_CHUNK)
        chunk = range(self._first_unsent, self._first_unsent + min(size, left))
        self._first_unsent = chunk.stop
        return chunk

    def _receive(self) -> None:
        """Take the next chunk that comes back, if one does until the next look at the workers."""
        try:
            future = self._over.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        chunk = self._under_way.pop(future)
        if future.status in ("error", "cancelled"):
            self._failed(future, chunk)
        else:
            self._take(future, chunk)
        self._alone = self._alone and bool(self._under_way)

    def _take(self, future: Future, chunk: Sequence[int]) -> None:
        try:
            answer = future.result(timeout=self._settings.patience_seconds)
        except Exception as error:
            if future.status in ("error", "cancelled"):
                self._failed(future, chunk)
            elif isinstance(error, TimeoutError):  # lost before it was fetched, and done again
                self._watch(future, chunk)
            else:
                self._fail(_shown(error))
            return
        if answer.refusal is not None:
            here = " and ".join(f"{name} {self._versions[name]}" for name in SAME_VERSIONS)
            raise ClusterError(
                f"Workers of the Dask cluster at {_address(self._client)} have {answer.refusal}, "
                f"here is {here}: results would differ. Install the same versions."
            )
        points, seconds = self._measured
        self._measured = (points + len(chunk), seconds + answer.seconds)
        self._keep(chunk, pickle.loads(answer.evaluations))

    def _failed(self, future: Future, chunk: Sequence[int]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, KilledWorker) and not self._alone:
            self._suspects.append(chunk)
        elif isinstance(error, KilledWorker) and len(chunk) > 1:
            self._suspects += [[i] for i in chunk]
        elif isinstance(error, KilledWorker) and self._evaluations:
            self._keep(chunk, [self._killed(chunk[0])])
        else:
            self._fail("its chunks were cancelled" if error is None else _shown(error))

    def _killed(self, position: int) -> Evaluation:
        failure = Failure(
            "worker",
            "Workers of the Dask cluster ended while they computed this point",
            "Look into their logs: perhaps they have too little memory. Evaluated here, the point "
            "may end this process.",
        )
        theta, solver = self._points[position], self._objective.solver
        return failed_evaluation(theta, self._gradient, failure, 0.0, solver)

    def _keep(self, chunk: Sequence[int], evaluations: Sequence[Evaluation]) -> None:
        self._evaluations.update(zip(chunk, evaluations, strict=True))
        self._on_chunk(len(self._evaluations))

    def _stop(self) -> None:
        """Let the cluster forget what it still has of this batch."""
        if self._alone:
            self._suspects += self._under_way.values()
        if self._under_way and self._client.status == "running":
            with suppress(OSError, TimeoutError, CancelledError):
                self._client.cancel(list(self._under_way))
        self._under_way.clear()

    def _do_rest_here(self) -> None:
        for chunk in self._suspects:  # never here, where they would end everything
            self._keep(chunk, [self._killed(i) for i in chunk])
        rest = [i for i in range(len(self._points)) if i not in self._evaluations]
        if not rest:
            return
        warnings.warn(
            f"{len(rest)} of {len(self._points)} points are evaluated here, since the Dask cluster "
            f"at {_address(self._client)} can't do it: {self._trouble}.",
            ClusterWarning,
            stacklevel=5,  # the caller of `evaluate_batch`
        )
        done = len(self._evaluations)
        evaluations = self._objective.with_executor(None).evaluate_batch(
            self._points[rest], self._gradient, on_chunk=lambda more: self._on_chunk(done + more)
        )
        self._evaluations.update(zip(rest, evaluations, strict=True))


def _address(client: Client) -> str:
    return str(client.scheduler.address) if client.scheduler is not None else "an unknown address"


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split())[:500].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _ignore(_done: int) -> None:
    pass
