"""Measurements as AMICI's ExpData, without walking through them in Python."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amijax.models.plan import SimulationPlan
from amijax.scales import FloatArray


class DataArrays(NamedTuple):
    """The measurements of one simulation as AMICI wants them.

    A time point stands as often as its most replicated observable; replicates keep their order.

    Attributes:
        times: shape (n_times,), ascending.
        measurements: shape (n_times, n_observables), NaN where there is none.
        sigma: the same shape, NaN where the noise scale is not a number of the table.
        at: for each measurement its position in `times`, in the table's order.
    """

    times: FloatArray
    measurements: FloatArray
    sigma: FloatArray
    at: np.ndarray


def data_arrays(
    plan: SimulationPlan, times: FloatArray, measurements: FloatArray, n_observables: int
) -> DataArrays:
    """Arrange the measurements of one simulation.

    Args:
        plan: the simulation.
        times: of all measurements of the problem, shape (n,).
        measurements: the same.
        n_observables: of the compiled model.
    """
    time, column = times[plan.rows], plan.observables
    unique, which = np.unique(time, return_inverse=True)
    replicate = _replicates(which * n_observables + column)
    replicates = np.zeros(unique.size, dtype=np.intp)
    np.maximum.at(replicates, which, replicate + 1)
    first = np.concatenate([[0], np.cumsum(replicates)[:-1]]).astype(np.intp)
    data = np.full((int(replicates.sum()), n_observables), np.nan)
    sigma = data.copy()
    at = first[which] + replicate
    data[at, column] = measurements[plan.rows]
    sigma[at, column] = plan.sigma
    return DataArrays(np.repeat(unique, replicates), data, sigma, at)


def _replicates(keys: np.ndarray) -> np.ndarray:
    """For each entry, how many equal ones come before it."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.arange(keys.size) - np.repeat(starts, np.diff(np.r_[starts, keys.size]))
    result = np.empty(keys.size, dtype=np.intp)
    result[order] = counts
    return result
