"""Fits in pyPESTO's HDF5 format: read by pyPESTO, and pyPESTO's read here."""

from dataclasses import replace

import numpy as np
import pytest

import amijax
from amijax.fit.pypesto_optimizer import adapted
from amijax.fit.record import Trace

pytest.importorskip("h5py", reason="h5py is not installed: pip install -r requirements.txt")


@pytest.fixture(scope="module")
def fitted(conversion):
    """A fit with a start that failed."""
    result = amijax.fit(conversion, 3, workers=1, audit=False, resume=False)
    nothing = np.full(6, np.nan)
    failed = replace(
        result.starts[2], theta=nothing, llh=np.nan, gradient=nothing, exit="failed",
        message="No", trace=Trace(*np.empty((3, 0))),
    )  # fmt: skip
    return replace(result, starts=(*result.starts[:2], failed))


@pytest.fixture
def exported(fitted, tmp_path):
    path = tmp_path / "fit.hdf5"
    amijax.export_pypesto(fitted, path)
    return path


def test_what_is_written_is_read_here_again(conversion, fitted, exported):
    read = amijax.import_pypesto(conversion, exported)
    assert read.settings.optimizer == "pyPESTO: fides"
    np.testing.assert_array_equal(read.settings.lower, fitted.settings.lower)
    for one, other in zip(fitted.starts, read.starts, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        np.testing.assert_array_equal(one.theta_start, other.theta_start)
        np.testing.assert_array_equal(one.gradient, other.gradient)
        np.testing.assert_array_equal(one.llh, other.llh)
        np.testing.assert_array_equal(one.trace.values, other.trace.values)
        assert one.n_evaluations == other.n_evaluations
    assert [start.exit for start in read.starts] == ["finished", "finished", "failed"]
    assert read.best.index == fitted.best.index


def test_pypesto_reads_it_and_draws_its_plots(fitted, exported):
    store = pytest.importorskip("pypesto.store", reason="pyPESTO is not installed")
    result = store.read_result(exported, problem=True, optimize=True)
    assert result.problem.x_names == list(fitted.parameter_ids)
    assert result.problem.x_scales == list(fitted.scales)
    np.testing.assert_array_equal(result.problem.lb, fitted.settings.lower)
    best = result.optimize_result[0]
    assert best.fval == -fitted.best.value
    np.testing.assert_array_equal(best.x, fitted.best.theta)
    np.testing.assert_array_equal(best.x0, fitted.best.theta_start)
    np.testing.assert_allclose(best.history.get_fval_trace(), -fitted.best.trace.values, rtol=1e-15)
    matplotlib = pytest.importorskip("matplotlib", reason="pyPESTO's plots need matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import pypesto.visualize

    for draw in (
        pypesto.visualize.waterfall,
        pypesto.visualize.parameters,
        pypesto.visualize.optimizer_history,
    ):
        draw(result)
    plt.close("all")


def test_pypestos_own_result_is_read(conversion, tmp_path):
    pytest.importorskip("pypesto", reason="pyPESTO is not installed")
    import pypesto.optimize
    import pypesto.store

    problem = conversion.problem
    objective = pypesto.Objective(
        fun=lambda theta: -conversion.llh(theta),
        grad=lambda theta: -conversion.llh_and_gradient(theta)[1],
    )
    theirs = pypesto.Problem(
        objective, lb=problem.lower_theta, ub=problem.upper_theta, x_names=problem.parameter_ids,
        x_guesses=[problem.nominal_theta], x_scales=problem.scales,
    )  # fmt: skip
    found = pypesto.optimize.minimize(
        theirs, n_starts=1, optimizer=pypesto.optimize.ScipyOptimizer(options={"maxiter": 3}),
        progress_bar=False,
    )  # fmt: skip
    path = tmp_path / "theirs.hdf5"
    pypesto.store.write_result(found, path, problem=True, optimize=True)
    read = amijax.import_pypesto(conversion, path)
    assert read.best.llh == -found.optimize_result[0].fval
    np.testing.assert_array_equal(read.best.theta, found.optimize_result[0].x)


def test_an_optimiser_of_pypesto_s(conversion):
    pytest.importorskip("pypesto", reason="pyPESTO is not installed")
    from pypesto.optimize import ScipyOptimizer

    result = amijax.fit(
        conversion, 1, optimizer=adapted(ScipyOptimizer("L-BFGS-B")), workers=1, audit=False,
        start_points=[conversion.problem.nominal_theta],
    )  # fmt: skip
    start = result.best
    assert result.settings.optimizer == "ScipyOptimizer"
    assert start.exit == "finished"
    assert start.message.startswith("pyPESTO: ")
    assert start.llh > start.trace.values[0]
    # One evaluation for each value with its gradient.
    assert start.n_evaluations < 100


def test_files_that_can_t_be_read_are_sentences(conversion, boehm, exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        amijax.import_pypesto(conversion, tmp_path / "none.hdf5")
    (tmp_path / "text.hdf5").write_text("no")
    with pytest.raises(ValueError, match="no optimisation of pyPESTO's"):
        amijax.import_pypesto(conversion, tmp_path / "text.hdf5")
    with pytest.raises(ValueError, match="is of another problem than Boehm"):
        amijax.import_pypesto(boehm, exported)
