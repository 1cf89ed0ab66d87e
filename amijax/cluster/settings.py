"""How a batch uses a Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """How a batch uses a cluster.

    Attributes:
        chunk_seconds: what a worker should need for the points that it gets at a time: long
            enough that sending them costs little, short enough that losing them does.
        patience_seconds: how long a batch waits while the cluster has no workers.
        connect_seconds: how long to try to reach a scheduler's address.
        retries: how often points are sent again when a worker raised an error; how often when
            workers were lost is Dask's own setting `allowed-failures`.
    """

    chunk_seconds: float = 1.0
    patience_seconds: float = 30.0
    connect_seconds: float = 10.0
    retries: int = 2
