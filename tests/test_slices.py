"""Slices against single evaluations and closed forms; which parameters matter most."""

import closed_form
import numpy as np
import pytest

from amijax import SolverSettings
from amijax.whatif.influence import standard_steps
from amijax.whatif.slices import parameter_slices, slice_range


def test_slices_in_closed_form(conversion):
    problem = conversion.problem
    theta = problem.nominal_theta + 0.1
    found = parameter_slices(conversion, theta, [0, 2, 4], points=11)
    assert [s.parameter for s in found] == [problem.parameter_ids[i] for i in (0, 2, 4)]
    for each in found:
        i = each.position
        assert each.values[each.current] == theta[i]
        assert each.values[each.nominal] == problem.nominal_theta[i]
        assert (each.values[0], each.values[-1]) == (problem.lower_theta[i], problem.upper_theta[i])
        assert (np.diff(each.values) > 0).all()
        assert each.gradient is None
        points = np.repeat(theta[None], each.values.size, axis=0)
        points[:, i] = each.values
        expected = [closed_form.llh_and_gradient(p, problem.measurements)[0] for p in points]
        # Residuals of up to 1e4 noise scales, with a relative error of the simulation of 1e-8.
        np.testing.assert_allclose(each.llh, expected, rtol=1e-5, atol=1e-3)


def test_slices_are_evaluations_bit_for_bit(boehm):
    theta = boehm.problem.nominal_theta
    done = []
    (found,) = parameter_slices(
        boehm, theta, [5], ranges={5: (3.0, 5.0)}, points=5, on_chunk=done.append
    )
    for value, llh in zip(found.values, found.llh, strict=True):
        moved = theta.copy()
        moved[5] = value
        assert boehm.llh(moved) == llh
    assert done[-1] == found.values.size == 6  # five of the grid, and nominal


def test_gradients_of_slices(conversion):
    problem = conversion.problem
    theta = problem.nominal_theta
    found = parameter_slices(
        conversion, theta, [1, 5], ranges={1: (-2.0, -1.0), 5: (-4.0, -1.0)}, points=5,
        gradient=True,
    )  # fmt: skip
    for each in found:
        points = np.repeat(theta[None], each.values.size, axis=0)
        points[:, each.position] = each.values
        expected = [
            closed_form.llh_and_gradient(p, problem.measurements)[1][each.position] for p in points
        ]
        np.testing.assert_allclose(each.gradient, expected, rtol=1e-4, atol=1e-3)


def test_a_range_is_extended_to_the_current_value_only(boehm):
    theta = boehm.problem.theta_from({"k_phos": 1.0})
    (found,) = parameter_slices(boehm, theta, [5], ranges={5: (2.0, 3.0)}, points=3)
    np.testing.assert_array_equal(found.values, [1.0, 2.0, 2.5, 3.0])
    assert found.current == 0
    assert found.nominal is None


def test_failed_points_are_nan_with_a_reason(boehm):
    few = boehm.with_solver(SolverSettings(max_steps=30))
    theta = boehm.problem.nominal_theta
    (found,) = parameter_slices(few, theta, [5], points=3)
    assert np.isnan(found.llh).any()
    for llh, failure in zip(found.llh, found.failures, strict=True):
        assert np.isnan(llh) == (failure is not None)


@pytest.mark.parametrize(
    ("positions", "ranges", "sentence"),
    [
        ([9], None, "position"),
        ([-1], None, "position"),
        ([0], {0: (2.0, 1.0)}, "lower one first"),
        ([0], {0: (0.0, np.inf)}, "finite"),
    ],
)
def test_wrong_use_is_a_sentence(boehm, positions, ranges, sentence):
    with pytest.raises(ValueError, match=sentence):
        parameter_slices(boehm, boehm.problem.nominal_theta, positions, ranges=ranges)
    with pytest.raises(ValueError, match="shape"):
        parameter_slices(boehm, [1.0], [0])


def test_no_slices(boehm):
    assert parameter_slices(boehm, boehm.problem.nominal_theta, []) == ()


def test_infinite_bounds_leave_a_range_about_the_value(conversion):
    from dataclasses import replace

    problem = replace(
        conversion.problem,
        lower_theta=np.full(6, -np.inf),
        upper_theta=np.full(6, np.inf),
        nominal_theta=np.zeros(6),
    )
    assert slice_range(problem, np.full(6, 3.0), 0) == (2.0, 4.0)  # log10
    assert slice_range(problem, np.full(6, 3.0), 2) == (0.0, 6.0)  # lin
    assert slice_range(problem, np.zeros(6), 2) == (-1.0, 1.0)
    assert (standard_steps(problem, np.zeros(6)) > 0).all()
