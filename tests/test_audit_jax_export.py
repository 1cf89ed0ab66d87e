"""AMICI's JAX export as a witness: right within its uncertainty, or a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from closed_form import llh_and_gradient
from export_stand_in import EXPORT, WHERE, refusing, saying
from small_problems import Case, Model
from test_audit import BOUNDARY
from test_repairs import CASES

from amijax import AmiciObjective, load_problem
from amijax.audit import jax_export_process
from amijax.audit.audit import audit_gradient
from amijax.audit.jax_export import ExportedProblem
from amijax.audit.jax_export_process import jax_export_testimony
from amijax.audit.jobs import audited, stored_audit
from amijax.audit.testimony import OutOfReachError
from amijax.audit.witness_process import Heard


@pytest.fixture
def says(monkeypatch, conversion):
    """Let the export say something without asking it; what was said counts the questions."""

    def install(factor=1.0):
        llh, gradient = llh_and_gradient(
            conversion.problem.nominal_theta, conversion.problem.measurements
        )
        asked = []

        def testify(_, theta, **__):
            asked.append(theta)
            return saying(EXPORT, factor * llh, gradient)

        monkeypatch.setattr(WHERE, testify)
        return asked

    return install


def test_llh_and_gradient_are_the_closed_form_within_the_uncertainty(conversion):
    problem = conversion.problem
    theta = problem.nominal_theta + 0.03
    llh, gradient = jax_export_testimony(problem, theta)
    assert (llh.reason, gradient.reason) == ("", "")
    true_llh, true_gradient = llh_and_gradient(theta, problem.measurements)
    assert abs(llh.values[0] - true_llh) <= llh.uncertainty[0] < 1e-5
    assert (np.abs(gradient.values - true_gradient) <= gradient.uncertainty).all()
    assert (gradient.uncertainty < 1e-4).all()


def test_it_agrees_with_differences_and_confirms_entries(boehm):
    audit = audit_gradient(boehm, boehm.problem.nominal_theta, entries="all", roadrunner=False)
    assert audit.refusals == ()
    assert audit.llh.verdict == "unproven"  # AMICI's own reading of the model confirms no llh
    [claim] = [c for c in audit.llh.claims if c.witness == EXPORT]
    assert claim.value == pytest.approx(audit.llh.value, abs=1e-4)
    for entry in audit.gradient:
        claims = {c.witness: c for c in entry.claims}
        export, differences = claims[EXPORT], claims["finite differences"]
        assert abs(export.value - differences.value) <= export.uncertainty + differences.uncertainty
        assert entry.verdict == "right"
    assert EXPORT in {entry.witness for entry in audit.gradient}


def test_a_wrong_gradient_of_amici_is_contradicted(tmp_path):
    case = CASES[BOUNDARY][1]
    problem = load_problem(case.write(tmp_path)).without_repairs()
    audit = audit_gradient(AmiciObjective(problem), case.nominal, entries=["u"], roadrunner=False)
    position = list(case.estimated).index("u")
    entry = audit.gradient[position]
    assert (entry.value, entry.verdict) == (0.0, "wrong")
    [claim] = [c for c in entry.claims if c.witness == EXPORT]
    truth = case.gradient()[position]  # good to 1e-9
    assert abs(claim.value - truth) <= claim.uncertainty + 1e-8 * abs(truth)
    assert claim.uncertainty < 1e-4


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("event right after the start", "the model has events or discontinuities."),
        ("pulse after preequilibration", "the problem has preequilibration."),
    ],
)
def test_what_it_can_not_express_is_a_sentence(name, sentence, tmp_path):
    case = CASES[name][1]
    problem = load_problem(case.write(tmp_path))
    for testimony in jax_export_testimony(problem, np.asarray(case.nominal)):
        assert testimony.reason == f"AMICI's JAX export can't testify: {sentence}"
        assert np.isnan(testimony.values).all()


def test_a_kink_is_a_sentence(tmp_path):
    model = Model(
        species={"A": 1.0}, parameters={"k": 1.0, "d": 0.5},
        reactions=[("", "A", "min(k, A)"), ("A", "", "abs(d)*A")],
    )  # fmt: skip
    case = Case(model, {"k": ("log10", 1.0)}, lambda _, __: {"o": 1.0}, {"o": "A"})
    problem = load_problem(case.write(tmp_path))
    with pytest.raises(OutOfReachError, match=r"the model has kinks \(abs, min\)\."):
        ExportedProblem(problem, tmp_path)


def test_its_time_is_limited(conversion):
    theta = conversion.problem.nominal_theta
    llh, gradient = jax_export_testimony(conversion.problem, theta, time_limit=0.01)
    assert llh.reason == gradient.reason == "AMICI's JAX export took more than 0.01 s."


def test_without_diffrax_it_says_how_to_get_it(conversion, monkeypatch):
    monkeypatch.setattr(jax_export_process, "find_spec", lambda _: None)
    llh, _ = jax_export_testimony(conversion.problem, conversion.problem.nominal_theta)
    assert llh.reason == 'AMICI\'s JAX export needs diffrax: pip install "amijax[audit]".'


@pytest.mark.parametrize(
    ("entries", "jax_export", "questions"),
    [("auto", None, 0), ("none", None, 0), ("all", None, 1), (["k1"], None, 1),
     ("all", False, 0), ("auto", True, 1)],
)  # fmt: skip
def test_it_is_asked_where_entries_are_asked_for(conversion, says, entries, jax_export, questions):
    asked = says()
    theta = conversion.problem.nominal_theta
    audit_gradient(conversion, theta, entries=entries, roadrunner=False, jax_export=jax_export)
    assert len(asked) == questions


def test_the_gradient_of_another_llh_is_not_heard(conversion, says):
    says(factor=1.001)
    theta = conversion.problem.nominal_theta
    audit = audit_gradient(conversion, theta, entries="all", roadrunner=False)
    assert any("its gradient is that of something else" in refusal for refusal in audit.refusals)
    assert all(c.witness != EXPORT for entry in audit.gradient for c in entry.claims)


def test_it_does_not_confirm_the_gradient_of_a_wrong_llh(conversion, says, monkeypatch):
    says()
    monkeypatch.setattr("amijax.audit.audit.closed_form", lambda *_: None)
    theta = conversion.problem.nominal_theta
    wrong = 1.05 * conversion.evaluate(theta).llh
    monkeypatch.setattr(
        "amijax.audit.audit.roadrunner_differences",
        lambda *_, **__: saying("libRoadRunner", wrong, np.full(len(theta), np.nan)),
    )
    audit = audit_gradient(conversion, theta, entries="all")
    assert audit.llh.verdict == "wrong"
    assert {entry.verdict for entry in audit.gradient} == {"unproven"}


def test_a_refusal_is_kept_with_the_audit(conversion, tmp_path, monkeypatch):
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: tmp_path)
    monkeypatch.setattr(WHERE, refusing("no."))
    theta = conversion.problem.nominal_theta
    assert "no." in audited(conversion, theta, "all").refusals
    assert "no." in stored_audit(conversion, theta, "all").refusals
    assert stored_audit(conversion, theta, "all", jax_export=False) is None


def test_what_ends_an_audit_ends_the_export(conversion):
    class Ended(Exception):
        pass

    calls = []

    def go_on():
        calls.append(1)
        if len(calls) > 3:
            raise Ended

    evaluation = conversion.evaluate(conversion.problem.nominal_theta)
    with pytest.raises(Ended):
        audit_gradient(
            conversion, evaluation.theta, entries="all", roadrunner=False,
            evaluation=replace(evaluation), go_on=go_on,
        )  # fmt: skip


def test_an_entry_that_is_not_known_has_no_uncertainty_to_rely_on(conversion, monkeypatch):
    line = {
        "llh": 1.0, "llh_loose": 1.0 + 1e-9, "gradient": [float("nan"), 2.0],
        "gradient_loose": [float("nan"), 2.0 + 1e-6],
    }  # fmt: skip
    monkeypatch.setattr(jax_export_process, "hear", lambda *_: Heard([line], 0))
    _, gradient = jax_export_testimony(conversion.problem, conversion.problem.nominal_theta)
    assert np.isinf(gradient.uncertainty[0])
    assert 1e-6 < gradient.uncertainty[1] < 1e-5


def test_states_that_do_not_move_have_a_gradient_all_the_same(tmp_path):
    """Error control leaves sensitivities out: only bounds of the steps bound their error."""
    model = Model(
        species={"A": 1.5}, parameters={"k": 1.5, "d": 4.0},
        reactions=[("", "A", "d*k"), ("A", "", "d*A")],
    )  # fmt: skip
    case = Case(
        model, {"k": ("log10", 1.5), "d": ("log10", 4.0)},
        lambda p, t: {"o": p["k"] + (1.5 - p["k"]) * np.exp(-p["d"] * t)}, {"o": "A"},
        times=(0.05, 0.2, 0.5, 1e5),
    )  # fmt: skip
    problem = load_problem(case.write(tmp_path))
    _, gradient = jax_export_testimony(problem, np.asarray(case.nominal))
    truth = case.gradient()
    error = np.abs(gradient.values - truth)
    assert (error <= gradient.uncertainty + 1e-8 * np.abs(truth).max()).all()
    assert (gradient.uncertainty < 1e-3 * np.abs(truth).max()).all()
