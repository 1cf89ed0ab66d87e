"""AMICI's side: closed form, AMICI called directly, finite differences, failures, threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from benchmarks.peers.amici_import import gradient_of, imported
from closed_form import llh_and_gradient as conversion_closed_form
from petab_files import write_decay
from scipy.optimize import approx_fprime

from amijax import AmiciObjective, SolverSettings, load_problem
from amijax.simulation.run import sensitivity_order, solver_of

# Relative tolerances, each with its reason.
SOLVER = 1e-6  # rtol is 1e-8 per step; errors add up over steps and, divided by sigma, residuals
SENSITIVITY = 5e-6  # sensitivities are integrated to the same rtol, then summed with both signs
# Two models of one problem, which sum in other orders, at an rtol of 1e-12 per step.
SAME_PROBLEM, SAME_GRADIENT = 1e-9, 1e-7
FINITE_DIFFERENCES = 2e-4  # cancellation in llh at a step of 1e-5, solver noise included
# llh and gradient of the Boehm problem at nominal as AMICI's "AMICI & JAX" notebook prints them
# (an older AMICI; printed digits of small entries differ by solver noise, hence the tolerance).
NOTEBOOK_LLH = -138.221997
NOTEBOOK_GRADIENT = [
    -0.022045,
    -0.055323,
    -0.005789,
    -0.005414,
    0.000045,
    -0.007907,
    -0.010784,
    -0.024037,
    -0.019191,
]


@pytest.mark.parametrize("shift", [0.0, 0.05, -0.1])
def test_conversion_reaction_against_its_closed_form(conversion, shift):
    theta = conversion.problem.nominal_theta + shift
    llh, gradient = conversion.llh_and_gradient(theta)
    expected_llh, expected_gradient = conversion_closed_form(theta, conversion.problem.measurements)
    np.testing.assert_allclose(llh, expected_llh, rtol=SOLVER, atol=1e-5)  # terms of size 10
    np.testing.assert_allclose(gradient, expected_gradient, rtol=SENSITIVITY)
    np.testing.assert_allclose(conversion.llh(theta), expected_llh, rtol=SOLVER, atol=1e-5)


@pytest.mark.parametrize(
    "problem_id", ["Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff"]
)
def test_against_amici_called_directly(objective_of, problem_id):
    """AMICI's own reading of PEtab, its own model and `simulate_petab`: nothing of ours."""
    precise = SolverSettings(rtol=1e-12)
    objective = objective_of(problem_id).with_solver(precise)
    problem, theirs = objective.problem, imported(objective.problem)
    theta = problem.nominal_theta + 0.01
    solver = solver_of(theirs.model, precise)
    solver.set_sensitivity_order(sensitivity_order(gradient=True))
    result = theirs.simulate(problem, theta, solver)
    llh, gradient = objective.llh_and_gradient(theta)
    np.testing.assert_allclose(llh, result["llh"], rtol=SAME_PROBLEM)
    np.testing.assert_allclose(
        gradient, gradient_of(result, problem), rtol=SAME_GRADIENT, atol=SAME_PROBLEM
    )
    np.testing.assert_allclose(objective.llh(theta), result["llh"], rtol=SAME_PROBLEM)


def test_a_failure_has_no_fisher_information(conversion):
    """Conditions after the first that fails are not run, and AMICI's matrix has another shape."""
    failing = conversion.with_solver(SolverSettings(max_steps=1))
    found = failing.evaluate(conversion.problem.nominal_theta, fim=True)
    assert found.failure is not None
    assert found.fim is None


def test_boehm_against_finite_differences(boehm):
    precise = boehm.with_solver(SolverSettings(rtol=1e-12))
    theta = boehm.problem.nominal_theta + 0.05  # away from the optimum: nothing cancels
    gradient = precise.llh_and_gradient(theta)[1]
    difference = approx_fprime(theta, precise.llh, 1e-5)
    np.testing.assert_allclose(gradient, difference, rtol=FINITE_DIFFERENCES, atol=1e-3)


def test_boehm_against_the_notebook(boehm):
    llh, gradient = boehm.llh_and_gradient(boehm.problem.nominal_theta)
    assert llh == pytest.approx(NOTEBOOK_LLH, abs=1e-6)
    np.testing.assert_allclose(gradient, NOTEBOOK_GRADIENT, rtol=1e-2, atol=2e-5)


@pytest.mark.collection
def test_embedded_boehm_equals_the_collections(boehm, collection):
    path = collection / "Boehm_JProteomeRes2014" / "Boehm_JProteomeRes2014.yaml"
    theirs = AmiciObjective(load_problem(path), SolverSettings(rtol=1e-12))
    ours = boehm.with_solver(SolverSettings(rtol=1e-12))
    assert ours.problem.parameter_ids == theirs.problem.parameter_ids
    np.testing.assert_array_equal(ours.problem.nominal_theta, theirs.problem.nominal_theta)
    for shift in (0.0, 0.1):
        theta = ours.problem.nominal_theta + shift
        llh, gradient = ours.llh_and_gradient(theta)
        expected_llh, expected_gradient = theirs.llh_and_gradient(theta)
        np.testing.assert_allclose(llh, expected_llh, rtol=1e-10)
        # Away from cancellation; near the optimum entries of 1e-5 are differences of large terms.
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
def test_decay_on_each_scale_and_a_parameter_without_effect(tmp_path, scale):
    path = write_decay(tmp_path, scale=scale, extra_parameters="idle\tlin\t0\t2\t1\t1\n")
    with (tmp_path / "observables.tsv").open("a") as observables:
        observables.write("unmeasured\tidle\t0.1\n")
    problem = load_problem(path)
    objective = AmiciObjective(problem)
    llh, gradient = objective.llh_and_gradient(problem.nominal_theta)
    expected_llh, expected_gradient = decay_closed_form(problem)
    assert llh == pytest.approx(expected_llh, rel=SOLVER)
    np.testing.assert_allclose(gradient, [expected_gradient, 0.0], rtol=1e-6)


def decay_closed_form(problem, rate=0.8, sigma=0.1):
    """Llh of A(t) = 2 exp(-k t) under normal noise, and its derivative on the rate's scale."""
    table = problem.measurements
    t, y = table["time"].to_numpy(float), table["measurement"].to_numpy(float)
    a = 2 * np.exp(-rate * t)
    llh = -0.5 * (((y - a) / sigma) ** 2 + np.log(2 * np.pi * sigma**2)).sum()
    dllh_drate = ((y - a) / sigma**2 * (-t * a)).sum()
    return llh, dllh_drate * {"lin": 1, "log": rate, "log10": rate * np.log(10)}[problem.scales[0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 400.0])
def test_input_that_is_not_finite_is_a_failure_not_an_exception(boehm, bad):
    theta = boehm.problem.nominal_theta.copy()
    theta[0] = bad
    evaluation = boehm.evaluate(theta)
    assert np.isnan(evaluation.llh)
    assert np.isnan(evaluation.gradient).all()
    assert "Epo_degradation_BaF3" in evaluation.failure.message
    assert evaluation.failure.remedy
    assert evaluation.failure.kind == "input"
    assert evaluation.failure.status is None
    assert np.isnan(boehm.llh(theta))


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize(
    ("settings", "status", "remedy"),
    [
        ({"max_steps": 5}, -1, "step limit"),
        ({"time_limit": 1e-5}, -1000, "time limit"),
    ],
)
def test_a_failed_integration_is_data(boehm, settings, status, remedy, gradient):
    evaluation = boehm.with_solver(SolverSettings(**settings)).evaluate(
        boehm.problem.nominal_theta, gradient=gradient
    )
    failure = evaluation.failure
    assert failure.kind == "integration"
    assert failure.status == status
    assert failure.condition in set(boehm.problem.conditions.index)
    assert 0 <= failure.time < 240
    assert remedy in failure.remedy
    assert "AMICI" in failure.message
    assert np.isnan(evaluation.llh)
    assert evaluation.wall_seconds > 0


def test_an_infinite_llh_is_a_failure(tmp_path):
    path = write_decay(tmp_path, noise="noiseParameter1_obs_A")
    table = tmp_path / "measurements.tsv"
    header, *rows = table.read_text().splitlines()
    table.write_text(header + "\tnoiseParameters\n" + "".join(f"{row}\ts\n" for row in rows))
    parameters = tmp_path / "parameters.tsv"
    parameters.write_text(parameters.read_text() + "s\tlin\t0\t1\t0.1\t1\n")
    objective = AmiciObjective(load_problem(path))
    evaluation = objective.evaluate([np.log10(0.8), 0.0])
    assert np.isnan(evaluation.llh)
    assert "noise scale" in evaluation.failure.message
    assert np.isfinite(objective.llh(objective.problem.nominal_theta))


def test_wrong_shape_names_what_was_expected(boehm):
    with pytest.raises(ValueError, match=r"shape \(9,\)"):
        boehm.llh(np.zeros(8))


@pytest.mark.parametrize(
    "settings", [{"rtol": 0}, {"atol": -1}, {"rtol": np.nan}, {"sensitivities": "backward"}]
)
def test_senseless_solver_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        SolverSettings(**settings)


def test_solver_settings_reach_amici(boehm):
    theta = boehm.problem.nominal_theta
    rough = boehm.with_solver(SolverSettings(rtol=1e-3, atol=1e-3)).evaluate(theta)
    adjoint = boehm.with_solver(SolverSettings(sensitivities="adjoint")).evaluate(theta)
    assert abs(rough.llh - boehm.llh(theta)) > 1e-6
    assert adjoint.failure is None
    assert (adjoint.gradient != boehm.evaluate(theta).gradient).all()
    np.testing.assert_allclose(adjoint.gradient, boehm.evaluate(theta).gradient, atol=1e-3)


def test_value_alone_computes_no_sensitivities(boehm):
    theta = boehm.problem.nominal_theta
    value, both = boehm.evaluate(theta, gradient=False), boehm.evaluate(theta)
    assert value.gradient is None
    for gradient in (False, True):
        rdatas = boehm.simulator.likelihoods(theta, gradient=gradient)
        assert {bool(rdata.sensi) for rdata in rdatas} == {gradient}  # AMICI's own order
    assert value.llh == pytest.approx(both.llh, rel=1e-7)  # other steps, not another model


def test_many_threads_get_what_one_gets(boehm):
    rng = np.random.default_rng(0)
    thetas = boehm.problem.nominal_theta + rng.uniform(-0.1, 0.1, (40, 9))
    expected = [boehm.llh_and_gradient(theta) for theta in thetas]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(boehm.llh_and_gradient, np.tile(thetas, (3, 1))))
    for i, (llh, gradient) in enumerate(got):
        assert llh == expected[i % 40][0]
        np.testing.assert_array_equal(gradient, expected[i % 40][1])


@pytest.mark.collection
def test_several_cores_for_conditions_change_nothing():
    objective = AmiciObjective(load_problem("Bruno_JExpBot2016"))
    two = AmiciObjective(objective.problem, num_threads=2)
    theta = objective.problem.nominal_theta
    llh, gradient = objective.llh_and_gradient(theta)
    assert two.llh_and_gradient(theta)[0] == llh
    np.testing.assert_array_equal(two.llh_and_gradient(theta)[1], gradient)
    np.testing.assert_allclose(llh, 46.688176988431806, rtol=1e-6)  # AMICI's own benchmark test
