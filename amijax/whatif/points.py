"""Measurements beside their simulation: residuals, and each one's share of the log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from petab.v1 import C

from amijax.models.noise_model import NoiseModel
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.whatif.layout import Layout


@dataclass(frozen=True, eq=False)
class MeasuredPoints:
    """Measurements and what the model says of them, all arrays of shape (n,).

    Simulations and noise scales come from a simulation of exactly the measured times, as for the
    likelihood. After a failure, what depends on it is NaN.

    Attributes:
        row: position in the problem's measurement table.
        condition: position in `labels`.
        observable: position in `observable_ids`.
        time: `inf` in a steady state.
        measurement, simulation: on linear scale.
        sigma: noise scale, on the scale of the noise model.
        residual: (measurement - simulation) / sigma, on the scale of the noise model.
        llh: the measurement's share of the log-likelihood.
        replicate: PEtab's replicateId, empty where there is none.
        labels: the simulations' names.
        observable_ids: the observables' ids.
    """

    row: np.ndarray
    condition: np.ndarray
    observable: np.ndarray
    time: FloatArray
    measurement: FloatArray
    simulation: FloatArray
    sigma: FloatArray
    residual: FloatArray
    llh: FloatArray
    replicate: np.ndarray
    labels: tuple[str, ...]
    observable_ids: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """All of it as a table, one row for each measurement."""
        return pd.DataFrame(
            {
                "condition": np.array(self.labels, dtype=object)[self.condition],
                "observable": np.array(self.observable_ids, dtype=object)[self.observable],
                "replicate": self.replicate,
                "time": self.time,
                "measurement": self.measurement,
                "simulation": self.simulation,
                "sigma": self.sigma,
                "residual": self.residual,
                "llh": self.llh,
            },
            index=pd.Index(self.row, name="row"),
        )

    def by_observable(self) -> pd.DataFrame:
        """Each observable's share of the log-likelihood, and its number of measurements."""
        return self._shares(self.observable, self.observable_ids, "observable")

    def by_condition(self) -> pd.DataFrame:
        """Each condition's share of the log-likelihood, and its number of measurements."""
        return self._shares(self.condition, self.labels, "condition")

    def _shares(self, which: np.ndarray, names: tuple[str, ...], title: str) -> pd.DataFrame:
        n = len(names)
        return pd.DataFrame(
            {
                "llh": np.bincount(which, weights=self.llh, minlength=n),
                "measurements": np.bincount(which, minlength=n),
            },
            index=pd.Index(names, name=title, dtype=object),
        )


def compare_shares(now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Shares of the log-likelihood and what became of them, the largest change first.

    Args:
        now: from `MeasuredPoints.by_observable` or `by_condition`.
        before: likewise, at the point compared with.

    Returns:
        Columns llh, change (now - before) and measurements; ties in the problem's order.
    """
    table = now.assign(change=now["llh"] - before["llh"])[["llh", "change", "measurements"]]
    return table.sort_values("change", key=np.abs, ascending=False, kind="stable")


@dataclass(frozen=True, eq=False)
class PointTable:
    """What does not depend on theta of a problem's measurements: ordered by condition.

    Attributes:
        points: with NaN for all that the model says.
        at: each measurement's position in its condition's measured times.
        first: where each condition's measurements begin, and their number at the end.
        noise: the observables' noise models.
    """

    points: MeasuredPoints
    at: np.ndarray
    first: np.ndarray
    noise: tuple[NoiseModel, ...]

    @classmethod
    def of(
        cls, problem: Problem, layouts: Sequence[Layout], labels: Sequence[str],
        observable_ids: tuple[str, ...], noise: tuple[NoiseModel, ...],
    ) -> PointTable:  # fmt: skip
        """Look the measurements up.

        Args:
            problem: gives the measurement table.
            layouts: of all simulations.
            labels: their names.
            observable_ids: the model's observables.
            noise: their noise models.
        """
        table = problem.measurements
        sizes = [layout.rows.size for layout in layouts]
        row = np.concatenate([layout.rows for layout in layouts])
        unknown = np.full(row.size, np.nan)
        replicate = np.full(row.size, "", dtype=object)
        if C.REPLICATE_ID in table:
            names = table[C.REPLICATE_ID].astype(object).fillna("").to_numpy()[row]
            replicate = np.array([str(name) for name in names], dtype=object)
        points = MeasuredPoints(
            row=row,
            condition=np.repeat(np.arange(len(sizes)), sizes),
            observable=np.concatenate([layout.observable for layout in layouts]),
            time=table[C.TIME].to_numpy(dtype=np.float64)[row],
            measurement=table[C.MEASUREMENT].to_numpy(dtype=np.float64)[row],
            simulation=unknown,
            sigma=unknown,
            residual=unknown,
            llh=unknown,
            replicate=replicate,
            labels=tuple(labels),
            observable_ids=observable_ids,
        )
        at = np.concatenate([layout.at for layout in layouts])
        return cls(points, at, np.cumsum([0, *sizes]), noise)

    def beside(
        self, chosen: Sequence[int], simulated: Sequence[tuple[FloatArray, FloatArray]]
    ) -> MeasuredPoints:
        """The measurements of chosen conditions beside their simulation.

        Args:
            chosen: the conditions' positions.
            simulated: for each of them the observables and the noise scales at its measured
                times, both of shape (n_measured, n_y).
        """
        everything = self.points
        if list(chosen) != list(range(len(self.first) - 1)):
            everything = self._only(chosen)
        observable = everything.observable
        parts = []
        for i, (y, sigma) in zip(chosen, simulated, strict=True):
            here = slice(self.first[i], self.first[i + 1])
            where = (self.at[here], self.points.observable[here])
            parts.append((y[where], sigma[where]))
        simulation = np.concatenate([np.empty(0), *(y for y, _ in parts)])
        sigma = np.concatenate([np.empty(0), *(s for _, s in parts)])
        residual, llh = np.empty(observable.size), np.empty(observable.size)
        measurement = everything.measurement
        for model in set(self.noise):
            which = np.array([other == model for other in self.noise])
            here = which[observable]
            values = (measurement[here], simulation[here], sigma[here])
            residual[here], llh[here] = model.residual(*values), model.llh(*values)
        return replace(everything, simulation=simulation, sigma=sigma, residual=residual, llh=llh)

    def _only(self, chosen: Sequence[int]) -> MeasuredPoints:
        sizes = [self.first[i + 1] - self.first[i] for i in chosen]
        take = np.concatenate(
            [np.empty(0, np.intp), *(np.arange(self.first[i], self.first[i + 1]) for i in chosen)]
        )
        points = self.points
        return replace(
            points,
            row=points.row[take],
            condition=np.repeat(np.arange(len(chosen)), sizes),
            observable=points.observable[take],
            time=points.time[take],
            measurement=points.measurement[take],
            replicate=points.replicate[take],
            labels=tuple(points.labels[i] for i in chosen),
        )
