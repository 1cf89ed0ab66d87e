"""Tasks run side by side in threads of this process: what comes of them, as it comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Sequence
from queue import Empty, SimpleQueue

from amijax.fit.work import Answer, Repeatable, Work
from amijax.objective import AmiciObjective

HEARTBEAT = 0.2  # seconds between two looks at whether to go on


class _StoppedError(Exception):
    """Raised inside a task that nobody waits for any more."""


def in_threads[T: Repeatable, A: Answer](
    objective: AmiciObjective, plan: Work[T, A], tasks: Sequence[T], n_threads: int
) -> Generator[A | None]:
    """Run tasks in threads of this process.

    Closing the iterator ends them after the simulations under way.

    Args:
        objective: the problem.
        plan: what they have in common.
        tasks: run in this order.
        n_threads: how many at a time.

    Yields:
        Answers, under way or over, and None several times a second.
    """
    events: SimpleQueue[A | BaseException | None] = SimpleQueue()
    waiting = deque(tasks)
    stopped = threading.Event()

    def report(answer: A) -> None:
        if stopped.is_set():
            raise _StoppedError
        events.put(answer)

    def work() -> None:
        try:
            while waiting and not stopped.is_set():
                try:
                    task = waiting.popleft()
                except IndexError:
                    break
                events.put(plan.run(objective, task, report))
        except _StoppedError:
            pass
        except BaseException as error:  # told by the thread that waits
            events.put(error)
        finally:
            events.put(None)

    threads = [
        threading.Thread(target=work, name="amijax fit", daemon=True) for _ in range(n_threads)
    ]
    for thread in threads:
        thread.start()
    working = n_threads
    try:
        while working:
            try:
                event = events.get(timeout=HEARTBEAT)
            except Empty:
                yield None
                continue
            if event is None:
                working -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
