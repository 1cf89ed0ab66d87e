"""Which cluster a batch goes to, without Dask and without a cluster."""

import sys

import numpy as np
import pytest

from amijax import ClusterError
from amijax.cluster_client import client_for


@pytest.fixture
def no_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)


@pytest.mark.usefixtures("no_dask")
def test_without_the_setting_nothing_of_dask_is_needed(monkeypatch):
    monkeypatch.delenv("AMIJAX_DASK_SCHEDULER", raising=False)
    assert client_for(None, 10) is None
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", " ")
    assert client_for(None, 10) is None
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:8786")
    assert client_for("local", 10) is None
    assert client_for(None, 1) is None


@pytest.mark.usefixtures("no_dask")
def test_the_setting_without_dask_says_what_to_install(boehm, monkeypatch):
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:8786")
    with pytest.raises(ClusterError, match=r'pip install "distributed.*unset it to'):
        boehm.evaluate_batch(np.stack([boehm.problem.nominal_theta] * 2))


@pytest.mark.usefixtures("no_dask")
@pytest.mark.parametrize("executor", ["locl", object(), 3])
def test_what_is_no_client_is_refused(executor):
    with pytest.raises(TypeError, match=r"executor must be a distributed\.Client"):
        client_for(executor, 10)
