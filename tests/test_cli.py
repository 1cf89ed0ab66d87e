"""The command line, called as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from petab_files import write_decay

from amijax.cli.main import main
from amijax.simulation.settings import SolverSettings


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_list_names_the_embedded_problems():
    result = run("list")
    assert result.exit_code == 0
    assert "Boehm_JProteomeRes2014" in result.output
    rows = json.loads(run("list", "--json").output)["problems"]
    assert rows[0]["problem"] == "Boehm_JProteomeRes2014"
    assert rows[0]["measurements"] == 48


def test_evaluate_prints_one_json_object_and_nothing_else(boehm):
    done = subprocess.run(
        [sys.executable, "-m", "amijax", "evaluate", "Boehm_JProteomeRes2014", "--json"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env=os.environ,
        check=True,
    )
    result = json.loads(done.stdout)
    assert set(result) == {
        "problem",
        "precision",
        "status",
        "failure",
        "llh",
        "gradient",
        "solver",
        "seconds",
    }
    assert result["status"] == "ok"
    assert result["failure"] is None
    assert result["precision"] == "float64"
    llh, gradient = boehm.llh_and_gradient(boehm.problem.nominal_theta)
    assert result["llh"]["amici"] == llh
    assert [row["amici"] for row in result["gradient"]] == list(gradient)
    assert set(result["gradient"][0]) == {"parameter", "scale", "theta", "amici", "jax", "rel_diff"}
    assert result["solver"] == SolverSettings().as_dict()


@pytest.mark.parametrize(
    ("options", "theta"),
    [(["--set", "rate=0.5"], 0.5), (["--linear", "--set", "rate=10"], 1.0), ([], np.log10(0.8))],
)
def test_set_scaled_and_linear(tmp_path, options, theta):
    result = run("evaluate", write_decay(tmp_path), "--json", *options)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["gradient"][0]["theta"] == pytest.approx(theta, abs=1e-15)


def test_evaluate_as_text(boehm):
    result = run("evaluate", "Boehm_JProteomeRes2014", "--precision", "float32", "--rtol", "1e-9")
    assert result.exit_code == 0
    assert "k_phos" in result.output
    assert "rtol 1e-09" in result.output
    assert boehm.problem.problem_id in result.output


def test_a_failed_simulation_has_status_1_and_says_why():
    result = run("evaluate", "Boehm_JProteomeRes2014", "--json", "--set", "k_phos=400")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["status"] == "failed"
    assert report["llh"] == {"amici": None, "jax": None, "rel_diff": None}
    assert set(report["failure"]) == {"condition", "time", "status", "message", "remedy"}
    assert report["failure"]["status"] is None  # nothing was integrated
    assert "k_phos" in report["failure"]["message"]
    text = run("evaluate", "Boehm_JProteomeRes2014", "--set", "k_phos=400")
    assert text.exit_code == 1
    assert "Failed:" in text.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["evaluate", "Bohm"], "There is no problem 'Bohm'"),
        (["evaluate", "Boehm_JProteomeRes2014", "--set", "k_phos"], "ID=VALUE"),
        (["evaluate", "Boehm_JProteomeRes2014", "--set", "k_phos=x"], "ID=VALUE"),
        (
            ["evaluate", "Boehm_JProteomeRes2014", "--set", "ratio=1"],
            "fixed in the parameter table",
        ),
        (["evaluate", "Boehm_JProteomeRes2014", "--rtol", "-1"], "rtol must be"),
        (["evaluate", "Boehm_JProteomeRes2014", "--precision", "float16"], "float16"),
        (["evaluate"], "Missing argument"),
        (["compile"], "Missing argument"),
        (["compile", "nothing.yaml"], "There is no problem"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_use_has_status_2_and_a_sentence(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("boehm")
def test_compile_says_where_the_model_is():
    result = run("compile", "Boehm_JProteomeRes2014")
    assert result.exit_code == 0
    assert os.environ["AMIJAX_CACHE_DIR"] in result.output


def test_every_command_is_documented_in_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name, command in main.commands.items():
        assert f"python -m amijax {name}" in readme, name
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and name == "evaluate":
                    assert option in readme, option


def test_precision_prints_one_json_object_with_all_its_fields(boehm):
    result = run("precision", "Boehm_JProteomeRes2014", "--json", "--set", "k_phos=4.2")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert {"problem", "solver", "reference", "llh", "parameters"} <= set(content)
    assert set(content["reference"]) == {"rtol", "atol", "converged"}
    assert content["reference"]["rtol"] == 1e-13
    assert content["solver"] == SolverSettings().as_dict()
    theta = boehm.problem.nominal_theta.copy()
    theta[5] = 4.2
    llh, gradient = boehm.llh_and_gradient(theta)
    assert content["llh"]["float64"] == pytest.approx(llh, rel=1e-12)
    rows = content["parameters"]
    assert [row["parameter"] for row in rows] == list(boehm.problem.parameter_ids)
    # Only if 10**theta and back is exact for all parameters is this AMICI's gradient, bit for bit.
    assert [row["amici"] for row in rows] == list(gradient)
    for row in (*rows, content["llh"]):
        assert {
            "float64", "float32", "reference", "stages", "digits_float32", "digits_accuracy",
            "digits_noise", "limited_by",
        } <= set(row)  # fmt: skip
        assert len(row["stages"]) == 4
        assert row["limited_by"] in ("input", "transform", "result", "solver", "none")
        change = (row["float32"] - row["float64"]) / abs(row["float64"])
        assert sum(row["stages"]) == pytest.approx(change, rel=1e-6, abs=1e-12)
    assert "bits" not in content


def test_precision_of_some_parameters_in_words(boehm):  # noqa: ARG001 - compiled
    result = run("precision", "Boehm_JProteomeRes2014", "--all", "--parameter", "k_phos")
    assert result.exit_code == 0
    for words in ("limited by", "Agreement is not accuracy", "Bits.", "Tolerance.", "Curvature."):
        assert words in result.stdout
    assert "k_imp_homo" not in result.stdout.split("Bits.")[0]


def test_precision_refuses_what_it_does_not_know(boehm):  # noqa: ARG001 - compiled
    result = run("precision", "Boehm_JProteomeRes2014", "--parameter", "nonsense")
    assert result.exit_code == 2
    assert "no free parameter nonsense" in result.stderr
    assert run("precision", "Boehm_JProteomeRes2014", "--rtol", "-1").exit_code == 2


def test_precision_of_a_point_that_fails_is_a_sentence(boehm):  # noqa: ARG001 - compiled
    result = run("precision", "Boehm_JProteomeRes2014", "--set", "k_phos=400", "--json")
    assert result.exit_code == 1
    assert "not finite" in result.stderr
