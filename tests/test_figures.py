"""Figures: what is drawn is what was computed."""

from dataclasses import replace

import numpy as np
import pytest

from amijax.comparison import Comparison, Timings, rel_diff
from amijax.figures import gradient_figure, signed_scale
from amijax.simulation.settings import SolverSettings


def comparison(amici, jax, precision="float32"):
    amici, jax = np.array(amici, float), np.array(jax, float)
    ids = tuple(f"p{i}" for i in range(len(amici)))
    return Comparison(
        problem_id="test",
        parameter_ids=ids,
        parameter_names=ids,
        scales=("lin",) * len(ids),
        precision=precision,
        theta=amici,
        p=amici,
        theta_inside=amici,
        llh_amici=1.0,
        llh_jax=1.0,
        llh_rel_diff=0.0,
        gradient_amici=amici,
        gradient_jax=jax,
        gradient_rel_diff=rel_diff(amici, jax),
        failure_amici=None,
        failure_jax=None,
        solver=SolverSettings(),
        timings=Timings(1, 1, 1, 1, 1),
    )


def both(amici, jax):
    one = comparison(amici, jax)
    return {"float32": one, "float64": replace(comparison(amici, amici), precision="float64")}


@pytest.mark.parametrize("values", [[1.0, -3.0, 20.0], [0.0], [], [np.nan, 2.0]])
def test_a_narrow_range_stays_linear(values):
    scale = signed_scale(np.array(values))
    assert scale.floor is None
    np.testing.assert_array_equal(scale(np.array(values)), values)


def test_signed_scale_keeps_sign_order_and_zero():
    values = np.array([-1e3, -1e-5, 0.0, 1e-5, 3.0, 1e6])
    scale = signed_scale(values)
    positions = scale(values)
    assert (np.diff(positions) > 0).all()
    assert positions[2] == 0
    np.testing.assert_allclose(scale(-values), -positions)
    assert "0" in scale.labels
    for position, label in zip(scale.ticks, scale.labels, strict=True):
        if label != "0":
            size = 10.0 ** int(label.split("<sup>")[1].split("<")[0])
            sign = -1 if label.startswith("−") else 1
            np.testing.assert_allclose(scale(np.array([sign * size])), position, atol=1e-12)


def test_bars_hover_and_colours():
    figure = gradient_figure(both([1e-5, -2.0, 300.0], [2e-5, -2.0, 301.0]), "float32")
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.name for bar in bars] == ["AMICI", "JAX float32"]
    assert bars[0].marker.color != bars[1].marker.color
    assert list(bars[1].customdata) == ["2e-05", "-2", "301"]


def test_zeros_and_nan_are_marked():
    figure = gradient_figure(both([0.0, np.nan, 1.0], [0.0, np.nan, 1.0]), "float32")
    marks = {trace.name: list(trace.y) for trace in figure.data if trace.type == "scatter"}
    assert marks["exactly 0"] == ["p0"]
    assert marks["not finite"] == ["p1"]


def test_exact_agreement_has_its_own_tick():
    figure = gradient_figure(both([1.0, 2.0], [1.0, 2.1]), "float64")
    axis = figure.layout.xaxis2
    assert axis.ticktext[0] == "exact"
    strong = figure.data[-1]
    assert strong.name == "float64"  # drawn last, over the other
    np.testing.assert_array_equal(strong.x, axis.tickvals[0])


@pytest.mark.parametrize("n", [1, 9, 113])
def test_height_grows_with_the_number_of_parameters(n):
    figure = gradient_figure(both(np.ones(n), np.ones(n)), "float32")
    assert figure.layout.height >= 17 * n
