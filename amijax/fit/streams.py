"""Starts run side by side in threads of this process: what comes of them, as it comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Sequence
from queue import Empty, SimpleQueue

from amijax.fit.record import Start
from amijax.fit.run_start import Plan, Task, run_start
from amijax.objective import AmiciObjective

HEARTBEAT = 0.2  # seconds between two looks at whether to go on


class _StoppedError(Exception):
    """Raised inside a start that nobody waits for any more."""


def in_threads(
    objective: AmiciObjective, plan: Plan, tasks: Sequence[Task], n_threads: int
) -> Generator[Start | None]:
    """Run starts in threads of this process.

    Closing the iterator ends them after the simulations under way.

    Args:
        objective: the problem.
        plan: of the fit.
        tasks: the starts, run in this order.
        n_threads: how many at a time.

    Yields:
        Starts, under way or over, and None several times a second.
    """
    events: SimpleQueue[Start | BaseException | None] = SimpleQueue()
    waiting = deque(tasks)
    stopped = threading.Event()

    def report(start: Start) -> None:
        if stopped.is_set():
            raise _StoppedError
        events.put(start)

    def work() -> None:
        try:
            while waiting and not stopped.is_set():
                try:
                    task = waiting.popleft()
                except IndexError:
                    break
                events.put(run_start(objective, plan, task, report))
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
