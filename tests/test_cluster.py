"""Batches on a real Dask cluster of two processes: equal to local ones, whoever dies."""

import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest
from same_evaluations import assert_same as assert_same_evaluation

from amijax import ClusterError, ClusterWarning, DaskExecutor, SolverSettings
from amijax.cluster import client as cluster_client
from amijax.cluster.client import executor_of_setting

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", autouse=True)
def dask():
    """Dask's `distributed`; functions of this module go to workers by value."""
    module = pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install -r tests/requirements.txt"
    )
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return module


@pytest.fixture(scope="module")
def worker_cache(boehm, tmp_path_factory):
    """The workers' own cache folder: Boehm's model is in it, others they have to compile."""
    folder = tmp_path_factory.mktemp("workers")
    shutil.copytree(boehm.model.path, folder / "models" / boehm.model.key)
    return folder


@pytest.fixture(scope="module")
def client(dask, worker_cache):
    """The client of two processes."""
    settings = {"env": {"AMIJAX_CACHE_DIR": str(worker_cache)}, "dashboard_address": ":0"}
    with (
        dask.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **settings) as cluster,
        dask.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def threads_client(dask):
    """The client of a cluster of one worker in this process, for what needs no second one."""
    settings = {"processes": False, "dashboard_address": ":0"}
    with (
        dask.LocalCluster(n_workers=1, threads_per_worker=1, **settings) as cluster,
        dask.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def short_chunks(monkeypatch):
    """Many chunks in a batch of a second or two."""
    monkeypatch.setattr("amijax.cluster.dispatch._CHUNK_SECONDS", 0.05)
    monkeypatch.setattr("amijax.cluster.dispatch._SHORTEST_SECONDS", 0.01)


@pytest.fixture
def only_workers(monkeypatch):
    """Function after whose call this process simulates no batch any more."""

    def refuse(*_):
        raise AssertionError("simulated here")

    return lambda: monkeypatch.setattr("amijax.simulation.simulator.simulate_points", refuse)


def around(objective, count, seed=0):
    nominal = objective.problem.nominal_theta
    return nominal + np.random.default_rng(seed).uniform(-0.1, 0.1, (count, len(nominal)))


def assert_same(found, expected):
    """Two batches are equal bit for bit, durations aside."""
    for mine, local in zip(found, expected, strict=True):
        assert_same_evaluation(mine, local)


def count_preparations():
    """Count from now on how often this process opens a recipe, to prepare its objective."""
    from amijax.problems.recipe import ProblemRecipe

    original = ProblemRecipe.open
    ProblemRecipe.preparations = []

    def count(recipe):
        ProblemRecipe.preparations.append(recipe.digest)
        return original(recipe)

    ProblemRecipe.open = count


def preparations():
    from amijax.problems.recipe import ProblemRecipe

    return ProblemRecipe.preparations


def test_workers_compile_a_model_once_and_prepare_it_once_each(
    client, conversion, worker_cache, only_workers
):
    batches = [around(conversion, 300, seed) for seed in range(3)]
    expected = [conversion.evaluate_batch(thetas) for thetas in batches]
    client.run(count_preparations)
    only_workers()
    for thetas, local in zip(batches, expected, strict=True):
        assert_same(conversion.evaluate_batch(thetas, executor=DaskExecutor(client)), local)
    digest = conversion.problem.digest
    assert list(client.run(preparations).values()) == [[digest], [digest]]
    builds = worker_cache / "models" / "logs"
    assert [log.name for log in builds.glob("*.log")] == [f"{conversion.model.key}.log"]


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("gradient", [True, False])
def test_failures_stay_where_they_are(client, boehm, only_workers, gradient):
    thetas = around(boehm, 40)
    thetas[2, 3] = np.nan
    thetas[4, boehm.problem.parameter_ids.index("k_phos")] = 39.0  # finite; the solver gives up
    thetas[37, 0] = np.inf
    expected = boehm.evaluate_batch(thetas, gradient)
    dones = []
    only_workers()
    found = boehm.evaluate_batch(
        thetas, gradient, executor=DaskExecutor(client), on_chunk=dones.append
    )
    assert [i for i in range(40) if found[i].failure is not None] == [2, 4, 37]
    assert_same(found, expected)
    assert dones == sorted(dones)
    assert dones[-1] == 40
    assert len(dones) >= 4


def test_arrays_come_from_the_workers_as_from_here(client, boehm, only_workers):
    thetas = around(boehm, 8)
    thetas[3, 0] = np.nan
    values, (llh, gradient) = boehm.llh_batch(thetas), boehm.llh_and_gradient_batch(thetas)
    only_workers()
    np.testing.assert_array_equal(boehm.llh_batch(thetas, executor=DaskExecutor(client)), values)
    found = boehm.llh_and_gradient_batch(thetas, executor=DaskExecutor(client))
    np.testing.assert_array_equal(found[0], llh)
    np.testing.assert_array_equal(found[1], gradient)
    assert np.flatnonzero(np.isnan(values)).tolist() == [3]


def test_settings_and_chosen_entries_reach_the_workers(client, boehm, only_workers):
    objective = boehm.with_solver(SolverSettings(rtol=1e-10)).with_gradient_of([1, 5])
    thetas = around(boehm, 6)
    expected = objective.evaluate_batch(thetas)
    only_workers()
    assert_same(objective.evaluate_batch(thetas, executor=DaskExecutor(client)), expected)


@pytest.mark.usefixtures("short_chunks")
def test_a_killed_worker_costs_no_results(client, boehm, only_workers):
    thetas = around(boehm, 300)
    expected = boehm.evaluate_batch(thetas)
    pids = client.run(os.getpid)
    killed = []

    def kill(done):
        if killed or done < 10:
            return
        for address, chunks in client.processing().items():
            if chunks and not killed:
                os.kill(pids[address], signal.SIGKILL)
                killed.append((address, done))

    only_workers()
    assert_same(
        boehm.evaluate_batch(thetas, executor=DaskExecutor(client), on_chunk=kill), expected
    )
    [(address, done)] = killed
    assert done < 150  # in the middle
    assert pids[address] not in client.run(os.getpid).values()
    client.wait_for_workers(2, timeout=60)
    assert_same(boehm.evaluate_batch(thetas[:20], executor=DaskExecutor(client)), expected[:20])


class Stop(Exception):
    pass


@pytest.mark.usefixtures("short_chunks")
def test_an_exception_from_progress_ends_the_batch_on_the_workers_too(client, boehm):
    def stop(_done):
        raise Stop

    with pytest.raises(Stop):
        boehm.evaluate_batch(around(boehm, 3000), executor=DaskExecutor(client), on_chunk=stop)
    end = time.monotonic() + 30.0  # a chunk that is under way is finished first
    while any(client.processing().values()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(client.processing().values())
    assert_same(
        boehm.evaluate_batch(around(boehm, 4), executor=DaskExecutor(client)),
        boehm.evaluate_batch(around(boehm, 4)),
    )


def test_an_empty_batch_and_a_wrong_shape_are_as_they_are_here(client, boehm):
    assert boehm.evaluate_batch(np.empty((0, 9)), executor=DaskExecutor(client)) == ()
    with pytest.raises(ValueError, match=r"shape \(n, 9\)"):
        boehm.evaluate_batch(np.zeros((3, 8)), executor=DaskExecutor(client))


def test_the_setting_names_a_cluster(client, boehm, only_workers, monkeypatch):
    thetas = around(boehm, 12)
    expected = boehm.evaluate_batch(thetas)
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", client.scheduler.address)
    routed = boehm.with_executor(executor_of_setting())
    assert_same(routed.evaluate_batch(thetas[:1]), expected[:1])  # one point is not sent around
    assert_same(boehm.evaluate_batch(thetas), expected)  # pages and command line route, no library
    assert not cluster_client._clients
    only_workers()
    try:
        for _ in range(2):
            assert_same(routed.evaluate_batch(thetas), expected)
        [own] = cluster_client._clients.values()
        assert own is not client
    finally:
        cluster_client.close_clients()
    assert own.status == "closed"


def test_no_scheduler_is_a_sentence_within_the_time_to_connect(boehm, monkeypatch):
    monkeypatch.setattr(cluster_client, "_CONNECT_SECONDS", 0.5)
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"no Dask scheduler at .*127\.0\.0\.1:9.*unset"):
        boehm.with_executor(executor_of_setting()).evaluate_batch(around(boehm, 2))
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "nowhere at all")
    with pytest.raises(ClusterError, match="give the address that it prints"):
        boehm.with_executor(executor_of_setting()).evaluate_batch(around(boehm, 2))


def test_no_workers_is_a_sentence(dask, boehm, monkeypatch):
    monkeypatch.setattr("amijax.cluster.dispatch._PATIENCE_SECONDS", 0.5)
    with (
        dask.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        dask.Client(cluster, set_as_default=False) as client,
        pytest.raises(ClusterError, match=r"no workers for 0\.5 s.*wait_for_workers"),
    ):
        boehm.evaluate_batch(around(boehm, 3), executor=DaskExecutor(client))


@pytest.mark.usefixtures("short_chunks")
def test_what_a_cluster_without_workers_left_can_t_do_is_done_here(
    threads_client, boehm, monkeypatch
):
    monkeypatch.setattr("amijax.cluster.dispatch._PATIENCE_SECONDS", 0.5)
    thetas = around(boehm, 200)
    dones = []

    def end_workers(done):
        dones.append(done)
        if len(dones) == 1:
            threads_client.cluster.scale(0)

    with pytest.warns(ClusterWarning, match=r"of 200 points are evaluated here.*no workers"):
        found = boehm.evaluate_batch(
            thetas, executor=DaskExecutor(threads_client), on_chunk=end_workers
        )
    assert_same(found, boehm.evaluate_batch(thetas))
    assert dones == sorted(dones)
    assert dones[-1] == 200


def test_other_versions_are_refused(client, boehm, monkeypatch):
    from amijax.cluster import dispatch as cluster

    here = {**cluster.versions(), "amici": "1.0.9"}
    monkeypatch.setattr(cluster, "versions", lambda: here)
    with pytest.raises(ClusterError, match=r"have amici 1\.1.*here is .*amici 1\.0\.9.*same"):
        boehm.evaluate_batch(around(boehm, 3), executor=DaskExecutor(client))


def test_workers_that_can_t_prepare_the_problem_say_why(threads_client, boehm, monkeypatch):
    def fail(_recipe):
        raise OSError("no space left")

    monkeypatch.setattr("amijax.objective.ObjectiveRecipe.rebuild", fail)  # the worker is here
    with pytest.raises(ClusterError, match="Boehm_JProteomeRes2014: OSError: no space left"):
        boehm.evaluate_batch(around(boehm, 3), executor=DaskExecutor(threads_client))


@pytest.mark.usefixtures("short_chunks")
def test_chunks_that_fail_later_are_evaluated_here(threads_client, boehm, monkeypatch):
    from amijax.objective import ObjectiveRecipe

    original = ObjectiveRecipe.rebuild
    calls = []

    def fail_sometimes(recipe):
        calls.append(recipe)
        if len(calls) in (4, 5, 6):
            raise OSError("no space left")
        return original(recipe)

    monkeypatch.setattr("amijax.cluster.dispatch._RETRIES", 0)
    monkeypatch.setattr(ObjectiveRecipe, "rebuild", fail_sometimes)
    thetas = around(boehm, 60)
    with pytest.warns(ClusterWarning, match="of 60 points are evaluated here.*no space left"):
        found = boehm.evaluate_batch(thetas, executor=DaskExecutor(threads_client))
    assert len(calls) > 6
    assert_same(found, boehm.evaluate_batch(thetas))


@pytest.mark.usefixtures("short_chunks")
def test_a_point_that_ends_every_worker_is_a_failure_and_harms_nobody(dask, boehm, worker_cache):
    import dask as dask_core

    deadly = around(boehm, 60)[33, 0]

    class Deadly(dask.WorkerPlugin):
        def setup(self, worker):  # noqa: ARG002 - Dask's signature
            from amijax.simulation import simulator

            original = simulator.simulate_points

            def simulate_points(model, new_solver, prepared, thetas, gradient, num_threads):
                if deadly in thetas[:, 0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(model, new_solver, prepared, thetas, gradient, num_threads)

            simulator.simulate_points = simulate_points

    thetas = around(boehm, 60)
    expected = list(boehm.evaluate_batch(thetas))
    settings = {"env": {"AMIJAX_CACHE_DIR": str(worker_cache)}, "dashboard_address": ":0"}
    with (
        dask_core.config.set({"distributed.scheduler.allowed-failures": 0}),
        dask.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **settings) as cluster,
        dask.Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(Deadly())
        found = list(boehm.evaluate_batch(thetas, executor=DaskExecutor(client)))
        client.wait_for_workers(2, timeout=60)  # Dask's nannies dislike an end while they restart
    assert "ended while they computed this point" in found[33].failure.message
    assert np.isnan(found[33].llh)
    assert np.isnan(found[33].gradient).all()
    del found[33], expected[33]
    assert_same(found, expected)
