"""Batches: what one call gives, in order; failures stay where they are; gradients in part."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from closed_form import llh_and_gradient as conversion_closed_form
from same_evaluations import assert_same

from amijax import AmiciObjective, JaxObjective, SolverSettings
from amijax.cores import available_cores
from amijax.models.amici_internals import run_simulations

# Relative; sensitivities are integrated to rtol 1e-8 and summed with both signs (test_objective).
SENSITIVITY = 5e-6
# Relative to the largest entry; the solver takes other steps for fewer sensitivities, and at rtol
# 1e-12 that moves Boehm's gradient by up to 1e-6 (DESIGN.md, section 5).
OTHER_STEPS = 1e-5


def around(objective, count, seed=0):
    """Random points next to nominal, a row for each."""
    nominal = objective.problem.nominal_theta
    return nominal + np.random.default_rng(seed).uniform(-0.1, 0.1, (count, len(nominal)))


def on_cores(objective, num_threads):
    return AmiciObjective(
        objective.problem, objective.solver, model=objective.model, num_threads=num_threads
    )


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("gradient", [True, False])
def test_a_batch_equals_calls_one_by_one_in_order(boehm, num_threads, gradient):
    thetas = around(boehm, 15)
    found = on_cores(boehm, num_threads).evaluate_batch(thetas, gradient)
    assert len(found) == 15
    assert len({evaluation.llh for evaluation in found}) == 15  # so that the order is seen
    for evaluation, theta in zip(found, thetas, strict=True):
        assert_same(evaluation, boehm.evaluate(theta, gradient))


def test_arrays_of_a_batch_have_nan_where_a_point_failed(boehm):
    thetas = around(boehm, 7)
    thetas[1, 3] = np.nan
    thetas[4, boehm.problem.parameter_ids.index("k_phos")] = 39.0  # the solver gives up
    values = boehm.llh_batch(thetas)
    llh, gradient = boehm.llh_and_gradient_batch(thetas)
    assert values.shape == llh.shape == (7,)
    assert gradient.shape == thetas.shape
    for i, theta in enumerate(thetas):
        np.testing.assert_array_equal(values[i], boehm.llh(theta))
        one, its_gradient = boehm.llh_and_gradient(theta)
        np.testing.assert_array_equal(llh[i], one)
        np.testing.assert_array_equal(gradient[i], its_gradient)
    assert np.flatnonzero(np.isnan(values)).tolist() == [1, 4]
    assert np.isnan(gradient).any(1).tolist() == np.isnan(gradient).all(1).tolist()
    assert boehm.llh_batch(np.empty((0, 9))).shape == (0,)
    for method in (boehm.llh_batch, boehm.llh_and_gradient_batch):
        with pytest.raises(ValueError, match=r"shape \(n, 9\)"):
            method(thetas[0])


def test_batches_use_all_cores_and_single_points_one_unless_told_otherwise(boehm):
    assert (boehm.num_threads, boehm.batch_threads) == (1, available_cores())
    two = on_cores(boehm, 2).with_solver(SolverSettings(rtol=1e-6))
    assert (two.num_threads, two.batch_threads) == (2, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vmap_in_jax_equals_calls_one_by_one_bit_for_bit(boehm, dtype):
    inside = JaxObjective(boehm)
    thetas = around(boehm, 6).astype(dtype)
    thetas[4, boehm.problem.parameter_ids.index("k_phos")] = 37.0
    both = jax.value_and_grad(inside)
    llh, gradient = jax.jit(jax.vmap(jax.vmap(both)))(thetas.reshape(2, 3, 9))
    assert llh.dtype == gradient.dtype == dtype
    for i, theta in enumerate(thetas):
        one, its_gradient = jax.jit(both)(theta)
        np.testing.assert_array_equal(llh.reshape(6)[i], one)
        np.testing.assert_array_equal(gradient.reshape(6, 9)[i], its_gradient)
    assert np.flatnonzero(np.isnan(llh.reshape(6))).tolist() == [4]
    assert inside.failures[0].failure.status < 0


@pytest.mark.collection
def test_conditions_after_one_that_failed_are_not_simulated(objective_of, collection, monkeypatch):
    assert collection
    bruno = on_cores(objective_of("Bruno_JExpBot2016"), 1)
    simulated = []

    def counted(model, solver, edatas, **options):
        simulated.extend(edata.id for edata in edatas)
        return run_simulations(model, solver, edatas, **options)

    monkeypatch.setattr("amijax.simulation.batch.run_simulations", counted)
    failing = bruno.with_solver(SolverSettings(max_steps=5))
    found = failing.evaluate_batch(around(bruno, 4))
    assert all(evaluation.failure.condition == simulated[0] for evaluation in found)
    assert len(simulated) < 4 * 6  # pieces under way are finished
    first = bruno.condition_labels[0]
    assert simulated.count(first) == 4


@pytest.mark.collection
@pytest.mark.parametrize("num_threads", [1, 2])
def test_chunks_may_end_between_the_conditions_of_a_point(objective_of, collection, num_threads):
    assert collection
    objective = objective_of("Bruno_JExpBot2016")
    thetas = around(objective, 5)
    thetas[2, 0] = 400.0  # no simulations for this one
    dones = []
    found = on_cores(objective, num_threads).evaluate_batch(thetas, on_chunk=dones.append)
    assert len(objective.condition_labels) == 6  # a first chunk of 4 or 8 simulations ends inside
    assert dones[0] < 5
    assert dones[-1] == 5
    for evaluation, theta in zip(found, thetas, strict=True):
        assert_same(evaluation, objective.evaluate(theta))


@pytest.mark.parametrize("gradient", [True, False])
def test_failures_in_the_middle_are_records_and_harm_nobody(boehm, gradient):
    k_phos = boehm.problem.parameter_ids.index("k_phos")
    thetas = around(boehm, 9)
    thetas[2, 3] = np.nan
    thetas[4, k_phos] = 39.0  # finite, but the solver gives up
    thetas[7, 0] = np.inf
    found = boehm.evaluate_batch(thetas, gradient)
    assert [i for i in range(9) if found[i].failure is not None] == [2, 4, 7]
    assert found[4].failure.status < 0
    assert boehm.problem.parameter_ids[3] in found[2].failure.message
    assert all(np.isnan(found[i].llh) for i in (2, 4, 7))
    for evaluation, theta in zip(found, thetas, strict=True):
        assert_same(evaluation, boehm.evaluate(theta, gradient))


@pytest.mark.collection
def test_one_failing_condition_fails_its_point_alone(objective_of, collection):
    assert collection
    objective = objective_of("Bruno_JExpBot2016").with_solver(SolverSettings(max_steps=160))
    thetas = around(objective, 6)
    found = objective.evaluate_batch(thetas)
    failed = [evaluation.failure is not None for evaluation in found]
    assert True in failed  # 160 steps are enough at some of these points only
    assert False in failed
    for evaluation, theta in zip(found, thetas, strict=True):
        assert_same(evaluation, objective.evaluate(theta))


@pytest.mark.parametrize("shape", [(9,), (3, 8), (0,), (2, 3, 9)])
def test_the_wrong_shape_is_refused_with_the_right_one(boehm, shape):
    with pytest.raises(ValueError, match=r"shape \(n, 9\)"):
        boehm.evaluate_batch(np.zeros(shape))


def test_an_empty_batch_has_no_evaluations(boehm):
    dones = []
    assert boehm.evaluate_batch(np.empty((0, 9)), on_chunk=dones.append) == ()
    assert dones == []


def test_progress_counts_up_to_all_points(boehm):
    dones = []
    thetas = around(boehm, 30)
    thetas[5] = np.nan
    boehm.evaluate_batch(thetas, on_chunk=dones.append)
    assert dones == sorted(dones)
    assert len(dones) >= 2  # the first chunk is a small one
    assert dones[-1] == 30


class Stop(Exception):
    pass


def test_an_exception_from_progress_ends_the_batch_and_nothing_else(boehm):
    thetas = around(boehm, 30)
    calls = []

    def stop(done):
        calls.append(done)
        raise Stop

    with pytest.raises(Stop) as raised:
        boehm.evaluate_batch(thetas, on_chunk=stop)
    # At once, although the traceback still has the batch's frames.
    assert raised.tb is not None
    assert not [t for t in threading.enumerate() if t.name.startswith("amijax batch")]
    assert len(calls) == 1
    assert calls[0] < 30
    for evaluation, theta in zip(boehm.evaluate_batch(thetas[:3]), thetas, strict=False):
        assert_same(evaluation, boehm.evaluate(theta))


def test_shares_of_the_duration_add_up_to_no_more_than_all_of_it(boehm):
    # However busy the machine is: a thread's pieces follow each other within the batch.
    start = time.perf_counter()
    found = boehm.evaluate_batch(around(boehm, 12))
    elapsed = time.perf_counter() - start
    assert all(evaluation.wall_seconds > 0 for evaluation in found)
    assert sum(evaluation.wall_seconds for evaluation in found) <= elapsed


def test_batches_in_many_threads_don_t_mix(boehm):
    batches = [around(boehm, 5, seed) for seed in range(6)]
    expected = [boehm.evaluate_batch(thetas) for thetas in batches]
    with ThreadPoolExecutor(6) as pool:
        for found, wanted in zip(pool.map(boehm.evaluate_batch, batches), expected, strict=True):
            for evaluation, one in zip(found, wanted, strict=True):
                assert_same(evaluation, one)


CHOSEN = [1, 5, 6]
OTHERS = [0, 2, 3, 4, 7, 8]


def test_chosen_entries_are_the_full_gradient_s_and_others_are_0(boehm):
    precise = boehm.with_solver(SolverSettings(rtol=1e-12))
    theta = boehm.problem.nominal_theta + 0.05  # away from the optimum: nothing cancels
    full, part = precise.evaluate(theta), precise.with_gradient_of(CHOSEN).evaluate(theta)
    scale = np.abs(full.gradient).max()
    np.testing.assert_allclose(
        part.gradient[CHOSEN], full.gradient[CHOSEN], rtol=OTHER_STEPS, atol=OTHER_STEPS * scale
    )
    assert (part.gradient[CHOSEN] != 0).all()
    np.testing.assert_array_equal(part.gradient[OTHERS], 0.0)
    assert part.llh == pytest.approx(full.llh, rel=1e-9)  # other steps, not another model


def test_chosen_entries_against_the_closed_form(conversion):
    theta = conversion.problem.nominal_theta + 0.05
    _, expected = conversion_closed_form(theta, conversion.problem.measurements)
    for position in range(6):
        gradient = conversion.with_gradient_of([position]).llh_and_gradient(theta)[1]
        assert gradient[position] == pytest.approx(expected[position], rel=SENSITIVITY)
        assert np.count_nonzero(gradient) == 1


def test_all_entries_chosen_is_the_same_objective(boehm):
    theta = boehm.problem.nominal_theta
    assert_same(boehm.with_gradient_of(np.arange(9)).evaluate(theta), boehm.evaluate(theta))


def test_no_entry_chosen_leaves_zeros(boehm):
    evaluation = boehm.with_gradient_of([]).evaluate(boehm.problem.nominal_theta)
    assert evaluation.failure is None
    np.testing.assert_array_equal(evaluation.gradient, 0.0)


def test_only_chosen_sensitivities_are_integrated(boehm):
    part = boehm.with_gradient_of(CHOSEN)
    assert [sorted(wanted) for wanted in part.simulator.sensitivity_positions] == [CHOSEN]
    assert [len(edata.plist) for edata in part.simulator.edatas] == [3]
    assert [len(edata.plist) for edata in boehm.simulator.edatas] == [
        9
    ]  # the original keeps its own
    assert [sorted(wanted) for wanted in boehm.simulator.sensitivity_positions] == [list(range(9))]


def test_the_choice_outlives_other_settings_and_holds_in_batches(boehm):
    part = boehm.with_gradient_of(CHOSEN).with_solver(SolverSettings(rtol=1e-9))
    thetas = around(boehm, 6)
    for evaluation, theta in zip(part.evaluate_batch(thetas), thetas, strict=True):
        assert_same(evaluation, part.evaluate(theta))
        np.testing.assert_array_equal(evaluation.gradient[OTHERS], 0.0)


@pytest.mark.collection
def test_each_condition_gets_its_part_of_the_choice(objective_of, collection):
    assert collection
    objective = objective_of("Bruno_JExpBot2016").with_solver(SolverSettings(rtol=1e-11))
    chosen = [0, 12]  # an initial value in one condition, a scale for several observables in two
    part = objective.with_gradient_of(chosen)
    for wanted, mine in zip(
        objective.simulator.sensitivity_positions, part.simulator.sensitivity_positions, strict=True
    ):
        assert mine.tolist() == [position for position in wanted if position in chosen]
    assert [len(mine) for mine in part.simulator.sensitivity_positions] == [1, 0, 6, 0, 0, 2]
    assert [len(edata.plist) for edata in part.simulator.edatas] == [
        1,
        1,
        6,
        1,
        1,
        2,
    ]  # none means all
    theta = objective.problem.nominal_theta + 0.05
    full, gradient = objective.evaluate(theta).gradient, part.evaluate(theta).gradient
    np.testing.assert_allclose(gradient[chosen], full[chosen], rtol=OTHER_STEPS)
    np.testing.assert_array_equal(np.delete(gradient, chosen), 0.0)
