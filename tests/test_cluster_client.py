"""Which cluster a batch goes to, without Dask and without a cluster."""

import sys

import numpy as np
import pytest

from amijax import ClusterError, DaskExecutor, Executor
from amijax.cluster.client import executor_of_setting


@pytest.fixture
def no_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)


@pytest.mark.usefixtures("no_dask")
def test_without_the_setting_nothing_of_dask_is_needed(monkeypatch):
    monkeypatch.delenv("AMIJAX_DASK_SCHEDULER", raising=False)
    assert executor_of_setting() is None
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", " ")
    assert executor_of_setting() is None
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:8786")
    assert isinstance(executor_of_setting(), Executor)


@pytest.mark.usefixtures("no_dask")
def test_the_setting_without_dask_says_what_to_install(boehm, monkeypatch):
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:8786")
    thetas = np.stack([boehm.problem.nominal_theta] * 2)
    boehm.evaluate_batch(thetas)  # the setting is for pages and command line
    with pytest.raises(ClusterError, match=r'pip install "distributed.*unset AMIJAX_DASK'):
        boehm.with_executor(executor_of_setting()).evaluate_batch(thetas)


@pytest.mark.usefixtures("no_dask")
def test_an_objective_s_executor_is_for_more_than_one_point(boehm, monkeypatch):
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:8786")
    routed = boehm.with_executor(executor_of_setting())
    assert np.isfinite(routed.evaluate_batch([boehm.problem.nominal_theta])[0].llh)


@pytest.mark.usefixtures("no_dask")
@pytest.mark.parametrize("cluster", [object(), 3, None])
def test_what_is_no_client_is_refused(cluster):
    with pytest.raises(TypeError, match=r"takes a distributed\.Client"):
        DaskExecutor(cluster)


@pytest.mark.parametrize("executor", ["local", object(), 3])
def test_what_is_no_executor_is_refused(boehm, executor):
    with pytest.raises(TypeError, match=r"executor must have a method evaluate_points"):
        boehm.evaluate_batch(np.stack([boehm.problem.nominal_theta] * 2), executor=executor)
