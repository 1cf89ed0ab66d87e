"""Batches on a real Dask cluster of two processes: equal to local ones, whoever dies."""

import os
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from same_evaluations import assert_same as assert_same_evaluation
from test_probation import SPOILT, spoilt_cache  # noqa: F401 - a fixture
from waiting import until

from amijax import (
    AmiciObjective,
    ClusterError,
    ClusterWarning,
    DaskExecutor,
    SolverSettings,
    load_problem,
)
from amijax.cluster.client import close_clients, executor_of_setting

pytestmark = pytest.mark.cluster

MANY_CHUNKS = {"chunk_seconds": 0.05}  # in a batch of a second or two


@pytest.fixture(scope="module", autouse=True)
def processes():
    """Clusters of processes; skips where Dask is missing."""
    pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install -r tests/requirements.txt"
    )
    import dask_processes

    return dask_processes


@pytest.fixture(scope="module")
def worker_cache(boehm, tmp_path_factory):
    """The workers' own cache folder: Boehm's model is in it, others they have to compile."""
    folder = tmp_path_factory.mktemp("workers")
    shutil.copytree(boehm.model.path, folder / "models" / boehm.model.key)
    return folder


@pytest.fixture(scope="module")
def new_cluster(processes, worker_cache, tmp_path_factory):
    """Context manager of a cluster and its client; no workers yet."""

    @contextmanager
    def start(**environment):
        folder = tmp_path_factory.mktemp("dask")
        cluster = processes.DaskProcesses(folder, worker_cache, **environment)
        try:
            with cluster.client() as client:
                yield cluster, client
        finally:
            cluster.end()

    return start


@pytest.fixture(scope="module")
def client(new_cluster):
    """The client of two workers, for tests that leave them as they are."""
    with new_cluster() as (cluster, client):
        cluster.add_workers(2)
        yield client


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


def test_an_empty_batch_and_a_wrong_shape_are_as_they_are_here(client, boehm):
    assert boehm.evaluate_batch(np.empty((0, 9)), executor=DaskExecutor(client)) == ()
    with pytest.raises(ValueError, match=r"shape \(n, 9\)"):
        boehm.evaluate_batch(np.zeros((3, 8)), executor=DaskExecutor(client))


def test_workers_compile_a_model_once_and_prepare_it_once_each(
    client, processes, conversion, worker_cache, only_workers
):
    batches = [around(conversion, 300, seed) for seed in range(3)]
    expected = [conversion.evaluate_batch(thetas) for thetas in batches]
    # Whoever opens a recipe prepares its objective.
    opened = worker_cache / "opened"

    def noting(original):
        def open_and_note(recipe):
            with opened.open("a") as notes:
                print(os.getpid(), recipe.digest, file=notes)
            return original(recipe)

        return open_and_note

    only_workers()
    with processes.replaced_on_workers(
        client, "amijax.problems.recipe", "ProblemRecipe.open", noting
    ):
        for thetas, local in zip(batches, expected, strict=True):
            assert_same(conversion.evaluate_batch(thetas, executor=DaskExecutor(client)), local)
    digest = conversion.problem.digest
    each = [f"{pid} {digest}" for pid in client.run(os.getpid).values()]
    assert sorted(opened.read_text().splitlines()) == sorted(each)
    builds = worker_cache / "models" / "logs"
    assert [log.name for log in builds.glob("*.log")] == [f"{conversion.model.key}.log"]


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
        thetas, gradient, executor=DaskExecutor(client, **MANY_CHUNKS), on_chunk=dones.append
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
    executor = DaskExecutor(client, **MANY_CHUNKS)
    assert_same(boehm.evaluate_batch(thetas, executor=executor, on_chunk=kill), expected)
    [(address, done)] = killed
    assert done < 150  # in the middle
    until(lambda: len(client.nthreads()) == 2)
    assert pids[address] not in client.run(os.getpid).values()
    assert_same(boehm.evaluate_batch(thetas[:20], executor=DaskExecutor(client)), expected[:20])


class Stop(Exception):
    pass


def test_an_exception_from_progress_ends_the_batch_on_the_workers_too(client, boehm):
    def stop(_done):
        raise Stop

    with pytest.raises(Stop):
        boehm.evaluate_batch(
            around(boehm, 3000), executor=DaskExecutor(client, **MANY_CHUNKS), on_chunk=stop
        )
    until(lambda: not any(client.processing().values()))  # chunks under way are finished first
    assert_same(
        boehm.evaluate_batch(around(boehm, 4), executor=DaskExecutor(client)),
        boehm.evaluate_batch(around(boehm, 4)),
    )


def test_the_setting_names_a_cluster(client, boehm, only_workers, monkeypatch):
    def others():
        """The scheduler's clients but for this module's and Dask's own."""
        known = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.clients))
        return {name for name in known if name.startswith("Client-")} - {client.id}

    thetas = around(boehm, 12)
    expected = boehm.evaluate_batch(thetas)
    until(lambda: not others())  # those of the fixtures are gone
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", client.scheduler.address)
    routed = boehm.with_executor(executor_of_setting())
    assert_same(routed.evaluate_batch(thetas[:1]), expected[:1])  # one point is not sent around
    assert_same(boehm.evaluate_batch(thetas), expected)  # pages and command line route, no library
    assert not others()
    only_workers()
    try:
        for _ in range(2):
            assert_same(routed.evaluate_batch(thetas), expected)
            assert len(others()) == 1
    finally:
        close_clients()
    until(lambda: not others())


def test_no_scheduler_is_a_sentence_within_the_time_to_connect(boehm, monkeypatch):
    nobody = DaskExecutor("tcp://127.0.0.1:9", connect_seconds=0.5)
    with pytest.raises(ClusterError, match=r"no Dask scheduler at .*127\.0\.0\.1:9.*unset"):
        boehm.evaluate_batch(around(boehm, 2), executor=nobody)
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "nowhere at all")
    with pytest.raises(ClusterError, match="give the address that it prints"):
        boehm.with_executor(executor_of_setting()).evaluate_batch(around(boehm, 2))


def test_workers_that_are_not_there_or_end_are_a_sentence_each(new_cluster, boehm):
    thetas = around(boehm, 200)
    dones = []
    with new_cluster() as (cluster, client):
        impatient = DaskExecutor(client, patience_seconds=0.5, **MANY_CHUNKS)
        with pytest.raises(ClusterError, match=r"no workers for 0\.5 s.*wait_for_workers"):
            boehm.evaluate_batch(thetas[:3], executor=impatient)

        def end_workers(done):
            dones.append(done)
            if len(dones) == 1:
                cluster.kill_workers()

        cluster.add_workers(1, nanny=False)
        with pytest.warns(ClusterWarning, match=r"of 200 points are evaluated here.*no workers"):
            found = boehm.evaluate_batch(thetas, executor=impatient, on_chunk=end_workers)
    assert_same(found, boehm.evaluate_batch(thetas))
    assert dones == sorted(dones)
    assert dones[-1] == 200


def test_other_versions_are_refused(client, processes, boehm):
    def older(original):
        return lambda: {**original(), "amici": "1.0.9"}

    with (
        processes.replaced_on_workers(client, "amijax.cluster.worker", "versions", older),
        pytest.raises(ClusterError, match=r"have amici 1\.0\.9, here is .*amici 1\.1.*same"),
    ):
        boehm.evaluate_batch(around(boehm, 3), executor=DaskExecutor(client))


def test_workers_that_can_t_prepare_the_problem_say_why(
    client, objective_of, worker_cache, tmp_path
):
    objective = objective_of("Robertson_Stiff")  # no worker knows it yet
    no_folder = tmp_path / "file"
    no_folder.touch()

    def name_folder(folder):
        os.environ["AMIJAX_CACHE_DIR"] = folder

    client.run(name_folder, str(no_folder))
    try:
        with pytest.raises(ClusterError, match=r"Robertson_Stiff: ProblemError: .*be written"):
            objective.evaluate_batch(around(objective, 3), executor=DaskExecutor(client))
    finally:
        client.run(name_folder, str(worker_cache))


def test_chunks_that_fail_later_are_evaluated_here(client, processes, boehm):
    thetas = around(boehm, 60)

    def failing(original):
        def evaluate_batch(objective, points, *args, **kwargs):
            if thetas[33, 0] in points[:, 0]:
                raise OSError("no space left")
            return original(objective, points, *args, **kwargs)

        return evaluate_batch

    executor = DaskExecutor(client, retries=0, **MANY_CHUNKS)
    with (
        processes.replaced_on_workers(
            client, "amijax.objective", "AmiciObjective.evaluate_batch", failing
        ),
        pytest.warns(ClusterWarning, match="of 60 points are evaluated here.*no space left"),
    ):
        found = boehm.evaluate_batch(thetas, executor=executor)
    assert_same(found, boehm.evaluate_batch(thetas))


def test_a_point_that_ends_every_worker_is_a_failure_and_harms_nobody(
    new_cluster, processes, boehm
):
    thetas = around(boehm, 60)
    expected = list(boehm.evaluate_batch(thetas))

    def deadly(original):
        def evaluate_batch(objective, points, *args, **kwargs):
            if thetas[33, 0] in points[:, 0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(objective, points, *args, **kwargs)

        return evaluate_batch

    with new_cluster(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as (cluster, client):
        cluster.add_workers(2)
        with processes.replaced_on_workers(
            client, "amijax.objective", "AmiciObjective.evaluate_batch", deadly
        ):
            executor = DaskExecutor(client, **MANY_CHUNKS)
            found = list(boehm.evaluate_batch(thetas, executor=executor))
            until(lambda: len(client.nthreads()) == 2)
    assert "ended while they computed this point" in found[33].failure.message
    assert np.isnan(found[33].llh)
    assert np.isnan(found[33].gradient).all()
    del found[33], expected[33]
    assert_same(found, expected)


def test_a_worker_tries_a_model_before_it_runs_there(
    processes,
    spoilt_cache,  # noqa: F811
    tmp_path,
):
    objective = AmiciObjective(
        load_problem(spoilt_cache / "collection" / SPOILT / "problem.yaml"),
    )
    points = around(objective, 4)
    shutil.copytree(spoilt_cache / "cache", tmp_path / "cache")
    cluster = processes.DaskProcesses(tmp_path, tmp_path / "cache", SPOILT="abort")
    try:
        cluster.add_workers(1)
        with cluster.client() as client:
            evaluations = objective.evaluate_batch(points, executor=DaskExecutor(client))
    finally:
        cluster.end()
    assert {evaluation.failure.kind for evaluation in evaluations} == {"trial"}
    assert "signal 6" in evaluations[0].failure.message
