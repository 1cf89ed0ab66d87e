"""ExpData from arrays: the same as AMICI makes row by row."""

import numpy as np
import pandas as pd
import pytest
from amici.sim.sundials.petab.v1 import create_edatas

from amijax import get_model, load_problem
from amijax.logs import quiet_amici
from amijax.simulation.measurements import data_arrays, measured_edatas

EMBEDDED = ["Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff"]
# Replicates, numeric noise parameters, preequilibration, postequilibration (time inf).
COLLECTION = ["Bruno_JExpBot2016", "Brannmark_JBC2010", "Blasi_CellSystems2016", "Weber_BMC2015"]


@pytest.mark.parametrize(
    "problem_id",
    [*EMBEDDED, *[pytest.param(name, marks=pytest.mark.collection) for name in COLLECTION]],
)
def test_equal_to_amicis(problem_id, request):
    if problem_id in COLLECTION:
        request.getfixturevalue("collection")
    problem = load_problem(problem_id)
    model = get_model(problem).load()
    quiet_amici()
    expected = create_edatas(
        amici_model=model,
        petab_problem=problem.petab_problem,
        simulation_conditions=problem.simulation_conditions,
    )
    for ours, theirs in zip(measured_edatas(problem, model), expected, strict=True):
        assert ours.id == theirs.id
        assert ours.get_timepoints() == theirs.get_timepoints()
        np.testing.assert_array_equal(ours.get_measurements(), theirs.get_measurements())
        np.testing.assert_array_equal(ours.get_noise_scales(), theirs.get_noise_scales())
        assert ours.reinitialization_state_idxs_sim == theirs.reinitialization_state_idxs_sim


def test_replicates_keep_their_order_and_missing_data_are_nan():
    table = pd.DataFrame(
        {
            "observableId": ["b", "a", "a", "a", "b"],
            "time": [1.0, 0.0, 1.0, 1.0, np.inf],
            "measurement": [5.0, 1.0, 2.0, 3.0, 7.0],
            "noiseParameters": [0.5, "s", 0.2, 0.3, np.nan],
        }
    )
    times, data, sigma = data_arrays(table, ["a", "b"])
    nan = np.nan
    np.testing.assert_array_equal(times, [0, 1, 1, np.inf])
    np.testing.assert_array_equal(data, [[1, nan], [2, 5], [3, nan], [nan, 7]])
    np.testing.assert_array_equal(sigma, [[nan, nan], [0.2, 0.5], [0.3, nan], [nan, nan]])
