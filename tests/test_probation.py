"""Models that end, hang or fill the process in which they are tried never run in this one."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from petab_files import write_decay
from spoilt_model import compile_spoilt
from streamlit.testing.v1 import AppTest

from amijax import AmiciObjective, load_problem
from amijax.audit.audit import audit_gradient
from amijax.auto import settle
from amijax.diagnosis import diagnose, suggest
from amijax.models.cache import ModelFolders
from amijax.models.lookup import get_model, model_key
from amijax.precision import study_precision
from amijax.precision.curvature import fisher_information
from amijax.simulation.native_code import Limits, NativeCode, Verdict
from amijax.simulation.probation import RefusedModelError
from amijax.simulation.settings import SolverChoice, SolverSettings
from amijax.whatif.trajectories import simulate_trajectories

ROOT = Path(__file__).parents[1]
SPOILT = "Spoilt_Decay"

# An algebraic rule that nobody solves: where a simulation of it with adjoint sensitivities fails
# before its first step, SUNDIALS frees what was never set (IDAApolynomialFree). The initial values
# fulfil it. By what lies there, that is signal 11, or signal 6 from free().
_ENDS = r"ends AMICI's process: signal (11 \(segmentation fault\)|6 \(aborted\))"
_ALGEBRAIC_RULE = """
<listOfRules>
  <algebraicRule><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><minus/>
      <apply><plus/><ci> A </ci><ci> B </ci><apply><power/><ci> B </ci><cn> 3 </cn></apply></apply>
      <ci> total </ci></apply></math></algebraicRule>
</listOfRules>
"""
_ALGEBRAIC_MODEL = f"""<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">
  <model id="algebraic">
    <listOfCompartments>
      <compartment id="cell" spatialDimensions="3" size="1" constant="true"/>
    </listOfCompartments>
    <listOfSpecies>
      <species id="A" compartment="cell" initialConcentration="0.5"
        hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/>
      <species id="B" compartment="cell" initialConcentration="0.5"
        hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/>
    </listOfSpecies>
    <listOfParameters>
      <parameter id="total" value="1" constant="true"/>
      <parameter id="rate" value="0.6" constant="true"/>
    </listOfParameters>
    <listOfInitialAssignments>
      <initialAssignment symbol="A"><math xmlns="http://www.w3.org/1998/Math/MathML">
        <apply><minus/><ci> total </ci><cn> 0.625 </cn></apply></math></initialAssignment>
    </listOfInitialAssignments>
    {_ALGEBRAIC_RULE}
    <listOfReactions>
      <reaction id="r" reversible="false">
        <listOfProducts>
          <speciesReference species="A" stoichiometry="1" constant="true"/>
        </listOfProducts>
        <listOfModifiers><modifierSpeciesReference species="B"/></listOfModifiers>
        <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
          <apply><times/><ci> cell </ci><ci> rate </ci><ci> B </ci></apply></math></kineticLaw>
      </reaction>
    </listOfReactions>
  </model>
</sbml>
"""


def write_algebraic(folder):
    """A problem whose model has an algebraic rule that is not linear."""
    path = write_decay(folder, extra_parameters="total\tlog10\t0.001\t1000\t1.2\t1\n")
    (folder / "model.xml").write_text(_ALGEBRAIC_MODEL)
    (folder / "observables.tsv").write_text(
        "observableId\tobservableFormula\tnoiseFormula\nobs_A\tA\t0.1\nobs_B\tB\t0.1\n"
    )
    table = folder / "measurements.tsv"
    table.write_text(table.read_text() + table.read_text().split("\n", 1)[1].replace("_A", "_B"))
    return path


@pytest.fixture(scope="module")
def algebraic(tmp_path_factory):
    """Its objective, with a model that this run tried."""
    problem = load_problem(write_algebraic(tmp_path_factory.mktemp("algebraic")))
    get_model(problem)
    shutil.rmtree(ModelFolders.of(model_key(problem)).verdicts, ignore_errors=True)
    return AmiciObjective(problem)


@pytest.fixture(scope="module")
def adjoint(algebraic):
    """The objective with adjoint sensitivities, which end the process."""
    return algebraic.with_solver(SolverSettings(sensitivities="adjoint"))


@pytest.fixture(scope="module")
def spoilt_cache(tmp_path_factory):
    """A cache with a spoilt model, and a collection with its problem."""
    folder = tmp_path_factory.mktemp("spoilt")
    write_decay(folder / "collection" / SPOILT, nominal=0.7).rename(
        folder / "collection" / SPOILT / "problem.yaml"
    )
    patch = pytest.MonkeyPatch()
    patch.setenv("AMIJAX_CACHE_DIR", str(folder / "cache"))
    with patch.context():
        problem = load_problem(folder / "collection" / SPOILT / "problem.yaml")
        compile_spoilt(problem, folder / "build")
    patch.undo()
    return folder


@pytest.fixture
def spoilt(spoilt_cache, tmp_path, monkeypatch):
    """Function from a kind of harm to the objective of a model that nobody has tried."""

    def objective(harm):
        shutil.copytree(spoilt_cache, tmp_path, dirs_exist_ok=True)
        monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("AMIJAX_COLLECTION", str(tmp_path / "collection"))
        monkeypatch.setenv("SPOILT", harm)
        return AmiciObjective(load_problem(SPOILT))

    return objective


def verdicts(objective):
    """What the cache remembers of a model: kind of native code to how it ended."""
    folder = ModelFolders.of(objective.model.key).verdicts
    return {path.stem: json.loads(path.read_text())["end"] for path in folder.glob("*.json")}


def run(*arguments):
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "amijax", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


def test_a_crash_is_a_failure_and_remembered(adjoint, algebraic):
    theta = algebraic.problem.nominal_theta
    evaluation = adjoint.evaluate(theta)
    assert evaluation.failure.kind == "trial"
    assert re.search(_ENDS, evaluation.failure.message)
    assert "adjoint sensitivities" in evaluation.failure.message
    assert "forward" in evaluation.failure.remedy
    assert verdicts(adjoint) == {
        "none--": "survived",
        "forward--": "survived",
        "adjoint--": "ended",
    }
    assert algebraic.evaluate(theta).failure is None
    assert adjoint.evaluate(theta, gradient=False).failure is None


def test_other_tolerances_are_no_other_code(adjoint):
    looser = adjoint.with_solver(replace(adjoint.solver, rtol=1e-5, atol=1e-5, max_steps=500))
    evaluation = looser.evaluate(adjoint.problem.nominal_theta)
    assert evaluation.failure.kind == "trial"


def test_a_batch_has_failures(adjoint):
    thetas = [adjoint.problem.nominal_theta] * 3
    assert [e.failure.kind for e in adjoint.evaluate_batch(thetas)] == ["trial"] * 3


def test_auto_neither_climbs_the_ladder_nor_measures_what_crashes(adjoint, algebraic):
    theta = algebraic.problem.nominal_theta
    settled = settle(algebraic, theta, SolverChoice(sensitivities="adjoint"))
    assert settled.evaluation.failure.kind == "trial"
    assert settled.attempts == ()
    assert adjoint.gradient_within(theta, 10.0).failure.kind == "trial"
    settled = settle(algebraic, theta, SolverChoice())
    assert settled.evaluation.failure is None
    assert settled.sensitivities.chosen == "forward"


def test_whatever_simulates_refuses(adjoint):
    theta = adjoint.problem.nominal_theta
    with pytest.raises(RefusedModelError, match=_ENDS):
        adjoint.simulator.likelihoods(theta, gradient=True)
    with pytest.raises(RefusedModelError, match=_ENDS):
        adjoint.simulator.everything(theta, gradient=True)
    with pytest.raises(RefusedModelError, match=_ENDS):
        adjoint.simulator.batch(theta[None], None, gradient=True, num_threads=1)


def test_a_diagnosis_simulates_nothing_and_offers_forward(adjoint):
    theta = adjoint.problem.nominal_theta
    failure = adjoint.evaluate(theta).failure
    assert diagnose(adjoint, theta).conditions == ()
    assert [remedy.solver.sensitivities for remedy in suggest(adjoint, theta, failure)] == [
        "forward"
    ]


def test_another_process_knows_without_trying(adjoint):
    folder = ModelFolders.of(adjoint.model.key).verdicts
    adjoint.evaluate(adjoint.problem.nominal_theta)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    code = (
        "import pickle, sys\n"
        "objective = pickle.load(sys.stdin.buffer)\n"
        "[evaluation] = objective.evaluate_batch([objective.problem.nominal_theta])\n"
        "from amijax.simulation import probation\n"
        "print(evaluation.failure, len(probation._trials.values()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(adjoint), capture_output=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr.decode()
    assert re.search(_ENDS, done.stdout.decode())
    assert done.stdout.decode().split()[-1] == "0"
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_the_command_line_says_it(adjoint):
    source = adjoint.problem.source
    done = run("evaluate", source, "--sensitivities", "adjoint", "--json")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "failed"
    assert re.search(_ENDS, answer["failure"]["message"])
    assert run("evaluate", source).returncode == 0


def test_abort(spoilt):
    objective = spoilt("abort")
    theta = objective.problem.nominal_theta
    failure = objective.evaluate(theta, gradient=False).failure
    assert "signal 6" in failure.message
    assert set(verdicts(objective).values()) == {"ended"}
    courses = simulate_trajectories(objective, theta)
    assert [course.failure.kind for course in courses.conditions] == ["trial"]


def test_a_hang_is_told_from_a_crash_and_tried_again_with_more_time(spoilt, monkeypatch):
    monkeypatch.setenv("AMIJAX_TRIAL_TIMEOUT", "1")
    objective = spoilt("hang")
    theta = objective.problem.nominal_theta
    failure = objective.evaluate(theta).failure
    assert "hangs" in failure.message
    assert "1 s" in failure.message
    assert "AMIJAX_TRIAL_TIMEOUT" in failure.remedy
    monkeypatch.delenv("SPOILT")
    assert objective.evaluate(theta).failure is not None
    monkeypatch.setenv("AMIJAX_TRIAL_TIMEOUT", "20")
    assert objective.evaluate(theta).failure is None


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_what_eats_the_memory(spoilt, monkeypatch):
    monkeypatch.setenv("AMIJAX_TRIAL_MEMORY", "0.5")
    objective = spoilt("memory")
    failure = objective.evaluate(objective.problem.nominal_theta).failure
    assert "fills the memory" in failure.message
    assert "0.5 GB" in failure.message
    assert set(verdicts(objective).values()) == {"memory"}


def test_a_gradient_that_crashes_leaves_the_value(spoilt):
    objective = spoilt("gradient")
    theta = objective.problem.nominal_theta
    assert "signal 6" in objective.evaluate(theta).failure.message
    assert objective.evaluate(theta, gradient=False).failure is None
    assert (fisher_information(objective, theta) != fisher_information(objective, theta)).all()


def test_an_audit_and_a_precision_study_go_on(spoilt):
    objective = spoilt("gradient")
    theta = objective.problem.nominal_theta
    audit = audit_gradient(objective, theta)
    assert {entry.verdict for entry in audit.gradient} == {"unproven"}
    assert "signal 6" in audit.llh.sentence
    study = study_precision(objective, theta, pieces=("budget", "reference"))
    assert not study.budget.float64.is_finite
    assert not study.reference.values.is_finite
    assert all(failure.kind == "trial" for failure in study.budget.failures if failure)


def test_the_page_says_it(spoilt):
    spoilt("gradient")
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    page.query_params["problem"] = SPOILT
    page.run()
    assert not page.exception
    assert any("ends AMICI's process: signal 6" in error.value for error in page.error)
    page.switch_page("pages/whatif.py").run()
    assert not page.exception


def test_checks_go_on(spoilt):
    spoilt("abort")
    done = run("check", SPOILT, "Conversion_Reaction", "--json")
    results = {r["problem_id"]: r for r in json.loads(done.stdout)["problems"]}
    assert results[SPOILT]["status"] == "failed"
    assert "signal 6" in results[SPOILT]["explanation"]
    assert results["Conversion_Reaction"]["status"] == "ok"


def test_a_trial_that_fails_itself_is_no_verdict(spoilt):
    objective = spoilt("none")
    (objective.model.path / objective.model.library).unlink()
    failure = objective.evaluate(objective.problem.nominal_theta).failure
    assert "could not be tried" in failure.message
    assert verdicts(objective) == {}


def test_embedded_problems_are_not_tried(boehm):
    assert boehm.evaluate(boehm.problem.nominal_theta).failure is None
    assert verdicts(boehm) == {}


def test_steady_states_are_other_code_where_there_are_any():
    newton = SolverSettings(steady_state="newtonOnly", rtol=1e-3)
    with_them = NativeCode.of(newton, gradient=True, steady_states=True)
    assert with_them.settings() == {
        "sensitivities": "forward",
        "steady_state": "newtonOnly",
        "steady_state_sensitivities": "integrationOnly",
    }
    assert NativeCode.named(with_them.name) == with_them
    usual = NativeCode.of(SolverSettings(), gradient=True, steady_states=False)
    assert NativeCode.of(newton, gradient=True, steady_states=False) == usual
    assert with_them not in NativeCode.usual(steady_states=True)
    assert usual in NativeCode.usual(steady_states=False)


def test_methods_of_the_solver_are_other_code():
    settings = SolverSettings(internal_sensitivity_method="staggered", linear_solver="dense")
    code = NativeCode.of(settings, gradient=True, steady_states=False)
    assert NativeCode.named(code.name) == code
    assert SolverSettings(**code.settings()) == settings
    assert str(code).endswith("forward sensitivities (staggered, dense)")
    # Without forward sensitivities there is no way to integrate them.
    for other in (replace(settings, sensitivities="adjoint"), settings):
        gradient = other is not settings
        other_code = NativeCode.of(other, gradient=gradient, steady_states=False)
        assert other_code.internal_sensitivity_method == ""
        assert other_code.linear_solver == "dense"
    # Tolerances are no code, and the usual kinds keep the names under which verdicts are kept.
    loose = SolverSettings(rtol_fsa=1e-3, atol_fsa=1.0, rtol_quadratures=1e-2)
    usual = NativeCode.of(loose, gradient=True, steady_states=False)
    assert usual.name == "forward--"


def test_a_new_method_is_tried_before_it_runs_here(tmp_path):
    objective = AmiciObjective(load_problem(write_decay(tmp_path)))
    theta = objective.problem.nominal_theta
    before = objective.llh_and_gradient(theta)
    kinds = set(verdicts(objective))
    staggered = SolverSettings(internal_sensitivity_method="staggered1")
    after = objective.with_solver(staggered).llh_and_gradient(theta)
    [new] = set(verdicts(objective)) - kinds
    assert NativeCode.named(new).internal_sensitivity_method == "staggered1"
    # The same equations: apart by the solver's errors at rtol 1e-8, which are below 1e-5 here.
    np.testing.assert_allclose(after[1], before[1], rtol=1e-4)


def test_a_verdict_holds_until_limits_are_raised():
    assert Verdict("ended", "signal 11").holds(Limits(1e9, 1e9))
    hang = Verdict("time", "more than 30 s", 30.0)
    assert hang.holds(Limits(30.0, 4.0))
    assert hang.holds(Limits(10.0, 40.0))
    assert not hang.holds(Limits(31.0, 4.0))


@pytest.mark.parametrize("value", ["", "-1", "soon", "nan"])
def test_limits_that_make_no_sense_are_the_default(monkeypatch, value):
    monkeypatch.setenv("AMIJAX_TRIAL_TIMEOUT", value)
    assert Limits.current().seconds == Limits().seconds


def test_environment_variables_are_documented():
    named = set(
        re.findall(r"AMIJAX_TRIAL_\w+", (ROOT / "docs/reference/environment.md").read_text())
    )
    assert named == {"AMIJAX_TRIAL_TIMEOUT", "AMIJAX_TRIAL_MEMORY"}
    assert not any(name in os.environ for name in named)
