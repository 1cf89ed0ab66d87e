"""Audits: what is right is confirmed, what is wrong is found, and nothing wrong is certified."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from closed_form import llh_and_gradient
from export_stand_in import WHERE, refusing
from test_repairs import CASES

from amijax import AmiciObjective, JaxObjective, SolverSettings, load_problem
from amijax.audit.audit import audit_gradient
from amijax.audit.closed_forms import closed_form
from amijax.audit.function import audit_function
from amijax.audit.jobs import latest_audit, start_audit, stored_audit
from amijax.audit.verdicts import Claim, confirmed_digits, judge
from amijax.cli.main import main
from amijax.precision import study_precision
from amijax.problems.steps import random_directions, step_sizes

BOUNDARY = "constant species: boundary, from a parameter"  # AMICI's issue 3249


@pytest.fixture(scope="module")
def audit(conversion):
    """All entries of the conversion reaction at nominal, by every witness."""
    return audit_gradient(conversion, conversion.problem.nominal_theta, entries="all")


@pytest.fixture(scope="module")
def boundary(tmp_path_factory):
    """A problem whose gradient AMICI gets wrong, its model as it is, and its closed form."""
    case = CASES[BOUNDARY][1]
    path = case.write(tmp_path_factory.mktemp("boundary"))
    return AmiciObjective(load_problem(path).without_repairs()), case, path


def test_what_is_right_is_confirmed_to_no_more_digits_than_are_right(conversion, audit):
    llh, gradient = llh_and_gradient(audit.theta, conversion.problem.measurements)
    assert not audit.anything_wrong
    assert audit.verdict == "right"
    for entry, truth in zip((audit.llh, *audit.gradient), (llh, *gradient), strict=True):
        assert entry.verdict == "right"
        assert entry.digits >= 4
        assert abs(entry.value - truth) <= 10**-entry.digits * max(abs(entry.value), abs(truth))


def test_every_witness_is_within_its_uncertainty_of_the_closed_form(conversion, audit):
    llh, gradient = llh_and_gradient(audit.theta, conversion.problem.measurements)
    heard = {claim.witness for claim in audit.llh.claims}
    assert heard == {"libRoadRunner", "closed form", "AMICI's JAX export"}
    for entry, truth in zip(audit.gradient, gradient, strict=True):
        assert {c.witness for c in entry.claims} == {
            "finite differences", "other sensitivities", "tight tolerances", "closed form",
            "AMICI's JAX export",
        }  # fmt: skip
        for claim in entry.claims:
            if claim.witness != "tight tolerances":  # rtol 1e-12 leaves less than rounding does
                assert abs(claim.value - truth) <= claim.uncertainty
    for claim in audit.llh.claims:
        assert abs(claim.value - llh) <= claim.uncertainty


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.3])
def test_the_closed_form_in_the_package_is_that_of_the_tests(conversion, shift):
    problem = conversion.problem
    theta = problem.nominal_theta + shift
    found = closed_form(problem, theta)
    assert found is not None
    llh, gradient = llh_and_gradient(theta, problem.measurements)
    np.testing.assert_allclose(found[0].values, [llh], rtol=1e-13)
    np.testing.assert_allclose(found[1].values, gradient, rtol=1e-11)


def test_other_problems_have_no_closed_form(boehm):
    assert closed_form(boehm.problem, boehm.problem.nominal_theta) is None


@pytest.mark.parametrize("size", [1.5, 1.02, 0.5, -1.0, 0.0])
@pytest.mark.parametrize("position", [0, 3, 5])
def test_a_planted_fault_is_found_and_named(conversion, size, position):
    theta = conversion.problem.nominal_theta
    evaluation = conversion.evaluate(theta)
    gradient = evaluation.gradient.copy()
    gradient[position] *= size
    faulty = replace(evaluation, gradient=gradient)
    audit = audit_gradient(
        conversion, theta, entries="all", evaluation=faulty, roadrunner=False, jax_export=False
    )
    wrong = [entry.quantity for entry in audit.gradient if entry.verdict == "wrong"]
    assert wrong == [conversion.problem.parameter_ids[position]]
    assert audit.anything_wrong
    assert audit.verdict == "wrong"
    assert wrong[0] in audit.summary


def test_random_directions_alone_see_a_large_fault(conversion):
    theta = conversion.problem.nominal_theta
    evaluation = conversion.evaluate(theta)
    faulty = replace(evaluation, gradient=1.2 * evaluation.gradient)
    audit = audit_gradient(conversion, theta, entries="none", evaluation=faulty, roadrunner=False)
    assert audit.directions.agree == 0 < audit.directions.tried
    assert audit.anything_wrong


def test_in_doubt_every_entry_is_looked_at(conversion, monkeypatch):
    monkeypatch.setattr("amijax.audit.audit._CHEAP", 0.0)
    theta = conversion.problem.nominal_theta
    evaluation = conversion.evaluate(theta)
    calm = audit_gradient(conversion, theta, evaluation=evaluation, roadrunner=False)
    asked = [
        entry.quantity
        for entry in calm.gradient
        if any(claim.witness == "finite differences" for claim in entry.claims)
    ]
    assert asked == []
    gradient = evaluation.gradient.copy()
    gradient[2] = 0.0
    zero = audit_gradient(
        conversion, theta, evaluation=replace(evaluation, gradient=gradient), roadrunner=False
    )
    assert zero.gradient[2].verdict == "wrong"


def test_a_wrong_llh_is_found_by_libroadrunner_and_confirms_no_gradient(boehm):
    pytest.importorskip("roadrunner", reason="libRoadRunner is not installed")
    theta = boehm.problem.nominal_theta
    evaluation = boehm.evaluate(theta)
    audit = audit_gradient(
        boehm, theta, entries="none", evaluation=replace(evaluation, llh=evaluation.llh * 1.05)
    )
    assert audit.llh.verdict == "wrong"
    assert audit.llh.witness == "libRoadRunner"
    assert all(
        claim.witness != "finite differences" for entry in audit.gradient for claim in entry.claims
    )


def test_a_boundary_species_is_wrong_without_its_repair_and_right_with_it(boundary):
    objective, case, path = boundary
    audit = audit_gradient(objective, case.nominal)
    position = list(case.estimated).index("u")
    entry = audit.gradient[position]
    assert entry.value == 0.0
    assert entry.verdict == "wrong"
    assert entry.witness_value == pytest.approx(case.gradient()[position], rel=1e-5)
    assert "Repairs are switched off" in entry.cause
    repaired = audit_gradient(AmiciObjective(load_problem(path)), case.nominal)
    assert repaired.verdict == "right"


def test_a_precision_study_does_not_certify_what_is_wrong_at_every_tolerance(boundary):
    objective, case, _ = boundary
    study = study_precision(
        objective, case.nominal, pieces=("budget", "reference", "audit", "noise")
    )
    quantities = {entry.quantity: entry for entry in study.verdicts}
    entry = quantities["u"]
    assert entry.digits_self_consistent > 15  # AMICI agrees with itself
    assert entry.digits_accuracy == 0.0
    assert entry.verdict == "wrong"
    assert entry.limited_by == "amici"
    assert "Limited by AMICI, at every tolerance" in entry.sentence
    assert quantities["d"].verdict == "right"


def test_the_command_line_says_it_and_ends_with_1(boundary, monkeypatch):
    _, _, path = boundary
    found = CliRunner().invoke(main, ["audit", str(path), "--no-repairs", "--json"])
    assert found.exit_code == 1
    content = json.loads(found.stdout)
    assert set(content) >= {"problem", "warnings", "llh", "gradient", "directions", "seconds"}
    entry = next(e for e in content["gradient"] if e["parameter"] == "u")
    assert entry["verdict"] == "wrong"
    assert set(entry) >= {
        "parameter", "value", "verdict", "digits", "witness", "witness_value", "uncertainty",
        "sentence",
    }  # fmt: skip
    assert content["directions"]["agree"] < content["directions"]["tried"]
    monkeypatch.setattr(WHERE, refusing("It is not asked here."))
    text = CliRunner().invoke(main, ["audit", str(path), "--entries", "d"])
    assert text.exit_code == 0, text.output
    assert "right" in text.stdout
    assert "Not heard: It is not asked here." in text.stdout


def test_an_unknown_entry_is_wrong_use(boundary):
    found = CliRunner().invoke(main, ["audit", str(boundary[2]), "--entries", "nix"])
    assert found.exit_code == 2
    assert "no free parameter nix" in found.stderr


def test_where_amici_fails_nothing_is_proven(conversion):
    failing = conversion.with_solver(SolverSettings(max_steps=2))
    audit = audit_gradient(failing, conversion.problem.nominal_theta)
    assert {entry.verdict for entry in (audit.llh, *audit.gradient)} == {"unproven"}
    assert "simulation failed" in audit.llh.sentence


def test_an_audit_is_shared_kept_and_cancelled(conversion, tmp_path, monkeypatch):
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: tmp_path)
    theta = conversion.problem.nominal_theta + 0.01
    job = start_audit(conversion, theta)
    assert start_audit(conversion, theta) is job
    assert latest_audit(conversion, theta) is job
    progress = job.wait(100)
    assert progress.state == "done", progress.error
    assert progress.audit.verdict == "right"
    kept = stored_audit(conversion, theta)
    assert [e.verdict for e in kept.gradient] == [e.verdict for e in progress.audit.gradient]
    assert kept.gradient[0].claims == progress.audit.gradient[0].claims
    assert stored_audit(conversion, theta + 0.01) is None
    other = start_audit(conversion, theta + 0.02)
    other.cancel()
    assert other.wait(60).state == "cancelled"


def test_directions_move_every_parameter_and_are_the_same_at_a_point(conversion):
    problem = conversion.problem
    sizes = step_sizes(problem, problem.nominal_theta)
    first = random_directions(problem.nominal_theta, sizes, 2)
    np.testing.assert_array_equal(np.abs(first), np.stack([sizes, sizes]))
    np.testing.assert_array_equal(first, random_directions(problem.nominal_theta, sizes, 2))
    linear = np.array([scale == "lin" for scale in problem.scales])
    np.testing.assert_array_equal(sizes[~linear], 1.0)
    np.testing.assert_array_equal(sizes[linear], np.abs(problem.nominal_theta[linear]))


@pytest.mark.parametrize(
    ("value", "claim", "verdict", "digits"),
    [
        (1.0, (1.0, 1e-6), "right", 6.0),
        (1.0, (1.0011, 1e-6), "right", 2.9),  # 2.96: never rounded up
        (1.0, (1.02, 1e-6), "wrong", 0.0),
        (0.0, (2.5, 1e-6), "wrong", 0.0),
        (1.0, (-1.0, 1e-6), "wrong", 0.0),
        (1.0, (1.02, 0.1), "unproven", None),  # not sharp enough
        (1.0, (1.015, 6e-3), "unproven", None),  # close, but not to two digits
        (0.0, (0.0, 0.0), "right", 15.9),
        (1e-9, (2e-9, 1e-8), "unproven", None),
        (1e-5, (2e-5, 1e-9), "wrong", 0.0),  # a hundred-thousandth of the largest, but for sure
        (1e-5, (2e-5, 3e-6), "unproven", None),  # not for sure
        (1.0, (np.nan, 1.0), "unproven", None),
        (np.nan, (1.0, 1e-6), "unproven", None),
    ],
)
def test_the_rule(value, claim, verdict, digits):
    found = judge("k", value, [Claim("finite differences", *claim)], 1.0)
    assert found.verdict == verdict
    assert found.digits == digits
    assert found.sentence.lower().startswith(verdict)


def test_nothing_is_right_without_an_independent_witness():
    found = judge("k", 1.0, [Claim("other sensitivities", 1.0, 1e-12)], 1.0)
    assert found.verdict == "unproven"
    assert found.witness is None


def test_amici_s_own_export_confirms_a_gradient_but_no_llh():
    same, other = (Claim("AMICI's JAX export", value, 1e-9) for value in (1.0, 2.0))
    for claim, gradient, llh in ((same, "right", "unproven"), (other, "wrong", "wrong")):
        assert judge("k", 1.0, [claim], 1.0).verdict == gradient
        assert judge("llh", 1.0, [claim], 1.0, kind="llh").verdict == llh
    # Who shares nothing with AMICI has the last word.
    claims = [other, Claim("libRoadRunner", 1.0, 1e-6)]
    assert judge("llh", 1.0, claims, 1.0, kind="llh").verdict == "right"


def test_amici_may_contradict_itself():
    blunt = Claim("finite differences", 1.0, 10.0)
    found = judge("k", 1.0, [blunt, Claim("tight tolerances", -3.0, 1e-3)], 1.0)
    assert found.verdict == "wrong"
    assert found.witness == "tight tolerances"
    found = judge("k", 1.0, [blunt, Claim("tight tolerances", 1.0, 1e-9)], 1.0)
    assert found.verdict == "unproven"


def test_witnesses_that_contradict_each_other_prove_nothing():
    claims = [Claim("finite differences", 1.0, 1e-9), Claim("libRoadRunner", 2.0, 1e-6)]
    found = judge("k", 1.0, claims, 1.0)
    assert found.verdict == "unproven"
    assert "contradict each other" in found.sentence


def test_digits_are_those_of_distance_and_uncertainty_together():
    assert confirmed_digits(1.0, Claim("finite differences", 1.0, 9e-7)) == 6.0
    assert confirmed_digits(1.0, Claim("finite differences", 1.0 + 9e-7, 9e-7)) == 5.7
    assert confirmed_digits(1.0, Claim("finite differences", 1.0, np.inf)) == 0.0


def test_a_function_of_the_user_s_own(conversion):
    tight = JaxObjective(conversion.with_solver(SolverSettings(rtol=1e-12)))
    theta = conversion.problem.nominal_theta

    def posterior(x):
        return tight(x) - 0.5 * jnp.sum((x - theta) ** 2)

    audit = audit_function(posterior, theta + 0.05, conversion.problem.parameter_ids)
    assert [entry.verdict for entry in audit.gradient] == ["right"] * len(theta)
    assert not audit.anything_wrong
    assert [entry.quantity for entry in audit.gradient] == list(conversion.problem.parameter_ids)


def test_a_function_whose_derivative_is_wrong():
    @jax.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (primals[0] ** 3, 2 * primals[0] ** 2 * tangents[0]))
    audit = audit_function(lambda tree: cube(tree["a"]) + tree["b"] ** 2, {"a": 1.5, "b": 0.5})
    assert [entry.verdict for entry in audit.gradient] == ["wrong", "right"]
    assert audit.gradient[0].witness_value == pytest.approx(3 * 1.5**2)


def test_names_must_fit():
    with pytest.raises(ValueError, match="names must have 2 entries"):
        audit_function(jnp.sum, np.ones(2), ["a"])


def test_a_wrong_entry_limits_the_digits_of_the_whole(conversion):
    audit = audit_gradient(conversion, conversion.problem.nominal_theta, entries="all")
    assert audit.digits_of_gradient == audit.directions.digits
    entry = audit.gradient[0]
    spoilt = replace(entry, verdict="wrong", witness_value=2 * entry.value, uncertainty=0.0)
    worse = replace(audit, gradient=(spoilt, *audit.gradient[1:]))
    norm = np.linalg.norm([each.value for each in audit.gradient])
    assert worse.digits_of_gradient == pytest.approx(max(0.0, -np.log10(abs(entry.value) / norm)))
    against = replace(audit, directions=replace(audit.directions, agree=0))
    assert against.digits_of_gradient == 0.0
    huge = replace(
        audit, gradient=tuple(replace(e, value=1e200, witness_value=1e200, uncertainty=0.0)
                              for e in audit.gradient),
        directions=replace(audit.directions, tried=0, agree=0, digits=None),
    )  # fmt: skip
    assert huge.digits_of_gradient > 15
