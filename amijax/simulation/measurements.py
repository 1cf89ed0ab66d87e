"""Measurements as AMICI's ExpData and in the table's order, without walking through them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amijax.models.noise_model import NoiseModel
from amijax.models.plan import ModelPlan, SimulationPlan
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


class MeasuredNoise(NamedTuple):
    """The measurements in the order of the measurement table, and how they scatter.

    Attributes:
        measurements: shape (n,).
        sigma: their noise scales where the table gives them as numbers, else NaN; shape (n,).
        models: the noise models that occur, each with the positions of its measurements.
    """

    measurements: FloatArray
    sigma: FloatArray
    models: tuple[tuple[NoiseModel, np.ndarray], ...]


def measured_noise(plan: ModelPlan, measurements: FloatArray) -> MeasuredNoise:
    """Look up the noise of all measurements.

    Args:
        plan: what became of the problem.
        measurements: of the measurement table, shape (n,).
    """
    names = [observable.distribution for observable in plan.observables]
    different = sorted(set(names))
    kind_of = np.array([different.index(name) for name in names], dtype=np.intp)
    kind, sigma = np.zeros(measurements.size, dtype=np.intp), np.full(measurements.size, np.nan)
    for simulation in plan.simulations:
        kind[simulation.rows] = kind_of[simulation.observables]
        sigma[simulation.rows] = simulation.sigma
    models = [
        (NoiseModel.named(name), np.flatnonzero(kind == i)) for i, name in enumerate(different)
    ]
    return MeasuredNoise(
        measurements, sigma, tuple((model, rows) for model, rows in models if rows.size)
    )
