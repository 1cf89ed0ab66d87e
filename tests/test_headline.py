"""Sentences and next steps about a comparison say what was computed."""

import numpy as np
import pytest

from amijax import SolverSettings
from amijax.comparison import compare_precisions
from amijax.digits import digits, relative_text
from amijax.headline import headline


def at(objective, precision, run_jax=True, **values):
    problem = objective.problem
    comparisons = compare_precisions(objective, problem.theta_from(values), run_jax=run_jax)
    return headline(problem, comparisons, precision), comparisons


def kinds(line):
    return [step.kind for step in line.steps]


def test_nominal_in_both_precisions(boehm):
    line, comparisons = at(boehm, "float32")
    single = comparisons["float32"]
    worst = single.worst
    agree = digits(single.gradient_amici, single.gradient_jax).min()
    about = f"the gradient entry of {boehm.problem.parameter_ids[worst]} differs by "
    about += relative_text(single.gradient_rel_diff[worst])
    assert "at the nominal parameters" in line.compared
    assert line.found.startswith(f"In float32 {about}")
    assert f"{agree:.1f} digits agree" in line.found
    assert line.found.endswith("in float64 llh and gradient agree to the last bit.")
    assert kinds(line) == ["precision", "parameter", "digits"]
    assert line.steps[0].precision == "float64"
    assert line.steps[2].text == f"Why do only {agree:.1f} of 7 digits agree?"
    other, _ = at(boehm, "float64")
    assert other.found.startswith("In float64 llh and gradient agree to the last bit; in float32")
    assert other.steps[0].text == "Switch x64 off"
    assert other.steps[2].text == "How many of 16 digits are right?"


def test_the_step_that_changes_a_parameter_stays_within_bounds(boehm, objective_of):
    for objective in (boehm, objective_of("Robertson_Stiff")):
        line, _ = at(objective, "float32")
        step = next(step for step in line.steps if step.kind == "parameter")
        problem = objective.problem
        i = problem.parameter_ids.index(step.parameter)
        assert problem.lower_theta[i] <= step.value <= problem.upper_theta[i]
        assert step.value != problem.nominal_theta[i]


def test_an_edited_state_leads_back(boehm):
    line, _ = at(boehm, "float32", k_phos=4.0)
    assert "at k_phos = 4 (nominal 4.19774)" in line.compared
    assert kinds(line) == ["precision", "nominal", "digits"]
    line, _ = at(boehm, "float32", k_phos=4.0, k_exp_homo=-2.0, k_imp_homo=4.0)
    assert "with 3 of 9 parameters changed" in line.compared


def test_flipped_signs_are_counted(objective_of):
    line, comparisons = at(objective_of("Robertson_Stiff"), "float32")
    single = comparisons["float32"]
    flipped = (np.sign(single.gradient_amici) != np.sign(single.gradient_jax)).sum()
    assert f"{flipped} of 7 gradient entries have another sign than AMICI's" in line.found


def test_failures_are_said(boehm):
    line, _ = at(boehm.with_solver(SolverSettings(max_steps=5)), "float64")
    assert line.found.startswith("AMICI has no result: ")
    assert kinds(line) == ["parameter"]
    line, _ = at(boehm, "float32", sd_pSTAT5A_rel=39.0)  # 1e39 is no float32
    assert line.found.startswith("JAX has no result in float32: ")
    assert line.found.endswith("float64 has one.")
    assert kinds(line) == ["precision", "nominal"]


def test_jax_left_out_is_said(boehm):
    line, _ = at(boehm, "float32", run_jax=False)
    assert line.found == "JAX's side was not run: nothing is compared."
    assert kinds(line) == ["run_jax"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0, exact"),
        (-0.0112, "1.1 %"),
        (3.31, "331 %"),
        (0.186, "19 %"),
        (1.76e-8, "1.8e-08"),
        (2400.0, "2.4e+03"),
        (-np.inf, "infinite"),
        (np.nan, "unknown"),
    ],
)
def test_relative_differences_in_words(value, text):
    assert relative_text(value) == text
