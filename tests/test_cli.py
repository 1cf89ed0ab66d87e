"""The command line, called as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
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
        "log_prior",
        "repairs",
        "warnings",
    }
    assert result["log_prior"] is None
    assert result["warnings"] == []
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
    assert set(report["failure"]) == {"condition", "time", "kind", "status", "message", "remedy"}
    assert report["failure"]["status"] is None  # nothing was integrated
    assert "k_phos" in report["failure"]["message"]
    text = run("evaluate", "Boehm_JProteomeRes2014", "--set", "k_phos=400")
    assert text.exit_code == 1
    assert "Failed:" in text.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["evaluate", "Bohm"], "did you mean Boehm_JProteomeRes2014?"),
        (["evaluate", "Boehm_JProteomeRes2014", "--set", "k_fos=1"], "did you mean k_phos"),
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


def test_log_prior_and_warnings_are_in_json(tmp_path):
    path = write_decay(tmp_path)
    table = tmp_path / "parameters.tsv"
    table.write_text(
        "parameterId\tparameterScale\tlowerBound\tupperBound\testimate\tobjectivePriorType\t"
        "objectivePriorParameters\nrate\tlog10\t0.01\t100\t1\tparameterScaleNormal\t0;1\n"
    )
    result = run("evaluate", path, "--json")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert content["log_prior"] == pytest.approx(-0.5 * np.log(2 * np.pi))
    (warning,) = content["warnings"]
    assert warning["code"] == "nominal_missing"
    assert warning["parameters"] == ["rate"]
    assert warning["message"] in result.stderr


def test_a_time_limit_is_one_even_for_simulations_of_a_few_steps(tmp_path):
    result = run("evaluate", write_decay(tmp_path), "--time-limit", "1e-9", "--json")
    assert result.exit_code == 1
    failure = json.loads(result.stdout)["failure"]
    assert "longer than the time limit" in failure["message"]


def test_check_goes_on_after_a_bad_problem_and_says_no(tmp_path):
    bad = write_decay(tmp_path / "bad")
    table = bad.parent / "measurements.tsv"
    table.write_text(table.read_text().replace("obs_A", "obs_Z"))
    result = run("check", "NoSuch", bad, "Conversion_Reaction", "--json")
    assert result.exit_code == 1
    states = [row["status"] for row in json.loads(result.stdout)["problems"]]
    assert states == ["unavailable", "unavailable", "ok"]
    assert "obs_Z is not in the observable table" in result.stderr
    assert run("check", "NoSuch").exit_code == 1


@pytest.mark.usefixtures("boehm")
def test_compile_goes_on_after_a_bad_problem():
    result = run("compile", "NoSuch", "Boehm_JProteomeRes2014")
    assert result.exit_code == 2
    assert "was compiled before" in result.stdout
    assert "There is no problem 'NoSuch'" in result.stderr


@pytest.mark.parametrize("command", ["evaluate", "compile", "check", "precision"])
def test_a_cache_folder_that_is_a_file_gets_a_sentence(tmp_path, monkeypatch, command):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "file"))
    result = run(command, write_decay(tmp_path / "decay"))
    assert result.exit_code == 1
    assert "can't be used: Not a directory" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_what_nobody_expected_is_a_sentence_unless_debugging(monkeypatch):
    def broken(*_args, **_options):
        raise KeyError("inner")

    monkeypatch.setattr("amijax.cli.shared.load_problem", broken)
    monkeypatch.delenv("AMIJAX_DEBUG", raising=False)
    result = run("evaluate", "Boehm_JProteomeRes2014")
    assert result.exit_code == 1
    assert "Something went wrong inside amijax (KeyError: 'inner')" in result.output
    assert "report it" in result.output
    monkeypatch.setenv("AMIJAX_DEBUG", "1")
    assert isinstance(run("evaluate", "Boehm_JProteomeRes2014").exception, KeyError)


@pytest.mark.usefixtures("boehm")
def test_compile_says_where_the_model_is():
    result = run("compile", "Boehm_JProteomeRes2014")
    assert result.exit_code == 0
    assert os.environ["AMIJAX_CACHE_DIR"] in result.output


def test_every_command_and_option_explains_itself():
    """The reference is made of them (docs/reference/cli.md)."""
    for name, command in main.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts[0]}"


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


def test_precision_writes_the_work_precision_diagram(boehm, tmp_path):  # noqa: ARG001 - compiled
    page = tmp_path / "work.html"
    result = run("precision", "Boehm_JProteomeRes2014", "--html", str(page))
    assert result.exit_code == 0, result.output
    assert "Work against precision" in result.output
    text = page.read_text()
    assert "Boehm_JProteomeRes2014: error of the gradient against CPU time" in text
    assert "staggered1" in text
    refused = run(
        "precision", "Boehm_JProteomeRes2014", "--html", str(page), "--parameter", "k_phos"
    )
    assert refused.exit_code == 2
    assert "leave out --parameter" in refused.output
    nowhere = tmp_path / "work.html" / "below" / "a.html"
    assert run("precision", "Boehm_JProteomeRes2014", "--html", str(nowhere)).exit_code == 2


def test_precision_refuses_what_it_does_not_know(boehm):  # noqa: ARG001 - compiled
    result = run("precision", "Boehm_JProteomeRes2014", "--parameter", "nonsense")
    assert result.exit_code == 2
    assert "no free parameter nonsense" in result.stderr
    assert run("precision", "Boehm_JProteomeRes2014", "--rtol", "-1").exit_code == 2


def test_precision_of_a_point_that_fails_is_a_sentence(boehm):  # noqa: ARG001 - compiled
    result = run("precision", "Boehm_JProteomeRes2014", "--set", "k_phos=400", "--json")
    assert result.exit_code == 1
    assert "not finite" in result.stderr
