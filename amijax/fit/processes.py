"""Tasks run side by side in processes of their own: one that is lost costs a repetition."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from amijax.fit.streams import HEARTBEAT
from amijax.fit.work import Answer, Repeatable, Work
from amijax.fit.worker_processes import WorkerProcess, keep_worker, taken_worker
from amijax.objective import AmiciObjective

# A task whose processes ended so often is a failed one: it is the task that ends them.
MOST_LOST = 2


class WorkerError(RuntimeError):
    """Processes that do the work can't begin; the message says why and what to do."""


def in_processes[T: Repeatable, A: Answer](
    objective: AmiciObjective, plan: Work[T, A], tasks: Sequence[T], n_processes: int
) -> Generator[A | None]:
    """Run tasks in processes of their own, which share nothing, not even Python's lock.

    Closing the iterator ends the processes immediately, in the middle of a simulation.

    Args:
        objective: the problem.
        plan: what they have in common; pickles.
        tasks: run in this order.
        n_processes: how many at a time.

    Yields:
        Answers, under way or over, and None several times a second.

    Raises:
        ProblemError: the problem's files are not what they were when it was opened.
        WorkerError: a process ended before it could run anything.
    """
    set_up = pickle.dumps((replace(objective.recipe(), num_threads=1), plan))
    work = _Pool(set_up, plan, tasks)
    threads = [
        threading.Thread(target=work.serve, name="amijax fit worker", daemon=True)
        for _ in range(min(n_processes, len(tasks)))
    ]
    for thread in threads:
        thread.start()
    serving = len(threads)
    try:
        while serving:
            try:
                event = work.events.get(timeout=HEARTBEAT)
            except Empty:
                yield None
                continue
            if event is None:
                serving -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        work.stop()
        for thread in threads:
            thread.join()


class _FaultError(Exception):
    """A task raised something, in a process that goes on."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Pool[T: Repeatable, A: Answer]:
    """What is still to be done, and who does it."""

    def __init__(self, set_up: bytes, plan: Work[T, A], tasks: Sequence[T]) -> None:
        self.events: SimpleQueue[A | BaseException | None] = SimpleQueue()
        self._set_up, self._plan = set_up, plan
        self._tasks = deque(tasks)
        self._lock = threading.Lock()
        self._workers: set[WorkerProcess] = set()
        self._stopped = False

    def serve(self) -> None:
        """Keep one process busy until nothing is left to do; a lost one is replaced."""
        try:
            while self._tasks and not self._stopped:
                self._serve_one_process()
        except BaseException as error:  # told by the thread that waits
            if not self._stopped:
                self.events.put(error)
        finally:
            self.events.put(None)

    def stop(self) -> None:
        """End all processes."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()

    def _serve_one_process(self) -> None:
        task = self._next()
        if task is None:
            return
        worker = self._worker()
        if worker is None:
            return
        is_free = any_answer = False
        try:
            worker.begin(self._set_up)
            while task is not None:
                worker.send(task)
                while True:
                    answer = worker.receive()
                    any_answer = True
                    if isinstance(answer, Exception):
                        raise _FaultError(answer)
                    self.events.put(replace(answer, n_lost=task.n_lost))
                    if not answer.is_running:
                        break
                task = self._next()
            worker.send(None)
            is_free = True
        except _FaultError as error:  # not to be taken for a process that ended
            raise error.fault from None
        except (EOFError, OSError, pickle.UnpicklingError):
            if task is not None and not self._stopped:
                self._lost(task, any_answer, worker.status, worker.last_words)
        finally:
            self._done_with(worker, is_free)

    def _worker(self) -> WorkerProcess | None:
        with self._lock:
            if self._stopped:
                return None
            worker = taken_worker()
            self._workers.add(worker)
            return worker

    def _done_with(self, worker: WorkerProcess, is_free: bool) -> None:
        with self._lock:
            self._workers.discard(worker)
            is_free = is_free and not self._stopped  # or it was killed
        if is_free:
            keep_worker(worker)
        else:
            worker.end()

    def _next(self) -> T | None:
        with self._lock:
            return self._tasks.popleft() if self._tasks and not self._stopped else None

    def _lost(self, task: T, any_answer: bool, status: int | None, words: str) -> None:
        """Have a task repeated whose process ended, or give it up."""
        n_lost = task.n_lost + 1
        if n_lost <= MOST_LOST:
            with self._lock:
                self._tasks.appendleft(replace(task, n_lost=n_lost))
            return
        why = f"its process ended {n_lost} times, at last with status {status}"
        if not any_answer:
            raise WorkerError(
                f"Processes of their own can't run: {why}. {words} See that this Python can run "
                "`python -m amijax`, or ask for workers=1."
            )
        self.events.put(self._plan.given_up(task, n_lost, f"Given up: {why}. {words}".strip()))
