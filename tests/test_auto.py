"""Settings found by trying: the ladder, the sensitivities, and what is remembered."""

import json
from dataclasses import replace

import numpy as np
import pytest

from amijax import AmiciObjective, load_problem
from amijax.auto import settle
from amijax.simulation.settings import LADDER, SolverChoice, SolverSettings
from amijax.tuning.sensitivities import AGREEMENT


@pytest.fixture
def fresh_memory(monkeypatch, tmp_path):
    """Measurements of sensitivities in a folder of their own."""
    monkeypatch.setattr("amijax.tuning.sensitivities.cache_dir", lambda: tmp_path)
    return tmp_path / "sensitivities"


def test_amicis_defaults_come_first_and_accuracy_falls_down_the_ladder():
    assert LADDER[0] == SolverSettings()
    assert [rung.atol for rung in LADDER] == sorted(rung.atol for rung in LADDER)


def test_where_the_defaults_work_they_are_used(boehm):
    settled = settle(boehm, boehm.problem.nominal_theta, SolverChoice())
    assert settled.attempts == ()
    assert settled.evaluation.failure is None
    assert (settled.evaluation.solver.rtol, settled.evaluation.solver.atol) == (1e-8, 1e-16)


@pytest.mark.collection
def test_fujita_fails_at_the_defaults_and_auto_says_with_what_it_worked():
    objective = AmiciObjective(load_problem("Fujita_SciSignal2010"))
    settled = settle(objective, objective.problem.nominal_theta, SolverChoice())
    assert settled.attempts[0].solver.atol == 1e-16
    assert settled.attempts[0].failure is not None
    assert settled.evaluation.failure is None
    assert settled.evaluation.solver.atol > 1e-16
    assert settled.evaluation.solver == settled.objective.solver
    # AMICI's own benchmark tests: 53.08377736998929 at atol 1e-8.
    assert settled.evaluation.llh == pytest.approx(53.08377736998929, rel=1e-5)


def test_given_tolerances_are_the_only_ones_tried(boehm):
    choice = SolverChoice(rtol=1e-6, max_steps=5)
    settled = settle(boehm, boehm.problem.nominal_theta, choice)
    assert settled.attempts == ()
    assert settled.evaluation.failure is not None
    assert settled.evaluation.solver.rtol == 1e-6


def test_all_rungs_are_tried_before_giving_up(boehm):
    settled = settle(boehm, boehm.problem.nominal_theta, SolverChoice(max_steps=5))
    assert len(settled.attempts) == len(LADDER) - 1
    assert settled.evaluation.failure.status == -1


def test_senseless_parameters_are_not_tried_on_every_rung(boehm):
    theta = np.full(9, np.nan)
    settled = settle(boehm, theta, SolverChoice())
    assert settled.attempts == ()
    assert settled.evaluation.failure.condition is None


def test_the_faster_sensitivities_are_chosen_once_and_remembered(boehm, fresh_memory):
    theta = boehm.problem.nominal_theta
    settled = settle(boehm, theta, SolverChoice())
    measured = settled.sensitivities
    (file,) = fresh_memory.iterdir()
    assert json.loads(file.read_text())["chosen"] == measured.chosen
    if measured.chosen == "adjoint":
        assert measured.adjoint_seconds < 0.9 * measured.forward_seconds
        assert measured.difference <= AGREEMENT
    elif measured.adjoint_seconds is not None and measured.difference <= AGREEMENT:
        assert measured.adjoint_seconds >= 0.9 * measured.forward_seconds
    again = settle(boehm, theta + 0.01, SolverChoice())
    assert again.sensitivities == measured
    assert again.evaluation.solver.sensitivities == measured.chosen


@pytest.mark.parametrize("chosen", ["forward", "adjoint"])
def test_what_is_remembered_is_used(boehm, fresh_memory, chosen):
    theta = boehm.problem.nominal_theta
    settle(boehm, theta, SolverChoice())
    (file,) = fresh_memory.iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "chosen": chosen}))
    assert settle(boehm, theta, SolverChoice()).evaluation.solver.sensitivities == chosen


def test_a_damaged_memory_is_measured_again(boehm, fresh_memory):
    settle(boehm, boehm.problem.nominal_theta, SolverChoice())
    (file,) = fresh_memory.iterdir()
    file.write_text("{")
    assert settle(boehm, boehm.problem.nominal_theta, SolverChoice()).sensitivities is not None


def test_given_sensitivities_are_not_measured(boehm, fresh_memory):
    settled = settle(boehm, boehm.problem.nominal_theta, SolverChoice(sensitivities="adjoint"))
    assert settled.evaluation.solver.sensitivities == "adjoint"
    assert settled.sensitivities is None
    assert not fresh_memory.exists()


def test_a_gradient_within_a_time_that_is_too_short_is_none(boehm):
    theta = boehm.problem.nominal_theta
    assert boehm.gradient_within(theta, 1e-6) is None
    np.testing.assert_array_equal(
        boehm.gradient_within(theta, 60).gradient, boehm.llh_and_gradient(theta)[1]
    )


@pytest.mark.parametrize(
    "senseless", [{"rtol": -1.0}, {"max_steps": 0}, {"time_limit": float("nan")}]
)
def test_senseless_choices_are_refused(senseless):
    with pytest.raises(ValueError, match=next(iter(senseless))):
        SolverChoice(**senseless)


@pytest.mark.collection
def test_steady_state_settings_reach_a_problem_with_preequilibration():
    objective = AmiciObjective(load_problem("Brannmark_JBC2010"))
    theta = objective.problem.nominal_theta
    newton = objective.with_solver(
        replace(objective.solver, steady_state="integrateIfNewtonFails")
    ).evaluate(theta)
    assert newton.failure is None
    assert newton.llh == pytest.approx(objective.evaluate(theta).llh, rel=1e-6)


def test_settling_can_be_ended_between_conditions(conversion):
    """A page ends a simulation whose parameters were edited meanwhile; else nothing changes."""
    objective = conversion
    assert len(objective.condition_labels) > 1
    theta = objective.problem.nominal_theta
    calls = []
    whole = settle(objective, theta, SolverChoice())
    watched = settle(objective, theta, SolverChoice(), check=lambda: calls.append(1))
    assert calls
    assert watched.evaluation.llh == whole.evaluation.llh
    np.testing.assert_array_equal(watched.evaluation.gradient, whole.evaluation.gradient)

    def edited():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        settle(objective, theta, SolverChoice(), check=edited)


def test_a_watched_simulation_takes_one_core(conversion, monkeypatch):
    """Its time stands beside an unwatched one's, and AMICI's CPU time is that of all threads."""
    cores = []
    batch = AmiciObjective.evaluate_batch

    def counted(objective, *args, **options):
        cores.append(objective.batch_threads)
        return batch(objective, *args, **options)

    monkeypatch.setattr(AmiciObjective, "evaluate_batch", counted)
    settle(conversion, conversion.problem.nominal_theta, SolverChoice(), check=lambda: None)
    assert cores[0] == 1
