"""Exported scripts, run in a clean process: the same numbers as here."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from amijax import ProblemError, SolverSettings, load_problem
from amijax.cli.main import main
from amijax.comparison import compare
from amijax.problems.points import random_theta
from amijax.sharing.script import script

# Equal to the last bit where the same compiler made both models; the issue asks for 1e-9.
SAME = 1e-9


def model_folder(objective):
    """A folder for the model that AMICI's own import compiles: 20 s, once for all runs."""
    root = Path(os.environ["AMIJAX_CACHE_DIR"]).absolute() / "script_models"
    folder = root / f"{objective.problem.problem_id}-{objective.model.key}"
    if folder.is_dir() and not list(folder.glob("*/*/_*.so")) + list(folder.glob("*/_*.so")):
        shutil.rmtree(folder)  # a build that was interrupted
    return folder


def run_script(text, folder, tmp_path, *arguments):
    """Run it where there is no amijax; return its columns by name: AMICI's, JAX's."""
    path = tmp_path / "exported.py"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", path, "--model", folder, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return [row[0] for row in rows], np.array([[float(x) for x in row[1:3]] for row in rows]).T


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Conversion_Reaction"])
def test_the_same_numbers_in_a_clean_process(problem_id, objective_of, tmp_path):
    settings = SolverSettings(rtol=1e-9, atol=1e-14)
    objective = objective_of(problem_id).with_solver(settings)
    problem = objective.problem
    theta = problem.nominal_theta + 0.01 * (random_theta(problem, 1) - problem.nominal_theta)
    text = script(problem, theta, settings)
    folder = model_folder(objective)
    for precision in ("float64", "float32"):
        names, (amici, inside) = run_script(text, folder, tmp_path, "--precision", precision)
        expected = compare(objective, theta, precision)
        assert names == ["llh", *problem.parameter_ids]
        np.testing.assert_allclose(
            amici, [expected.llh_amici, *expected.gradient_amici], rtol=SAME, atol=0
        )
        np.testing.assert_allclose(
            inside, [expected.llh_jax, *expected.gradient_jax], rtol=SAME, atol=0
        )


def test_a_failure_is_nan(boehm, tmp_path):
    few = SolverSettings(max_steps=5)
    text = script(boehm.problem, boehm.problem.nominal_theta, few)
    _, numbers = run_script(text, model_folder(boehm), tmp_path)
    assert np.isnan(numbers).all()


def test_the_script_says_what_it_is_and_holds_every_bit():
    problem = load_problem("Conversion_Reaction")
    theta = np.nextafter(problem.nominal_theta, 9)
    settings = SolverSettings(
        rtol=1e-10, sensitivities="adjoint", steady_state="newtonOnly", time_limit=5.0
    )
    text = script(problem, theta, settings, "float32")
    head = text[: text.index("import")]
    for words in ("Conversion_Reaction", "amijax ", "amici ", "jax ", "rtol 1e-10", "adjoint"):
        assert words in head
    for name, scale, value in zip(problem.parameter_ids, problem.scales, theta, strict=True):
        assert f'"{name}": ("{scale}", {float(value)!r})' in text
    assert "SteadyStateComputationMode.newtonOnly" in text
    assert "SteadyStateSensitivityMode" not in text
    assert 'default="float32"' in text
    assert "import amijax" not in text
    assert "@" not in text.replace("@jax.custom_jvp", "").replace("@llh_of_linear", "")
    code = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) - problem.n_parameters <= 75
    compile(text, "exported.py", "exec")


def test_names_and_paths_stay_text():
    problem = load_problem("Conversion_Reaction")
    odd = replace(problem, problem_id='x\nimport os\n"""@YAML@')
    text = script(odd, problem.nominal_theta, SolverSettings())
    assert text.startswith('# Log-likelihood and gradient of x import os """@YAML@ from')
    compile(text, "exported.py", "exec")
    with pytest.raises(ValueError, match="finite"):
        script(problem, np.full(6, np.nan), SolverSettings())
    with pytest.raises(ProblemError):
        script(
            replace(problem, source=Path("/nowhere.yaml")), problem.nominal_theta, SolverSettings()
        )


@pytest.mark.collection
@pytest.mark.usefixtures("collection")
def test_replicated_observables_are_replicated_by_the_script():
    def flattens(name):
        problem = load_problem(name)
        return "flatten" in script(problem, problem.nominal_theta, SolverSettings())

    assert flattens("Fiedler_BMCSystBiol2016")
    assert not flattens("Bruno_JExpBot2016")


def test_the_command_line_writes_it(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, ["script", "Boehm_JProteomeRes2014", *arguments])

    result = run("--set", "k_phos=4.2", "--rtol", "1e-10", "--precision", "float32")
    assert result.exit_code == 0
    problem = load_problem()
    theta = problem.theta_from({"k_phos": 4.2})
    assert result.stdout == script(problem, theta, SolverSettings(rtol=1e-10), "float32")
    path = tmp_path / "x.py"
    assert run("--linear", "--set", "k_phos=100", "-o", str(path)).exit_code == 0
    assert '"k_phos": ("log10", 2.0)' in path.read_text()
    for wrong, sentence in (
        (["--set", "k_fos=1"], "no such parameter"),
        (["--set", "k_phos=nan"], "finite"),
        (["--rtol", "-1"], "rtol must be"),
        (["--sensitivities", "auto"], "auto"),
    ):
        result = run(*wrong)
        assert result.exit_code == 2
        assert sentence in result.stderr
    result = run("-o", str(tmp_path / "no" / "x.py"))
    assert result.exit_code == 1
    assert "can't be written" in result.stderr
