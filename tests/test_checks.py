"""Checking problems as a whole, one here or many in the background."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from petab_files import write_decay

from amijax.checks.check import CheckResult, _judge, check_problem, known_results
from amijax.checks.run import CheckRun
from amijax.cli.main import main
from amijax.comparison import compare_precisions
from amijax.digits import ALL_DIGITS, digits


def test_digits():
    np.testing.assert_allclose(
        digits([1, 1, -1, 0, 1, np.nan], [1, 1.001, 1, 0, 0, 1]),
        [ALL_DIGITS, 3.0004, 0, ALL_DIGITS, 0, np.nan],
        atol=1e-4,
    )


@pytest.mark.usefixtures("boehm")
def test_boehm_is_ok_and_the_result_is_kept():
    result = check_problem("Boehm_JProteomeRes2014")
    assert result.status == "ok"
    assert result.agrees_with_reference
    assert result.reference_digits > 6
    assert result.rel_diff_float64 <= 1e-12
    assert result.rel_diff_float32 > 1e-3
    assert 0 < result.llh_seconds < result.gradient_seconds < 10
    assert result.compile_seconds > 0
    assert known_results()["Boehm_JProteomeRes2014"] == result


def test_problems_that_cannot_be_had_or_used(tmp_path):
    missing = check_problem("no_such_problem")
    assert missing.status == "unavailable"
    assert "no problem" in missing.explanation
    path = write_decay(tmp_path)
    table = tmp_path / "parameters.tsv"
    table.write_text(table.read_text().replace("0.8\t1", "1e60\t1").replace("\t100\t", "\t1e70\t"))
    failed = check_problem(str(path))
    assert failed.status in ("failed", "ok")  # a decay that fast may still be simulated


def test_a_wrong_reference_is_noticed(monkeypatch, boehm):  # noqa: ARG001
    monkeypatch.setattr("amijax.checks.check._reference", lambda _: -138.0)
    result = check_problem("Boehm_JProteomeRes2014")
    assert result.status == "differs"
    assert result.agrees_with_reference is False
    assert "only" in result.explanation
    outcome = CliRunner().invoke(main, ["check", "Boehm_JProteomeRes2014", "--json"])
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["problems"][0]["status"] == "differs"


@pytest.mark.usefixtures("boehm", "conversion")
def test_a_run_goes_through_all_and_reports():
    run = CheckRun(("Boehm_JProteomeRes2014", "no_such_problem", "Conversion_Reaction"))
    assert run.progress().current == "Boehm_JProteomeRes2014"
    progress = run.wait(120)
    assert progress.is_over
    assert [r.status for r in progress.done] == ["ok", "unavailable", "ok"]


@pytest.mark.usefixtures("boehm")
def test_a_cancelled_run_stops_immediately():
    run = CheckRun(("Boehm_JProteomeRes2014", "Conversion_Reaction"))
    run.cancel()
    progress = run.wait(120)
    assert progress.is_over
    assert progress.state == "cancelled"
    assert len(progress.done) < 2


@pytest.mark.usefixtures("boehm", "conversion")
def test_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "amijax", "check", "Boehm_JProteomeRes2014", "Conversion_Reaction"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert "Boehm_JProteomeRes2014  ok" in done.stdout
    assert CliRunner().invoke(main, ["check"]).exit_code == 2


def test_without_a_reference_there_is_nothing_to_agree_with():
    assert CheckResult("p", "ok", llh=1.0).agrees_with_reference is None
    assert CheckResult("p", "failed", reference_llh=1.0).agrees_with_reference is False
    assert CheckResult("p", "unavailable", reference_llh=1.0).agrees_with_reference is None


FAST = [  # the others take longer to prepare or simulate; `check --all` covers them
    "Bertozzi_PNAS2020", "Blasi_CellSystems2016", "Bruno_JExpBot2016", "Crauste_CellSystems2017",
    "Fujita_SciSignal2010", "Perelson_Science1996", "Sneyd_PNAS2002", "Weber_BMC2015",
    "Zhao_QuantBiol2020", "Zheng_PNAS2012",
]  # fmt: skip


@pytest.mark.collection
@pytest.mark.parametrize("problem_id", FAST)
def test_problems_of_the_collection_agree_with_amicis_benchmark_tests(problem_id, collection):  # noqa: ARG001
    result = check_problem(problem_id)
    assert result.status == "ok", result.explanation
    assert result.agrees_with_reference is not False
    assert result.rel_diff_float64 <= 1e-12 or not result.round_trip_exact


def test_an_inexact_round_trip_is_shown_to_be_solver_noise(conversion):
    rng = np.random.default_rng(0)
    problem = conversion.problem
    for _ in range(200):  # about one in ten: exp and log of XLA and of C differ in the last bit
        theta = problem.nominal_theta + rng.uniform(-0.5, 0.5, problem.n_parameters)
        comparisons = compare_precisions(conversion, theta)
        if np.abs(comparisons["float64"].gradient_rel_diff).max() > 1e-12:
            break
    else:
        pytest.fail("the two sides agreed at all points")
    assert (comparisons["float64"].theta_inside != theta).any()
    common = {"problem_id": "test", "reference_llh": None}
    result = _judge(common, conversion, comparisons["float64"], comparisons["float32"])
    assert result.status == "ok"
    assert result.round_trip_exact is False
    assert "solver noise" in result.explanation
