"""Independent tasks on a Dask cluster: what comes of each, as it comes; lost ones are repeated."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker

from amijax.cluster.errors import ClusterError
from amijax.cluster.settings import ClusterSettings

_HEARTBEAT = 0.2


def run_on(
    client: Client,
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    settings: ClusterSettings,
) -> Generator[tuple[int, Any] | None]:
    """Run a function with each of several arguments on a cluster's workers.

    A task whose worker is lost runs on another one, as often as Dask's `allowed-failures` says.
    Closing the iterator makes the cluster forget what it still has to do.

    Args:
        client: of the cluster.
        function: importable on the workers.
        arguments: of each task.
        settings: how to use the cluster.

    Yields:
        A task's position and what the function returned, or the exception that it ended with if
        its workers were lost; and None several times a second.

    Raises:
        ClusterError: there are no workers, or a task raised an exception.
    """
    over: queue.SimpleQueue[Future] = queue.SimpleQueue()
    under_way: dict[Future, int] = {}
    for i, each in enumerate(arguments):
        future = client.submit(function, *each, pure=False, retries=settings.retries)
        under_way[future] = i
        future.add_done_callback(over.put)
    seen = time.monotonic()
    try:
        while under_way:
            try:
                future = over.get(timeout=_HEARTBEAT)
            except queue.Empty:
                if _has_workers(client):
                    seen = time.monotonic()
                elif time.monotonic() - seen > settings.patience_seconds:
                    raise ClusterError(
                        "The Dask cluster has had no workers for "
                        f"{settings.patience_seconds:g} s. Start some (`dask worker ADDRESS`), "
                        "or compute here, without an executor."
                    ) from None
                yield None
                continue
            i = under_way.pop(future)
            if future.status == "finished":
                yield i, future.result()
                continue
            error = None if future.cancelled() else future.exception()
            if not isinstance(error, KilledWorker):
                said = "it was cancelled" if error is None else f"{type(error).__name__}: {error}"
                raise ClusterError(
                    f"A task on the Dask cluster failed: {said}. See that its workers have the "
                    "same amijax as this process, and a C++ compiler."
                )
            yield i, error
    finally:
        if under_way and client.status == "running":
            with suppress(OSError, TimeoutError, CancelledError):
                client.cancel(list(under_way))


def _has_workers(client: Client) -> bool:
    try:
        return client.status == "running" and bool(client.nthreads())
    except (OSError, TimeoutError, CancelledError):
        return False
