"""What is behind a failure: conditions, measurements, parameters, remedies."""

from dataclasses import replace

import numpy as np
import pytest
from petab_files import write_decay

from amijax import AmiciObjective, SolverSettings, load_problem
from amijax.diagnosis import diagnose, suggest


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """The decay with its noise scale as a second parameter, which may be 0."""
    path = write_decay(tmp_path_factory.mktemp("noisy"), noise="noiseParameter1_obs_A")
    table = path.with_name("measurements.tsv")
    header, *rows = table.read_text().splitlines()
    table.write_text(header + "\tnoiseParameters\n" + "".join(f"{row}\ts\n" for row in rows))
    parameters = path.with_name("parameters.tsv")
    parameters.write_text(parameters.read_text() + "s\tlin\t0\t1\t0.1\t1\n")
    return AmiciObjective(load_problem(path))


def test_an_infinite_llh_names_the_measurements(noisy):
    theta = np.array([0.0, 0.0])
    diagnosis = diagnose(noisy, theta)
    (outcome,) = diagnosis.conditions
    assert "noise scale" in outcome.failure.message
    assert len(diagnosis.measurements) == 4
    first = diagnosis.measurements[0]
    assert (first.condition, first.observable, first.time) == ("c0", "obs_A", 0.5)
    assert first.sigma == 0
    assert "noise scale" in first.reason
    assert [p.parameter for p in diagnosis.parameters] == ["s"]
    assert "at its bound" in diagnosis.parameters[0].reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "not a finite"), (400.0, "overflows"), (-400.0, "underflows"), (3.0, "outside")],
)
def test_suspect_parameters(noisy, value, reason):
    theta = np.array([value, 0.1])
    (suspect,) = diagnose(noisy, theta).parameters
    assert suspect.parameter == "rate"
    assert reason in suspect.reason


@pytest.mark.collection
def test_conditions_after_a_failure_are_simulated_too():
    objective = AmiciObjective(load_problem("Fujita_SciSignal2010"), num_threads=2)
    theta = objective.problem.nominal_theta
    failed = objective.evaluate(theta)
    assert failed.failure is not None
    diagnosis = diagnose(objective, theta)
    worked = [c for c in diagnosis.conditions if c.failure is None]
    assert len(diagnosis.conditions) == 6
    assert 0 < len(worked) < 6
    assert all(np.isfinite(c.llh) for c in worked)
    assert not any(c.failure and c.failure.status == -1001 for c in diagnosis.conditions)
    remedies = suggest(objective, theta, failed.failure)
    assert remedies[0].solver.atol > 1e-16
    assert objective.with_solver(remedies[0].solver).evaluate(theta).failure is None


def test_remedies_for_parameters_out_of_bounds(noisy):
    theta = np.array([400.0, 0.1])
    remedies = suggest(noisy, theta, noisy.evaluate(theta).failure)
    inside = remedies[0].theta
    assert (inside >= noisy.problem.lower_theta).all()
    assert (inside <= noisy.problem.upper_theta).all()
    np.testing.assert_array_equal(remedies[1].theta, noisy.problem.nominal_theta)


def test_adjoint_failures_suggest_forward(noisy):
    limited = noisy.with_solver(SolverSettings(max_steps=2, sensitivities="adjoint"))
    theta = noisy.problem.nominal_theta
    solvers = [r.solver for r in suggest(limited, theta, limited.evaluate(theta).failure)]
    assert replace(limited.solver, sensitivities="forward") in solvers
