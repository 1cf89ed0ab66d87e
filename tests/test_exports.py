"""Exports: read back, they are the same state."""

import json

import numpy as np
import petab.v1 as petab
import pytest

from amijax import load_problem
from amijax.comparison import compare_precisions
from amijax.problems.points import random_theta
from amijax.scales import to_scaled
from amijax.sharing.exports import parameter_table, state_as_json

# Linear numbers near 1 are 2.2e-16 apart, which is as much on log scale and 1e-16 on log10 scale.
NEAR_ZERO = 2.3e-16


def read_back(text, problem, tmp_path):
    """Theta from a parameter table, by PEtab's own reader."""
    path = tmp_path / "parameters.tsv"
    path.write_text(text)
    table = petab.get_parameter_df(path)
    petab.check_parameter_df(table)
    p = table.loc[list(problem.parameter_ids), "nominalValue"].to_numpy(dtype=float)
    return to_scaled(p, problem.scales), table


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Conversion_Reaction"])
def test_a_parameter_table_read_back_is_theta(problem_id, tmp_path):
    problem = load_problem(problem_id)
    for seed in range(20):
        theta = random_theta(problem, seed)
        found, table = read_back(parameter_table(problem, theta), problem, tmp_path)
        fine = (np.abs(theta) > 1) | (np.array(problem.scales) == "lin")
        np.testing.assert_allclose(found[fine], theta[fine], rtol=2.3e-16, atol=0)  # a last bit
        np.testing.assert_allclose(found, theta, rtol=0, atol=NEAR_ZERO)
        original = problem.petab_problem.parameter_df
        assert list(table.columns) == list(original.columns)
        assert list(table.index) == list(original.index)
        others = table.drop(columns="nominalValue")
        assert others.equals(original.drop(columns="nominalValue").astype(others.dtypes))


def test_a_nominal_table_is_the_problems_own(tmp_path):
    problem = load_problem()
    text = parameter_table(problem, problem.nominal_theta)
    found, table = read_back(text, problem, tmp_path)
    np.testing.assert_array_equal(found, problem.nominal_theta)
    np.testing.assert_array_equal(
        table["nominalValue"], problem.petab_problem.parameter_df["nominalValue"]
    )
    assert table.loc["ratio", "nominalValue"] == problem.fixed_parameters["ratio"]


def test_the_problem_itself_is_not_changed():
    problem = load_problem()
    before = problem.petab_problem.parameter_df.copy()
    parameter_table(problem, problem.nominal_theta + 0.5)
    assert before.equals(problem.petab_problem.parameter_df)


@pytest.mark.parametrize("value", [np.nan, np.inf, 400.0, -400.0])
def test_what_has_no_linear_value_is_refused(value):
    problem = load_problem()
    theta = problem.nominal_theta.copy()
    theta[5] = value
    with pytest.raises(ValueError, match="linear scale"):
        parameter_table(problem, theta)
    with pytest.raises(ValueError, match="shape"):
        parameter_table(problem, theta[:3])


def test_everything_as_json(boehm):
    theta = boehm.problem.nominal_theta + 0.01
    comparisons = compare_precisions(boehm, theta)
    text = state_as_json(comparisons, extra={"trajectories": np.array([1.0, np.nan])})
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["problem"] == "Boehm_JProteomeRes2014"
    assert found["theta"] == list(theta)
    llh, gradient = boehm.llh_and_gradient(theta)
    assert found["amici"] == {"llh": llh, "gradient": list(gradient), "failure": None}
    assert found["jax"]["float32"]["llh"] == comparisons["float32"].llh_jax
    assert found["jax"]["float64"]["gradient"] == list(comparisons["float64"].gradient_jax)
    assert found["solver"] == boehm.solver.as_dict()
    assert {"amijax", "amici", "jax", "petab", "numpy", "python"} <= set(found["versions"])
    assert found["jax"]["float32"]["seconds"]["amici_wall"] > 0
    assert found["trajectories"] == [1.0, None]


def test_failures_as_json(boehm):
    theta = boehm.problem.theta_from({"k_phos": 400.0})
    found = json.loads(state_as_json(compare_precisions(boehm, theta)), parse_constant=pytest.fail)
    assert found["amici"]["llh"] is None
    assert "k_phos" in found["amici"]["failure"]["message"]
    with pytest.raises(ValueError, match="no comparison"):
        state_as_json({})
