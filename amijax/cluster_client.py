"""Which Dask cluster a batch goes to: the one given, the one of the setting, or none."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Literal

from amijax.paths import dask_scheduler

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0

_clients: dict[str, Client] = {}
_clients_lock = threading.Lock()


class ClusterError(RuntimeError):
    """A Dask cluster that can't be used; the message says why and what to do."""


class ClusterWarning(UserWarning):
    """Points of a batch that the cluster could not evaluate were evaluated here."""


def client_for(executor: Client | Literal["local"] | None, n_points: int) -> Client | None:
    """The client that evaluates a batch; None if this process does.

    Nothing of Dask is imported unless a client is given or `AMIJAX_DASK_SCHEDULER` is set.

    Args:
        executor: a client; "local"; or None for the setting.
        n_points: the batch's length. A single point is not worth the way, unless a client is given.

    Raises:
        ClusterError: the setting's cluster can't be reached, or Dask is not installed.
        TypeError: the executor is none.
    """
    if executor == "local":
        return None
    if executor is None:
        address = dask_scheduler()
        return _client_at(address) if address is not None and n_points > 1 else None
    if not _is_client(executor):
        raise TypeError(
            "executor must be a distributed.Client that is not asynchronous, or 'local', but is "
            f"{executor!r}."
        )
    return executor


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


def _client_at(address: str) -> Client:
    """This process's client of a scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            "AMIJAX_DASK_SCHEDULER is set, but Dask is not installed: "
            'run `pip install "distributed>=2025.1"`, or unset it to compute here.'
        ) from error
    with _clients_lock:
        client = _clients.get(address)
        if client is not None and client.status == "running":
            return client
        try:
            # Other Dask code in this process keeps its own default.
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:  # no answer; no address
            raise ClusterError(
                f"There is no Dask scheduler at AMIJAX_DASK_SCHEDULER={address} ({error}). Start "
                "one there (`dask scheduler`), give the address that it prints, such as "
                "tcp://host:8786, or unset the variable to compute here."
            ) from error
        _clients[address] = client
    return client
