"""PEtab v2's experiments by libRoadRunner: one simulation for each period, from the user's SBML.

Where a period begins, what libRoadRunner has of the model goes into a new copy of the user's model,
with what the period changes, and with time shifted so that the copy begins at its own time 0. None
of this project's translation to events and switches is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from petab.v1 import C
from petab.v1.math import sympify_petab

from amijax.audit.formulas import Measured
from amijax.audit.roadrunner import RoadRunnerProblem
from amijax.audit.testimony import OutOfReachError
from amijax.problems.experiments import Change, Experiment, Period
from amijax.scales import FloatArray

# Relative: so much before a period begins, events at its time have not happened yet.
_JUST_BEFORE = 1e-13


class ExperimentsProblem(RoadRunnerProblem):
    """A PEtab v2 problem as libRoadRunner simulates it."""

    def _fill_all(
        self,
        table: Mapping[str, float],
        times: FloatArray,
        results: tuple[FloatArray, FloatArray],
        rtol: float,
        atol: float,
    ) -> None:
        named = self._problem.measurements[C.SIMULATION_CONDITION_ID].astype(str).to_numpy()
        for experiment in self._problem.experiments:
            rows = np.flatnonzero(named == experiment.experiment_id)
            _Course(self, experiment, table, (rtol, atol)).fill(rows, times, results)


class _Course:
    """One experiment at one point."""

    def __init__(
        self,
        problem: ExperimentsProblem,
        experiment: Experiment,
        table: Mapping[str, float],
        tolerances: tuple[float, float],
    ) -> None:
        self._owner = problem
        self._model = problem._model
        self._table = dict(table)
        self._tolerances = tolerances
        self._outputs: dict[str, float] = {}  # what conditions give and the model does not have
        periods = list(experiment.periods) or [Period(0.0, (), ())]
        first = periods.pop(0)
        self._equilibrates = bool(np.isinf(first.time))
        self._begin = 0.0 if self._equilibrates else first.time
        if self._equilibrates and not periods:
            periods = [Period(0.0, (), ())]
        self._later = periods
        values = {name: value for name, value in table.items() if self._model.has(name)}
        given = self._evaluated(first.changes, None, self._begin)
        for name, value in given.items():
            (values if self._model.has(name) else self._outputs)[name] = value
        self._runner = self._load(self._model.text(values, offset=self._begin))

    def fill(
        self, rows: np.ndarray, times: FloatArray, results: tuple[FloatArray, FloatArray]
    ) -> None:
        """Fill in observables and noise of the experiment's measurements."""
        if self._equilibrates:
            self._owner._settle(self._runner, 0.0)
            self._go_on(self._later.pop(0))
        ends = [period.time for period in self._later]
        for period, end in zip([None, *self._later], [*ends, np.inf], strict=True):
            if period is not None:
                self._go_on(period)
            mine = rows[(times[rows] >= self._begin) & (times[rows] < end)]
            last = not np.isfinite(end)
            if last:
                mine = rows[times[rows] >= self._begin]
            self._simulate(mine, times, None if last else end, results)

    def _simulate(
        self,
        rows: np.ndarray,
        times: FloatArray,
        end: float | None,
        results: tuple[FloatArray, FloatArray],
    ) -> None:
        owner, model = self._owner, self._model
        groups = [(group, np.intersect1d(group.rows, rows)) for group in owner._groups]
        groups = [(group, mine) for group, mine in groups if len(mine)]
        names = sorted({s for group, _ in groups for s in group.symbols if model.has(s)})
        every = np.unique(times[rows])
        finite = every[np.isfinite(every)]
        grid = np.unique(np.append(self._begin, finite))
        if end is not None:
            length = end - self._begin
            grid = np.append(grid, end - _JUST_BEFORE * max(abs(end), length))
        frame = owner._run(self._runner, (grid - self._begin).tolist(), names)
        if np.isinf(every).any():
            owner._settle(self._runner, float(grid[-1] - self._begin))
            steady = [float(self._runner[model.selection(name)]) for name in names]
            frame, grid = np.vstack([frame, steady]), np.append(grid, np.inf)
        for group, mine in groups:
            self._fill_group(group, mine, times, grid, frame, names, results)

    def _fill_group(
        self,
        group: Measured,
        mine: np.ndarray,
        times: FloatArray,
        grid: FloatArray,
        frame: FloatArray,
        names: Sequence[str],
        results: tuple[FloatArray, FloatArray],
    ) -> None:
        at = np.searchsorted(grid, times[mine])
        symbols: dict[str, Any] = {**self._table, **self._outputs}
        symbols |= {name: frame[at, i] for i, name in enumerate(names)}
        symbols["time"] = times[mine]
        self._owner._fill(group, mine, symbols, results)

    def _go_on(self, period: Period) -> None:
        """Begin a period with what the one before left, and with what changes."""
        model, runner = self._model, self._runner
        given = self._evaluated(period.changes, runner, period.time)
        amounts, values = model.left_by(runner)
        for name, value in given.items():
            if not model.has(name):
                self._outputs[name] = value
                continue
            values[name] = value
            amounts.pop(name, None)
            for species in model.concentrations_in(name):  # which PEtab keeps, not amounts
                if species not in given:
                    values[species] = float(runner[model.selection(species)])
                amounts.pop(species, None)
        triggers = model.triggers_of(runner)
        self._begin = period.time
        self._runner = self._load(model.text(values, amounts, self._begin, triggers))

    def _evaluated(
        self, changes: Sequence[Change], runner: Any | None, time: float
    ) -> dict[str, float]:
        """The values that a period gives, by what they refer to before it."""
        found = {}
        for change in changes:
            formula = sympify_petab(change.value)
            known = {s: self._value(str(s), runner, time) for s in formula.free_symbols}
            value = complex(formula.subs(known))
            if value.imag:
                raise OutOfReachError(f"the value of {change.target} is no real number.")
            found[change.target] = value.real
        return found

    def _value(self, name: str, runner: Any | None, time: float) -> float:
        if name in self._table:
            return self._table[name]
        if name in self._outputs:
            return self._outputs[name]
        if self._model.has(name) and runner is not None:
            return float(runner[self._model.selection(name)])
        if name == "time":
            return time
        raise OutOfReachError(f"a first period refers to {name}, which has no value yet.")

    def _load(self, text: str) -> Any:
        return self._owner._load(text, *self._tolerances)
