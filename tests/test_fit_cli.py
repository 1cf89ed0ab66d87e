"""The command `fit`, called as a user calls it."""

import json

import pytest
from petab_files import write_decay
from test_cli import run

import amijax
from amijax.audit.audit import audit_gradient
from amijax.cli import shared
from amijax.fit.optimizers import OPTIMIZERS


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("amijax.fit.checkpoints.cache_dir", lambda: tmp_path / "fits")

    def quick_audit(objective, theta, **_options):
        return audit_gradient(objective, theta, entries="none", roadrunner=False)

    monkeypatch.setattr("amijax.fit.multistart.audited", quick_audit)


def test_json_has_what_was_promised(tmp_path):
    path = write_decay(tmp_path / "decay")
    kept = tmp_path / "kept.json"
    result = run("fit", path, "--starts", 2, "--seed", 3, "--json", "-o", kept)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert list(content) == [
        "problem", "optimizer", "best", "starts", "reference_llh", "warnings", "seconds",
    ]  # fmt: skip
    assert set(content["best"]) == {"llh", "theta", "start"}
    assert list(content["best"]["theta"]) == ["rate"]
    assert len(content["starts"]) == 2
    for start in content["starts"]:
        assert list(start) == ["llh", "theta", "evaluations", "seconds", "exit", "failure"]
        assert start["failure"] is None
    assert content["starts"][content["best"]["start"]]["llh"] == content["best"]["llh"]
    assert content["reference_llh"] is None
    for warning in content["warnings"]:
        assert set(warning) == {"code", "message", "parameters"}
    assert "2 of 2 starts" in result.stderr
    fit = amijax.load_fit(kept)
    assert fit.best.llh == content["best"]["llh"]
    assert fit.settings.seed == 3
    again = run("fit", path, "--starts", 2, "--seed", 3)  # read from the disk
    assert again.exit_code == 0
    assert "best point" in again.output
    assert f"{fit.best.llh:.8g}" in again.output


def test_a_fit_for_pypesto(tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "fit.hdf5"
    result = run("fit", write_decay(tmp_path / "decay"), "--starts", 1, "-o", path)
    assert result.exit_code == 0, result.output
    assert path.stat().st_size > 0


def test_bad_input_and_failures_have_their_exit_status(tmp_path):
    path = write_decay(tmp_path / "decay")
    for options in (
        ["--starts", 0], ["--optimizer", "no"], ["--digits", 11], ["--time-limit", 0],
    ):  # fmt: skip
        assert run("fit", path, *options).exit_code == 2
    assert run("fit", "No_Such_Problem").exit_code == 2
    result = run("fit", path, "--starts", 1, "-o", tmp_path)
    assert result.exit_code == 2  # a folder
    laplace = write_decay(tmp_path / "laplace", distribution="laplace")
    result = run("fit", laplace, "--starts", 1, "--optimizer", "least-squares")
    assert result.exit_code == 2
    assert "laplace noise" in result.output


def test_the_command_knows_all_optimisers():
    assert tuple(OPTIMIZERS) == shared.OPTIMIZERS
