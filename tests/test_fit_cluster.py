"""Fits on a real Dask cluster: equal to those of this process, whoever dies."""

import os
import signal

import numpy as np
import pytest
from test_cluster import new_cluster, processes, worker_cache  # noqa: F401 - fixtures

import amijax
from amijax import ClusterError, DaskExecutor
from amijax.fit.start_points import random_points

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("amijax.fit.checkpoints.cache_dir", lambda: tmp_path)


def fitted(objective, **options):
    problem = objective.problem
    points = random_points(problem, 9, 0, problem.lower_theta, problem.upper_theta)
    # The two of them that take the fewest evaluations, some twenty.
    return amijax.fit(
        objective, 2, start_points=points[[4, 8]], audit=False, resume=False, **options
    )


def test_starts_run_on_workers_and_a_lost_one_is_repeated(boehm, new_cluster):  # noqa: F811
    here = fitted(boehm, workers=1)
    with new_cluster() as (cluster, client):
        cluster.add_workers(2)
        killed = []

        def kill_once(progress):
            if not killed and progress.result is not None:
                pid = next(iter(client.run(os.getpid).values()))
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

        there = fitted(boehm, executor=DaskExecutor(client), on_progress=kill_once)
    assert killed
    assert there.workers == "on a cluster"
    for one, other in zip(here.starts, there.starts, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        assert one.llh == other.llh


def test_a_cluster_without_workers_is_a_sentence(conversion, new_cluster):  # noqa: F811
    with new_cluster() as (_, client):
        executor = DaskExecutor(client, patience_seconds=0.5)
        with pytest.raises(ClusterError, match=r"has had no workers for 0\.5 s"):
            fitted(conversion, executor=executor)
