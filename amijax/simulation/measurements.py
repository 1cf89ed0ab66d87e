"""Measurement tables as AMICI's ExpData, without walking through their rows in Python."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from amici.sim.sundials.petab.v1 import create_edatas
from petab.v1 import C

from amijax.problems.problem import Problem


def measured_edatas(problem: Problem, model: Any) -> list[Any]:
    """One ExpData for each simulation condition, with data but without parameters.

    The same as AMICI's `create_edatas` gives, which visits each measurement on its own and takes
    20 s for the 27 132 of Beer_MolBioSystems2014: it makes the objects here, from one
    measurement each, and is given the data as arrays.

    Args:
        problem: the PEtab problem.
        model: its AMICI model.
    """
    table = problem.measurements
    by_condition = {C.SIMULATION_CONDITION_ID: table[C.SIMULATION_CONDITION_ID]}
    if C.PREEQUILIBRATION_CONDITION_ID in problem.simulation_conditions:
        preequilibration = table[C.PREEQUILIBRATION_CONDITION_ID].fillna("")
        by_condition[C.PREEQUILIBRATION_CONDITION_ID] = preequilibration
    groups = table.groupby(list(by_condition.values()), sort=False, dropna=False)
    reduced = copy.copy(problem.petab_problem)
    reduced.measurement_df = groups.head(1)
    edatas: list[Any] = create_edatas(
        amici_model=model,
        petab_problem=reduced,
        simulation_conditions=problem.simulation_conditions,
    )
    observables = model.get_observable_ids()
    for edata, (_, row) in zip(edatas, problem.simulation_conditions.iterrows(), strict=True):
        key = tuple("" if pd.isna(row[name]) else row[name] for name in by_condition)
        times, data, sigma = data_arrays(groups.get_group(key), observables)
        edata.set_timepoints(times)
        edata.set_measurements(data.ravel())
        edata.set_noise_scales(sigma.ravel())
    return edatas


def data_arrays(
    table: pd.DataFrame, observable_ids: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time points, measurements and noise scales of one condition, as AMICI wants them.

    A time point stands as often as its most replicated observable; replicates keep their order.

    Args:
        table: the condition's rows of PEtab's measurement table.
        observable_ids: the model's observables, in order.

    Returns:
        Arrays of shape (n_times,), (n_times, n_observables) and again; NaN where there is no
        measurement, or where the noise scale is not a number in the table.
    """
    time = table[C.TIME].to_numpy(dtype=np.float64)
    column = pd.Index(observable_ids).get_indexer(table[C.OBSERVABLE_ID])
    replicate = table.groupby([time, column]).cumcount().to_numpy()
    unique, which = np.unique(time, return_inverse=True)
    replicates = np.zeros(unique.size, dtype=np.intp)
    np.maximum.at(replicates, which, replicate + 1)
    first = np.concatenate([[0], np.cumsum(replicates)[:-1]])
    data = np.full((replicates.sum(), len(observable_ids)), np.nan)
    sigma = data.copy()
    at = (first[which] + replicate, column)
    data[at] = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    if C.NOISE_PARAMETERS in table:
        sigma[at] = [
            value if isinstance(value, numbers.Number) else np.nan
            for value in table[C.NOISE_PARAMETERS]
        ]
    return np.repeat(unique, replicates), data, sigma
