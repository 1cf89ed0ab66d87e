"""Time courses and measured points: against closed forms, and against the likelihood itself."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import closed_form
import numpy as np
import pandas as pd
import pytest

from amijax import AmiciObjective, SolverSettings, load_problem
from amijax.simulation.vectors import as_array
from amijax.whatif.layout import (
    NO_COURSE,
    STEADY_STATE_ONLY,
    STEADY_STATE_TOO,
    _note,
    times_between,
)
from amijax.whatif.trajectories import TrajectorySimulator, simulate_trajectories

# Settings where AMICI's defaults fail at nominal (they do for the gradient only, but slowly).
SETTINGS = {"Fujita_SciSignal2010": SolverSettings(atol=1e-12)}
# Log and log10 noise, replicates, preequilibration, steady states, noise numbers in the table,
# conditions measured at the start only.
COLLECTION = [
    "Bachmann_MSB2011", "Beer_MolBioSystems2014", "Blasi_CellSystems2016",
    "Borghans_BiophysChem1997", "Brannmark_JBC2010", "Bruno_JExpBot2016",
    "Crauste_CellSystems2017", "Elowitz_Nature2000",
    "Fujita_SciSignal2010", "Perelson_Science1996", "Raia_CancerResearch2011", "Schwen_PONE2014",
    "Sneyd_PNAS2002", "Weber_BMC2015", "Zhao_QuantBiol2020", "Zheng_PNAS2012",
]  # fmt: skip
EMBEDDED = ["Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff"]
# The sum of up to 27 132 shares, each rounded in another order than AMICI rounds; measured: 5e-16.
SHARES = 1e-12
# What the solver's rtol of 1e-8 leaves of A and B; measured: 4e-8.
COURSE = 1e-6


@pytest.fixture(scope="module")
def moved(conversion):
    """A point away from nominal on all three scales."""
    return conversion.problem.nominal_theta + np.array([0.2, -0.3, 0.5, 0.1, 0.1, -0.2])


def test_the_conversion_reaction_in_closed_form(conversion, moved):
    found = simulate_trajectories(conversion, moved, states=True)
    _, _, total, _, sigma_a, sigma_b = closed_form.unscale(moved)
    assert found.observable_ids == ("A_measured", "B_measured")
    for course in found.conditions:
        assert course.times[0] == 0
        assert course.times.size >= 200
        assert course.failure is None
        table = pd.DataFrame({"time": course.times, "simulationConditionId": course.condition})
        for j, observable in enumerate(found.observable_ids):
            expected, _ = closed_form.simulate(moved, table.assign(observableId=observable))
            np.testing.assert_allclose(course.observables[:, j], expected, rtol=COURSE, atol=COURSE)
        np.testing.assert_allclose(course.sigmas, [[sigma_a, sigma_b]] * course.times.size)
        assert course.states.shape == (course.times.size, len(found.state_ids))
        np.testing.assert_allclose(course.states.sum(axis=1), total, rtol=COURSE)


def test_shares_of_the_conversion_reaction_in_closed_form(conversion, moved):
    points = simulate_trajectories(conversion, moved).points
    table = conversion.problem.measurements
    assert sorted(points.row) == list(range(len(table)))
    expected = np.array(
        [closed_form.llh_and_gradient(moved, table.iloc[[row]])[0] for row in points.row]
    )
    # Shares of some 1, with residuals of some 10 whose simulation has an error of 1e-8.
    np.testing.assert_allclose(points.llh, expected, rtol=1e-5, atol=1e-5)
    frame = points.frame().sort_index()
    assert list(frame["observable"]) == list(table["observableId"])
    assert list(frame["condition"]) == list(table["simulationConditionId"])
    np.testing.assert_array_equal(frame["measurement"], table["measurement"])
    np.testing.assert_array_equal(frame["time"], table["time"])
    np.testing.assert_allclose(
        frame["residual"], (frame["measurement"] - frame["simulation"]) / frame["sigma"]
    )
    for name, rows in table.groupby("observableId"):
        share = closed_form.llh_and_gradient(moved, rows)[0]
        assert points.by_observable().loc[name, "llh"] == pytest.approx(share, rel=1e-5)
        assert points.by_observable().loc[name, "measurements"] == len(rows)
    for name, rows in table.groupby("simulationConditionId"):
        share = closed_form.llh_and_gradient(moved, rows)[0]
        assert points.by_condition().loc[name, "llh"] == pytest.approx(share, rel=1e-5)


@pytest.mark.parametrize(
    "problem_id",
    [*EMBEDDED, *[pytest.param(name, marks=pytest.mark.collection) for name in COLLECTION]],
)
def test_shares_sum_up_to_the_llh(problem_id, objective_of, request):
    if problem_id in COLLECTION:
        request.getfixturevalue("collection")
    objective = objective_of(problem_id).with_solver(SETTINGS.get(problem_id, SolverSettings()))
    theta = objective.problem.nominal_theta
    found, llh = simulate_trajectories(objective, theta), objective.llh(theta)
    assert found.llh == llh  # the same simulations
    points = found.points
    assert points.row.size == objective.problem.n_measurements
    for total in (
        points.llh.sum(), points.by_observable()["llh"].sum(), points.by_condition()["llh"].sum()
    ):  # fmt: skip
        assert total == pytest.approx(llh, rel=SHARES)
    for course, share in zip(found.conditions, points.by_condition()["llh"], strict=True):
        assert course.llh == pytest.approx(share, rel=1e-10, abs=1e-10)
        assert (np.diff(course.times) > 0).all()
        assert course.observables.shape == (course.times.size, len(found.observable_ids))


def test_measured_points_lie_on_the_course(boehm):
    theta = boehm.problem.nominal_theta + 0.01
    found = simulate_trajectories(boehm, theta)
    course = found.conditions[0]
    at = np.searchsorted(course.times, found.points.time)
    np.testing.assert_array_equal(
        course.observables[at, found.points.observable], found.points.simulation
    )


@pytest.mark.collection
@pytest.mark.usefixtures("collection")
def test_chosen_conditions_and_preequilibration(objective_of):
    objective = objective_of("Brannmark_JBC2010")
    theta = objective.problem.nominal_theta
    simulator = TrajectorySimulator(objective, points=20)
    everything, some = simulator.simulate(theta), simulator.simulate(theta, conditions=[5, 2])
    assert [c.label for c in some.conditions] == [everything.conditions[i].label for i in (5, 2)]
    for part, i in zip(some.conditions, (5, 2), strict=True):
        whole = everything.conditions[i]
        np.testing.assert_array_equal(part.observables, whole.observables)
        assert part.llh == whole.llh
        assert part.label == f"{part.condition}+{part.preequilibration}"
    assert set(some.points.row) < set(everything.points.row)
    assert some.llh == pytest.approx(some.points.llh.sum(), rel=SHARES)


@pytest.mark.collection
@pytest.mark.usefixtures("collection")
def test_conditions_without_a_time_course_say_so(objective_of):
    steady = objective_of("Blasi_CellSystems2016")
    course = simulate_trajectories(steady, steady.problem.nominal_theta).conditions[0]
    assert course.note == STEADY_STATE_ONLY
    np.testing.assert_array_equal(course.times, [np.inf])
    start = objective_of("Schwen_PONE2014")
    found = simulate_trajectories(start, start.problem.nominal_theta)
    alone = [c for c in found.conditions if c.note == NO_COURSE]
    assert alone
    assert all(course.times.tolist() == [0] for course in alone)


@pytest.mark.collection
@pytest.mark.usefixtures("collection")
def test_a_noise_scale_that_only_the_measurements_have_is_nan_between_them(objective_of):
    objective = objective_of("Crauste_CellSystems2017")
    found = simulate_trajectories(objective, objective.problem.nominal_theta)
    course = found.conditions[0]
    measured = np.isin(course.times, found.points.time)
    assert np.isnan(course.sigmas[~measured]).all()
    assert (found.points.sigma > 0).all()


def test_failures_are_data(boehm):
    theta = boehm.problem.theta_from({"k_phos": 400.0})
    overflow = simulate_trajectories(boehm, theta)
    assert np.isnan(overflow.llh)
    assert "k_phos" in overflow.failures[0].message
    assert np.isnan(overflow.conditions[0].observables).all()
    few = boehm.with_solver(SolverSettings(max_steps=20))
    stopped = simulate_trajectories(few, boehm.problem.nominal_theta)
    assert stopped.failures[0].status == -1
    assert np.isnan(stopped.llh)
    assert np.isnan(stopped.points.llh).any()
    with pytest.raises(ValueError, match="shape"):
        simulate_trajectories(boehm, [1.0])


def test_threads_share_a_simulator(conversion):
    simulator = TrajectorySimulator(conversion)
    thetas = conversion.problem.nominal_theta + np.linspace(-0.1, 0.1, 24)[:, None]
    expected = [simulator.simulate(theta) for theta in thetas]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(simulator.simulate, np.tile(thetas, (3, 1))))
    for i, each in enumerate(found):
        assert each.llh == expected[i % 24].llh
        for one, other in zip(each.conditions, expected[i % 24].conditions, strict=True):
            np.testing.assert_array_equal(one.observables, other.observables)


def test_several_cores_change_nothing(conversion):
    two = AmiciObjective(load_problem("Conversion_Reaction"), num_threads=2)
    theta = conversion.problem.nominal_theta
    one, other = (simulate_trajectories(o, theta, states=True) for o in (conversion, two))
    for a, b in zip(one.conditions, other.conditions, strict=True):
        np.testing.assert_array_equal(a.states, b.states)


def test_times_between_fill_the_gaps():
    found = times_between(np.array([0.0, 10.0, 10.0, 5.0]), 0.0, 200)
    assert 150 < found.size <= 200
    assert not np.isin(found, [0.0, 5.0, 10.0]).any()  # those are simulated anyway
    both = np.union1d(found, [0.0, 5.0, 10.0])
    assert both[-1] == 10
    assert np.diff(both).max() <= 10 / 99 * 1.001  # smooth on a linear axis,
    assert np.diff(np.log(both[1:])).max() < 0.1  # and on a logarithmic one from 0.01 on
    assert both[1] == pytest.approx(0.01)
    wide = times_between(np.array([1e-6, 1e6]), 0.0, 200)
    assert wide[0] == 0
    assert ((wide > 1e-6) & (wide < 1)).sum() > 40


def test_times_that_measured_ones_stand_for_are_left_out():
    dense = np.linspace(0, 10, 2001)
    assert times_between(dense, 0.0, 200).size < 50  # early ones only
    assert times_between(np.array([0.0, np.inf]), 0.0, 200).size == 0
    assert times_between(np.array([]), 0.0, 200).size == 0


@pytest.mark.parametrize(
    ("times", "note"),
    [
        ([0.0, 1.0], ""),
        ([0.0], NO_COURSE),
        ([np.inf], STEADY_STATE_ONLY),
        ([0.0, np.inf], STEADY_STATE_ONLY),
        ([1.0, np.inf], STEADY_STATE_TOO),
    ],
)
def test_notes_on_times(times, note):
    assert _note(np.array(times), 0.0) == note


class _OtherLayout(list):
    """A vector whose memory does not begin with the addresses of its numbers."""

    memory = (ctypes.c_size_t * 2)(0, 0)
    this = property(lambda self: ctypes.addressof(self.memory))


def test_vectors_become_arrays(boehm):
    rdata = boehm.simulator.everything(boehm.problem.nominal_theta, gradient=False)[0]
    for vector in (rdata.y, rdata.x, rdata.ts, rdata.sllh):
        np.testing.assert_array_equal(as_array(vector), np.array(list(vector)))
    kept = as_array(rdata.y)
    expected = kept.copy()
    del rdata
    np.testing.assert_array_equal(kept, expected)  # a copy, not a view
    np.testing.assert_array_equal(as_array(_OtherLayout([1.0, 2.0])), [1.0, 2.0])


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Conversion_Reaction"])
def test_with_sensitivities_shares_add_up_to_llh_with_gradient(objective_of, problem_id):
    objective = objective_of(problem_id)
    theta = objective.problem.nominal_theta + 0.01
    simulator = TrajectorySimulator(objective)
    found = simulator.simulate(theta, gradient=True)
    llh = objective.llh_and_gradient(theta)[0]
    assert found.llh == llh
    assert found.points.llh.sum() == pytest.approx(llh, rel=1e-12)
    assert llh != objective.llh(theta)
    # The same simulator without them again: nothing is left of the other order.
    assert simulator.simulate(theta).llh == objective.llh(theta)
