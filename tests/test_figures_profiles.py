"""Figures of uncertainty: what they draw is what the records say."""

import numpy as np
import pytest
from test_profiles import THRESHOLD, side

from amijax import identify
from amijax.figures import correlations_figure, profiles_figure, spectrum_figure
from amijax.identifiability.verdicts import profile_of


@pytest.fixture(scope="module")
def local(conversion):
    return identify(conversion)


class Result:
    """As much of a result as the figure needs."""

    def __init__(self, problem, profiles):
        self.profiles = profiles
        self.parameter_ids = problem.parameter_ids
        self.lower, self.upper = np.full(6, -3.0), np.full(6, 3.0)
        self.threshold = THRESHOLD
        self.optimum = type("Optimum", (), {"value": 0.0})


def test_a_profile_has_points_interval_and_bound(conversion):
    down = side("down", [0, -1, -2], [0, -1, -2], "threshold", -1.9)
    up = side("up", [0, 3], [0, -0.1], "bound")
    profile = profile_of(
        conversion.problem, 0, [down, up], np.zeros(6), 0.0, THRESHOLD, 0.95,
        np.full(6, -3.0), np.full(6, 3.0),
    )  # fmt: skip
    figure = profiles_figure(Result(conversion.problem, (profile,)))
    traces = {trace.name: trace for trace in figure.data}
    np.testing.assert_array_equal(traces["profile's points"].x, [-2, -1, 0, 3])
    np.testing.assert_array_equal(traces["profile's points"].y, [2, 1, 0, 0.1])
    np.testing.assert_array_equal(traces["interval"].x, [-1.9, 3])
    assert list(traces["interval"].marker.symbol) == ["line-ns-open", "triangle-right"]
    # The curve goes through the points.
    curve = traces["profile"]
    for x, y in zip(traces["profile's points"].x, traces["profile's points"].y, strict=True):
        assert curve.y[np.argmin(np.abs(curve.x - x))] == pytest.approx(y)
    assert [shape.x0 for shape in figure.layout.shapes] == [3.0]


def test_the_spectrum_has_all_eigenvalues_and_their_noise(local):
    figure = spectrum_figure(local)
    traces = {trace.name: trace for trace in figure.data}
    np.testing.assert_array_equal(traces["counts"].y, local.eigenvalues)
    np.testing.assert_array_equal(traces["its noise"].y, local.eigenvalue_noise)


def test_correlations_are_those_of_the_record(local):
    figure = correlations_figure(local)
    np.testing.assert_array_equal(figure.data[0].z, local.correlations)
