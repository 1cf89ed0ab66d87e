"""Tests of the embedded PEtab problems: valid, complete, our own files, closed form correct."""

import hashlib
import logging
import os
from pathlib import Path

import libsbml
import make_synthetic_data
import numpy as np
import pandas as pd
import petab.v1 as petab
import petab.v2 as petab_v2
import pytest
from closed_form import PARAMETER_IDS, SCALES, llh_and_gradient, simulate, unscale
from petab.v1.lint import lint_problem
from scipy.integrate import solve_ivp
from scipy.stats import norm

REPOSITORY = Path(__file__).parents[1]
EMBEDDED = REPOSITORY / "amijax" / "problems" / "embedded"
COLLECTION = Path(
    os.environ.get("AMIJAX_COLLECTION", REPOSITORY.parent / "shared" / "benchmark-collection")
)

# problem_id: species, estimated and fixed parameters, conditions, observables, measurements
COUNTS = {
    "Boehm_JProteomeRes2014": (8, 9, 2, 1, 3, 48),
    "Conversion_Reaction": (2, 6, 0, 2, 2, 28),
    "Robertson_Stiff": (3, 7, 0, 1, 2, 30),
    "Harvested_Stock": (1, 5, 0, 2, 1, 26),
    "Constant_Ligand": (3, 6, 1, 2, 2, 28),
    "Inhibited_Conversion": (2, 7, 0, 3, 2, 48),
    "Infused_Tracer": (2, 9, 0, 3, 2, 32),
}
V2 = ("Inhibited_Conversion", "Infused_Tracer")
each_problem = pytest.mark.parametrize("problem_id", COUNTS)


def load(problem_id: str) -> petab.Problem | petab_v2.Problem:
    if problem_id in V2:
        return petab_v2.Problem.from_yaml(EMBEDDED / problem_id / "problem.yaml")
    return petab.Problem.from_yaml(EMBEDDED / problem_id / "problem.yaml")


@pytest.fixture(scope="module")
def measurements() -> pd.DataFrame:
    return load("Conversion_Reaction").measurement_df


@pytest.fixture(scope="module")
def theta() -> np.ndarray:
    return np.array(load("Conversion_Reaction").x_nominal_free_scaled)


def test_every_embedded_folder_is_tested() -> None:
    assert {path.name for path in EMBEDDED.iterdir() if path.is_dir()} == set(COUNTS)


@each_problem
def test_linter_finds_nothing(problem_id: str, caplog: pytest.LogCaptureFixture) -> None:
    if problem_id in V2:
        assert not load(problem_id).validate()
        return
    petab.validate(EMBEDDED / problem_id / "problem.yaml")
    with caplog.at_level(logging.WARNING):
        assert not lint_problem(load(problem_id))
    assert not caplog.records


@each_problem
def test_sbml_has_no_issue_and_describes_itself(problem_id: str) -> None:
    document = libsbml.readSBML(str(EMBEDDED / problem_id / "model.xml"))
    document.checkConsistency()
    assert document.getNumErrors() == 0, document.getErrorLog().toString()
    assert document.getModel().getId() == problem_id
    assert "Reference: " in document.getModel().getNotesString()


@each_problem
def test_structure(problem_id: str) -> None:
    problem = load(problem_id)
    assert COUNTS[problem_id] == (
        problem.model.sbml_model.getNumSpecies(),
        len(problem.x_free_ids),
        len(problem.x_fixed_ids),
        problem.condition_df.reset_index()["conditionId"].nunique(),
        len(problem.observable_df),
        len(problem.measurement_df),
    )
    nominal, lower, upper = map(np.array, (problem.x_nominal, problem.lb, problem.ub))
    assert np.all((lower < nominal) & (nominal < upper))
    for table, column in (
        (problem.parameter_df, petab.PARAMETER_NAME),
        (problem.observable_df, petab.OBSERVABLE_NAME),
        (problem.condition_df, petab.CONDITION_NAME),
    ):  # a name is extra in PEtab v2's conditions
        assert table[column].str.len().gt(0).all()
        assert not table[column].str.contains(r'["\\]').any()


@pytest.mark.collection
@each_problem
def test_no_file_is_a_copy_of_the_collections(problem_id: str) -> None:
    registry = COLLECTION / "registry.txt"
    if not registry.exists():
        pytest.skip(f"no registry.txt in {COLLECTION}")
    digests = {line.split()[-1] for line in registry.read_text().splitlines() if line.strip()}
    for path in (EMBEDDED / problem_id).iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() not in digests, path.name


@pytest.mark.collection
def test_boehm_agrees_with_the_collection() -> None:
    folder = COLLECTION / "Benchmark-Models" / "Boehm_JProteomeRes2014"
    if not folder.exists():
        pytest.skip(f"no {folder}")
    ours, theirs = load(folder.name), petab.Problem.from_yaml(folder / f"{folder.name}.yaml")
    columns = ["parameterScale", "lowerBound", "upperBound", "nominalValue", "estimate"]
    pd.testing.assert_frame_equal(ours.parameter_df[columns], theirs.parameter_df[columns])
    keys = ["observableId", "time"]
    mine, other = (
        p.measurement_df.sort_values(keys)[[*keys, "measurement"]].reset_index(drop=True)
        for p in (ours, theirs)
    )
    pd.testing.assert_frame_equal(mine, other, check_exact=True, check_dtype=False)


@pytest.mark.parametrize("problem_id", make_synthetic_data.TABLES)
def test_synthetic_data_can_be_made_again(problem_id: str) -> None:
    shipped = pd.read_csv(EMBEDDED / problem_id / "measurements.tsv", sep="\t")
    made = make_synthetic_data.TABLES[problem_id]()
    simulation = "experimentId" if problem_id in V2 else "simulationConditionId"
    keys = [simulation, "time", "observableId"]
    pd.testing.assert_frame_equal(shipped[keys], made[keys], check_dtype=False)
    # One unit in the last digit, as another version of the integrator may round the other way.
    precise = problem_id == "Robertson_Stiff"
    unit = np.where(precise & shipped["observableId"].eq("A_measured"), 1e-9, 1e-3)
    unit = np.where(shipped["observableId"].eq("survey"), 0.1, unit)
    assert np.all(abs(shipped["measurement"] - made["measurement"]) < 1.1 * unit)


def test_closed_form_knows_the_parameter_table() -> None:
    table = load("Conversion_Reaction").parameter_df
    assert tuple(table.index) == PARAMETER_IDS
    assert tuple(table["parameterScale"]) == SCALES


def test_closed_form_against_integration(theta: np.ndarray, measurements: pd.DataFrame) -> None:
    k1, k2, total, background, sigma_a, sigma_b = unscale(theta)
    expected = []
    for row in measurements.itertuples():
        start = [total, 0.0] if row.simulationConditionId == "start_with_A" else [0.0, total]
        a, b = solve_ivp(
            lambda _, x: (k2 * x[1] - k1 * x[0]) * np.array([1.0, -1.0]),
            (0.0, row.time), start, rtol=1e-11, atol=1e-13,
        ).y[:, -1]  # fmt: skip
        expected.append(a if row.observableId == "A_measured" else b + background)
    simulation, _ = simulate(theta, measurements)
    np.testing.assert_allclose(simulation, expected, rtol=1e-9)
    sigma = np.where(measurements["observableId"] == "A_measured", sigma_a, sigma_b)
    llh = norm.logpdf(measurements["measurement"], expected, sigma).sum()
    assert llh_and_gradient(theta, measurements)[0] == pytest.approx(llh, rel=1e-8)


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.05])
def test_closed_form_gradient_against_finite_differences(
    shift: float, theta: np.ndarray, measurements: pd.DataFrame
) -> None:
    theta, step = theta + shift, 1e-5
    differences = [
        np.subtract(*(llh_and_gradient(x, measurements)[0] for x in (theta + d, theta - d)))
        / (2 * step)
        for d in step * np.eye(theta.size)
    ]
    gradient = llh_and_gradient(theta, measurements)[1]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6)
