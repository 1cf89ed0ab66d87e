"""Times for drawing: what to simulate beside the measured times, and how both become one course."""

from __future__ import annotations

from typing import Any, NamedTuple

import amici.sim.sundials as sundials
import numpy as np
from petab.v1 import C

from amijax.models.plan import SimulationPlan
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.measurements import DataArrays, data_arrays
from amijax.simulation.simulator import Simulator

_WIDE = 1e3

NO_COURSE = "Measured at the start only: there is no time course."
STEADY_STATE_ONLY = "Measured in steady state (time inf) only: there is no time course."
STEADY_STATE_TOO = "The last point is the steady state (time inf)."


class Layout(NamedTuple):
    """How one condition is simulated for drawing.

    AMICI stops the solver at each output, so other outputs mean other steps. Measured times are
    therefore simulated on their own, as for the likelihood; the times between them in another
    simulation, if there are any.

    Attributes:
        condition, preequilibration: PEtab's ids, the latter None where there is none.
        measured: AMICI's ExpData of the likelihood.
        between: AMICI's ExpData of the other times, None if there are none.
        times: all of them, ascending, each once; shape (n_t,).
        order: positions of these times in the measured ones followed by the others.
        unknown: observables of which no measurement here gives the overrides; shape (n_y,).
        has_scale: observables whose noise scale the model has; shape (n_y,).
        measured_sigma, between_sigma: the noise scale of the others, which measurements give as a
            number, at measured times and between them; NaN where they give several numbers, or
            none. Shapes (n_measured, n_y) and (n_y,).
        note: what is unusual about the times, empty if nothing is.
        rows, at, observable: for each measurement its position in the problem's measurement
            table, in the measured times, and in the model's observables; in the table's order.
    """

    condition: str
    preequilibration: str | None
    measured: Any
    between: Any | None
    times: FloatArray
    order: np.ndarray
    unknown: np.ndarray
    has_scale: np.ndarray
    measured_sigma: FloatArray
    between_sigma: FloatArray
    note: str
    rows: np.ndarray
    at: np.ndarray
    observable: np.ndarray


def times_between(measured: FloatArray, start: float, points: int) -> FloatArray:
    """Times to simulate so that the course is smooth; those the measured ones stand for left out.

    There are up to `points` from the start to the last finite measured time: half of them evenly
    spaced, half logarithmically, for fast transients and for logarithmic axes; these begin at the
    first measured time, or at a thousandth of the last if that is earlier.

    Args:
        measured: any order, repeated, `inf` for a steady state; shape (n,).
        start: when the simulation starts.
        points: how many times there are at most.
    """
    known = np.unique(measured[np.isfinite(measured)])
    later = known[known > start]
    if not later.size:
        return np.empty(0)
    last = later[-1] - start
    earliest = min(later[0] - start, last / _WIDE)
    grid = start + np.union1d(
        np.linspace(0.0, last, points // 2), np.geomspace(earliest, last, points - points // 2)
    )
    grid = grid[grid <= later[-1]]
    spacing = np.gradient(grid)
    after = np.searchsorted(known, grid)  # the measured time at or after each
    right = known[np.minimum(after, known.size - 1)]
    left = np.where(after > 0, known[np.maximum(after - 1, 0)], -np.inf)
    apart = np.minimum(grid - left, right - grid) > 1e-3 * spacing
    return grid[apart & (right - left > spacing)]


def layouts(problem: Problem, simulator: Simulator, points: int) -> tuple[Layout, ...]:
    """The layout of each simulation, in order.

    Args:
        problem: gives the measurements.
        simulator: the problem's.
        points: see `times_between`.
    """
    times = problem.measurements[C.TIME].to_numpy(dtype=np.float64)
    measurements = problem.measurements[C.MEASUREMENT].to_numpy(dtype=np.float64)
    n_observables = len(simulator.plan.observables)
    found = []
    for plan, edata in zip(simulator.plan.simulations, simulator.edatas, strict=True):
        data = data_arrays(plan, times, measurements, n_observables)
        found.append(_layout(plan, data, edata, plan.start, points))
    return tuple(found)


def _layout(
    plan: SimulationPlan, data: DataArrays, edata: Any, start: float, points: int
) -> Layout:
    measured, sigma = data.times, data.sigma
    between = times_between(measured, start, points)
    both = np.concatenate([measured, between])
    times, order = np.unique(both, return_index=True)
    known = ~np.isnan(sigma)
    lowest = np.where(known, sigma, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, sigma, -np.inf).max(axis=0, initial=-np.inf)
    single = np.where(lowest == highest, lowest, np.nan)
    return Layout(
        condition=plan.condition,
        preequilibration=plan.preequilibration,
        measured=edata,
        between=_at_times(edata, between, single),
        times=times,
        order=order,
        unknown=~plan.has_value,
        has_scale=plan.has_scale,
        measured_sigma=np.where(known, sigma, single),
        between_sigma=single,
        note=_note(measured, start),
        rows=plan.rows,
        at=data.at,
        observable=plan.observables,
    )


def _at_times(edata: Any, times: FloatArray, sigma: FloatArray) -> Any | None:
    """The same simulation without measurements at other times, with each observable's sigma."""
    if not times.size:
        return None
    other = sundials.ExpData(edata)
    other.set_timepoints(times)
    other.set_measurements(np.full(times.size * sigma.size, np.nan))
    other.set_noise_scales(np.tile(sigma, times.size))
    return other


def _note(measured: FloatArray, start: float) -> str:
    steady = np.isinf(measured).any()
    if (measured[np.isfinite(measured)] > start).any():
        return STEADY_STATE_TOO if steady else ""
    return STEADY_STATE_ONLY if steady else NO_COURSE
