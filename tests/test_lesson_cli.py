"""The lesson in a terminal."""

import json

import pytest
from click.testing import CliRunner

from amijax.cli.main import main
from amijax.lesson import PLANS, STEPS, Here, signs
from amijax.lesson.here import silent
from amijax.simulation.settings import SolverChoice


def run(*arguments):
    return CliRunner().invoke(main, ["lesson", *(str(argument) for argument in arguments)])


def test_a_step_is_told_with_its_contrast(objective_of):
    objective = objective_of("Robertson_Stiff")
    here = Here.at(objective, objective.problem.nominal_theta, SolverChoice())
    found = signs.compute(here, silent)
    result = run("--step", "8")
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert found.claim.replace("`", "") in text
    assert f"Answer: {found.answer:g} wrong." in text
    assert "In contrast: Conversion_Reaction" in text
    assert "`" not in text


def test_digits_and_bits_are_drawn(boehm):
    digits = run("--step", "3").output
    rows = {line[:14].strip(): line[14:] for line in digits.splitlines() if "JAX, float" in line}
    value = float(rows["JAX, float32"].replace("−", "-"))
    theta = boehm.problem.nominal_theta
    here = Here.at(boehm, theta, SolverChoice())
    both = STEPS[2].compute(here, silent)
    assert value == pytest.approx(both.float32.gradient_jax[both.weakest], rel=1e-15)
    assert "^^^" in digits
    bits = run("--step", "4").output
    (line,) = [line for line in bits.splitlines() if line.startswith("float32  ")]
    sign, exponent, mantissa = line.split()[1:4]
    assert [len(part) for part in (sign, exponent, mantissa)] == [1, 8, 23]
    position = STEPS[3].compute(here, silent).position
    size = 2.0 ** (int(exponent, 2) - 127) * (1 + int(mantissa, 2) / 2**23)
    assert (-1) ** int(sign) * size == pytest.approx(theta[position], rel=2**-24)


def test_json_is_one_object_at_an_own_point(conversion):
    result = run("Conversion_Reaction", "--step", "2", "--set", "k1=-0.5", "--json")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    (step,) = content["steps"]
    assert step["step"] == 2
    (told,) = step["points"]
    assert told["problem"] == "Conversion_Reaction"
    assert told["theta"]["k1"] == -0.5
    theta = conversion.problem.theta_from({"k1": -0.5})
    rows = {row[0]: row for row in told["table"]["rows"]}
    gradient = conversion.llh_and_gradient(theta)[1]
    assert float(rows["k1"][-1]) == pytest.approx(gradient[0], rel=1e-5)  # as it is written
    assert content["exercises"] == []


def test_all_of_it_ends_with_exercises(conversion):
    assert conversion
    result = run("Conversion_Reaction")
    assert result.exit_code == 0, result.output
    for step in STEPS:
        assert f"{step.number} · {step.title}" in result.output
    assert "In contrast: Constant_Ligand" in result.output
    assert PLANS[5].main.problem in result.output
    assert result.output.count("Answer: ") == len(STEPS) + 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--step", "10"), "steps 1 to 9"),
        (("--set", "k1=1"), "needs a PROBLEM"),
        (("Conversion_Reaction", "--set", "k9=1"), "k9"),
        (("No_Such_Problem",), "No_Such_Problem"),
    ],
)
def test_wrong_use_is_a_sentence(arguments, word):
    result = run(*arguments)
    assert result.exit_code == 2
    assert word in result.output
