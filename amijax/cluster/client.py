"""Dask clusters as executors of batches: one that is given, or the one of the setting."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amijax.cluster.errors import ClusterError
from amijax.cluster.settings import ClusterSettings
from amijax.paths import dask_scheduler

if TYPE_CHECKING:
    from distributed import Client

    from amijax.objective import AmiciObjective
    from amijax.scales import FloatArray
    from amijax.simulation.evaluation import Evaluation

_CLOSE_SECONDS = 2.0

_clients: dict[str, Client] = {}
_clients_lock = threading.Lock()


@dataclass(frozen=True)
class DaskExecutor(ClusterSettings):
    """Batches on the workers of a Dask cluster; an `amijax.objective.Executor`.

    Nothing of Dask is imported before the first batch, unless a client is given. Keywords are
    those of `ClusterSettings`.

    Attributes:
        cluster: a `distributed.Client` that is not asynchronous, or a scheduler's address, to
            which this process connects at the first batch. Anything else is a TypeError.
    """

    cluster: Client | str

    def __post_init__(self) -> None:
        if not (isinstance(self.cluster, str) or _is_client(self.cluster)):
            raise TypeError(
                "DaskExecutor takes a distributed.Client that is not asynchronous, or a "
                f"scheduler's address, but was given {self.cluster!r}."
            )

    def evaluate_points(
        self,
        objective: AmiciObjective,
        points: FloatArray,
        gradient: bool,
        on_chunk: Callable[[int], None] | None,
    ) -> tuple[Evaluation, ...]:
        """Evaluate at many points; see `amijax.cluster.dispatch.evaluate_on`.

        Raises:
            ClusterError: the cluster can't be used.
            ProblemError: the problem's files are not what they were when it was opened.
        """
        client = self.client()
        from amijax.cluster.dispatch import evaluate_on  # with Dask, which is optional

        return evaluate_on(client, objective, points, gradient, on_chunk, self)

    def run_tasks(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
    ) -> Generator[tuple[int, Any] | None]:
        """Run independent tasks, such as the starts of a fit; see `amijax.cluster.tasks.run_on`.

        Raises:
            ClusterError: the cluster can't be used, or a task raised an exception.
        """
        client = self.client()
        from amijax.cluster.tasks import run_on  # with Dask, which is optional

        return run_on(client, function, arguments, self)

    def client(self) -> Client:
        """The client that was given, or this process's own at the address.

        Raises:
            ClusterError: Dask is not installed, or there is no scheduler.
        """
        if isinstance(self.cluster, str):
            return _client_at(self.cluster, self.connect_seconds)
        return self.cluster


def executor_of_setting() -> DaskExecutor | None:
    """The cluster that `AMIJAX_DASK_SCHEDULER` names, for pages and command line; None without."""
    address = dask_scheduler()
    return None if address is None else DaskExecutor(address)


@atexit.register
def close_clients() -> None:
    """Close the connections to the clusters of the setting; the next batch makes a new one."""
    with _clients_lock:
        clients = list(_clients.values())
        _clients.clear()
    for client in clients:
        client.close(timeout=_CLOSE_SECONDS)


def _is_client(executor: object) -> bool:
    try:
        from distributed import Client
    except ImportError:
        return False
    return isinstance(executor, Client) and not executor.asynchronous


def _client_at(address: str, connect_seconds: float) -> Client:
    """This process's client of a scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            f"Batches are to run on the Dask cluster at {address}, but Dask is not installed: run "
            '`pip install "distributed>=2025.1"`, or unset AMIJAX_DASK_SCHEDULER to compute here.'
        ) from error
    with _clients_lock:
        client = _clients.get(address)
        if client is not None and client.status == "running":
            return client
        try:
            # Other Dask code in this process keeps its own default.
            client = Client(address, timeout=connect_seconds, set_as_default=False)
        except (OSError, ValueError) as error:  # no answer; no address
            raise ClusterError(
                f"There is no Dask scheduler at {address} ({error}). Start one there "
                "(`dask scheduler`), give the address that it prints, such as tcp://host:8786, or "
                "unset AMIJAX_DASK_SCHEDULER to compute here."
            ) from error
        _clients[address] = client
    return client
