"""Tasks run side by side in processes of their own: one that is lost costs a repetition."""

from __future__ import annotations

import pickle
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import IO

from amijax.fit.streams import HEARTBEAT
from amijax.fit.work import Answer, Repeatable, Work
from amijax.objective import AmiciObjective
from amijax.processes import kill_group, start_module

# A task whose processes ended so often is a failed one: it is the task that ends them.
MOST_LOST = 2
_SHOWN = 400  # characters of what a process said last


class WorkerError(RuntimeError):
    """Processes that do the work can't begin; the message says why and what to do."""


def in_processes[T: Repeatable, A: Answer](
    objective: AmiciObjective, plan: Work[T, A], tasks: Sequence[T], n_processes: int
) -> Generator[A | None]:
    """Run tasks in processes of their own, which share nothing, not even Python's lock.

    Closing the iterator ends the processes at once, in the middle of a simulation.

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


class _Pool[T: Repeatable, A: Answer]:
    """What is still to be done, and who does it."""

    def __init__(self, set_up: bytes, plan: Work[T, A], tasks: Sequence[T]) -> None:
        self.events: SimpleQueue[A | BaseException | None] = SimpleQueue()
        self._set_up, self._plan = set_up, plan
        self._tasks = deque(tasks)
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
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
            for process in self._processes:
                kill_group(process)

    def _serve_one_process(self) -> None:
        task = self._next()
        if task is None:
            return
        with tempfile.TemporaryFile() as said:
            process = self._begin(said)
            if process is None:
                return
            assert process.stdin is not None
            assert process.stdout is not None
            any_answer = False
            try:
                process.stdin.write(self._set_up)
                while task is not None:
                    pickle.dump(task, process.stdin)
                    process.stdin.flush()
                    while True:
                        answer = pickle.load(process.stdout)
                        any_answer = True
                        if isinstance(answer, Exception):
                            raise answer
                        self.events.put(replace(answer, n_lost=task.n_lost))
                        if not answer.is_running:
                            break
                    task = self._next()
                process.stdin.close()
            except (EOFError, OSError, pickle.UnpicklingError):
                process.wait()
                if task is not None and not self._stopped:
                    self._lost(task, any_answer, process.returncode, _last_words(said))
            finally:
                self._end(process)

    def _begin(self, said: IO[bytes]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            process = start_module(
                "amijax.fit.worker",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                # Linear algebra of matrices as small as these is slower in several threads, and
                # the other cores have work of their own.
                environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            self._processes.add(process)
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        kill_group(process)
        with self._lock:
            self._processes.discard(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be written to a process that is gone
                    pipe.close()

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


def _last_words(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return f"It said: {lines[-1][:_SHOWN]}" if lines else ""
