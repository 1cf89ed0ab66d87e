"""Measurements as arrays for AMICI: each one of the table once, at its time and observable."""

import re
from collections import Counter

import numpy as np
import pytest

from amijax import load_problem
from amijax.models.plan import SimulationPlan
from amijax.models.source import model_source
from amijax.simulation.measurements import data_arrays

EMBEDDED = [
    "Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff", "Harvested_Stock",
    "Constant_Ligand", "Inhibited_Conversion", "Infused_Tracer",
]  # fmt: skip
# Replicates, numeric noise parameters, preequilibration, postequilibration (time inf), several
# overrides of one observable in a simulation.
COLLECTION = [
    "Bruno_JExpBot2016", "Brannmark_JBC2010", "Blasi_CellSystems2016", "Weber_BMC2015",
    "Fiedler_BMCSystBiol2016",
]  # fmt: skip


@pytest.mark.parametrize(
    "problem_id",
    [*EMBEDDED, *[pytest.param(name, marks=pytest.mark.collection) for name in COLLECTION]],
)
def test_each_measurement_stands_once(problem_id, request):
    if problem_id in COLLECTION:
        request.getfixturevalue("collection")
    problem = load_problem(problem_id)
    plan, table = model_source(problem).plan, problem.measurements.reset_index(drop=True)
    rows_seen = []
    for simulation in plan.simulations:
        rows = rows_of(table, simulation)
        np.testing.assert_array_equal(simulation.rows, rows.index)
        rows_seen += list(rows.index)
        data = data_arrays(
            simulation, table["time"].to_numpy(float), table["measurement"].to_numpy(float),
            len(plan.observables),
        )  # fmt: skip
        assert (data.times[:-1] <= data.times[1:]).all()
        places = list(zip(data.at, simulation.observables, strict=True))
        assert len(set(places)) == len(rows)
        needed: Counter = Counter()
        for (_, row), (at, column) in zip(rows.iterrows(), places, strict=True):
            assert plan.observables[column].observable == row["observableId"]
            assert data.times[at] == row["time"]
            assert data.measurements[at, column] == row["measurement"]
            np.testing.assert_equal(data.sigma[at, column], numeric_sigma(problem, row))
            needed[row["time"], column] += 1
        assert np.isfinite(data.measurements).sum() == len(rows)
        assert np.isfinite(data.sigma).sum() <= len(rows)
        for time, count in Counter(data.times.tolist()).items():
            assert count == max(n for (t, _), n in needed.items() if t == time)
        # Replicates keep the order of the table.
        for place in needed:
            same = [at for at, column in places if (data.times[at], column) == place]
            assert same == sorted(same)
    assert sorted(rows_seen) == list(table.index)


def rows_of(table, simulation):
    """A simulation's rows, by what the table says."""
    mine = table["simulationConditionId"] == simulation.condition
    if "preequilibrationConditionId" in table:
        before = table["preequilibrationConditionId"].fillna("")
        mine &= before == (simulation.preequilibration or "")
    return table[mine]


def numeric_sigma(problem, row):
    """The noise scale where the formula is a placeholder and the cell a known number, else NaN."""
    formula = str(problem.observables.at[row["observableId"], "noiseFormula"])
    cell = str(row.get("noiseParameters", ""))
    cell = str(problem.fixed_parameters.get(cell, cell))
    repeats = re.fullmatch(rf"\s*noiseParameter1_{row['observableId']}\s*", formula)
    return float(cell) if repeats and re.fullmatch(r"[-+.\deE]+", cell) else np.nan


def test_replicates_keep_their_order_and_missing_data_are_nan():
    nan = np.nan
    plan = SimulationPlan(
        condition="c",
        preequilibration=None,
        values={},
        reset=(),
        rows=np.array([0, 1, 2, 4, 5]),
        observables=np.array([1, 0, 0, 0, 1]),
        sigma=np.array([0.5, nan, 0.2, 0.3, nan]),
        has_value=np.ones(2, bool),
        has_scale=np.ones(2, bool),
    )
    times = np.array([1.0, 0.0, 1.0, 9.0, 1.0, np.inf])
    measurements = np.array([5.0, 1.0, 2.0, 9.0, 3.0, 7.0])
    times, data, sigma, at = data_arrays(plan, times, measurements, 2)
    np.testing.assert_array_equal(times, [0, 1, 1, np.inf])
    np.testing.assert_array_equal(data, [[1, nan], [2, 5], [3, nan], [nan, 7]])
    np.testing.assert_array_equal(sigma, [[nan, nan], [0.2, 0.5], [0.3, nan], [nan, nan]])
    np.testing.assert_array_equal(at, [1, 0, 1, 2, 3])
