"""libRoadRunner as a witness: the user's SBML under each condition, by a simulator of its own.

Nothing is shared with AMICI's import or this project's translation: SBML goes to libRoadRunner as
it is in the user's file, with the numbers of PEtab's tables put in, and PEtab's own functions turn
what it simulates into the log-likelihood. Run in a process of its own (`roadrunner_process`):
libRoadRunner holds Python's lock while it works.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from petab.v1 import C

from amijax.audit.formulas import Measured, measured_groups, row_llhs
from amijax.audit.sbml_conditions import SbmlModel
from amijax.audit.testimony import OutOfReachError
from amijax.problems.files import read_files
from amijax.problems.limits import LOCAL_LIMITS
from amijax.problems.petab_yaml import read_petab_yaml
from amijax.problems.problem import Problem
from amijax.scales import FloatArray

MAX_STEPS = 1_000_000
# A steady state is what the states have when a tenfold time changes them by no more than this.
_STEADY = 1e-11
_SMALL = 1e-6  # states smaller than this, relative to the largest, are compared with that
_JUST_BEFORE = -1e-9  # of the simulated length: time 0 itself belongs to the simulation
_FIRST_TIME, _LAST_TIME = 10.0, 1e13


class RoadRunnerProblem:
    """A problem as libRoadRunner simulates it."""

    def __init__(self, problem: Problem) -> None:
        """Read a problem's SBML file anew and PEtab's tables.

        Raises:
            ImportError: libRoadRunner is not installed.
            OutOfReachError: the problem has something that can't be expressed here.
            ProblemError: its files are not there any more.
        """
        import roadrunner

        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
        self._roadrunner = roadrunner
        self._problem = problem
        self._model = SbmlModel(_sbml(problem), restarts=problem.petab_version == "2")
        self._groups = measured_groups(problem.measurements, problem.observables)
        self._conditions = problem.conditions
        self._columns = [c for c in problem.conditions if c != C.CONDITION_NAME]
        self._rows = _simulations(problem)

    def llh(self, theta: ArrayLike, rtol: float, atol: float) -> float:
        """The log-likelihood; no derivative.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            rtol: libRoadRunner's (CVODE's) relative tolerance.
            atol: its absolute tolerance.

        Raises:
            OutOfReachError: it can't be simulated here.
        """
        problem = self._problem
        table = dict(
            zip(problem.parameter_ids, problem.linear(problem.checked(theta)), strict=True)
        )
        table.update(problem.fixed_parameters)
        n_rows = problem.n_measurements
        values, noise = np.full(n_rows, np.nan), np.full(n_rows, np.nan)
        times = problem.measurements[C.TIME].to_numpy(dtype=np.float64)
        self._fill_all(table, times, (values, noise), rtol, atol)
        if not (np.isfinite(values).all() and np.isfinite(noise).all()):
            raise OutOfReachError("libRoadRunner's simulation has values that are not finite.")
        llhs = row_llhs(problem.measurements, problem.observables, values, noise)
        total = float(np.sum(list(llhs)))
        if not math.isfinite(total):
            raise OutOfReachError("llh by libRoadRunner's simulation is not finite.")
        return total

    def _fill_all(
        self,
        table: Mapping[str, float],
        times: FloatArray,
        results: tuple[FloatArray, FloatArray],
        rtol: float,
        atol: float,
    ) -> None:
        """Fill in observables and noise of all measurements."""
        steady: dict[str, tuple[dict[str, float], dict[str, float]]] = {}
        for (condition, pre), rows in self._rows.items():
            if pre and pre not in steady:
                steady[pre] = self._steady_state(self._given(pre, table), rtol, atol)
            text = self._text(condition, table, steady.get(pre))
            self._simulate(text, table, rows, times, results, rtol, atol)

    def _given(self, condition: str, table: Mapping[str, float]) -> dict[str, float]:
        """What parameter and condition table say of the model's quantities."""
        model = self._model
        values = {name: value for name, value in table.items() if model.has(name)}
        if condition not in self._conditions.index:
            return values
        for column in self._columns:
            value = self._number(self._conditions.at[condition, column], table)
            if value is not None:
                values[column] = value
        return values

    def _number(self, cell: Any, table: Mapping[str, float]) -> float | None:
        try:
            value = float(cell)
        except (TypeError, ValueError):
            name = str(cell).strip()
            if name in ("", "None"):
                return None
            if name in table:
                return table[name]
            parameter = self._model.model.getParameter(name)
            if parameter is None or name in self._columns or name in self._model.rules:
                raise OutOfReachError(f"a condition sets a quantity to {name}.") from None
            return float(parameter.getValue())
        return None if math.isnan(value) else value

    def _text(
        self,
        condition: str,
        table: Mapping[str, float],
        steady: tuple[dict[str, float], dict[str, float]] | None,
    ) -> str:
        """The model for one simulation, which goes on from a steady state where there is one."""
        values = self._given(condition, table)
        if steady is None:
            return self._model.text(values)
        amounts, others = steady
        row = self._conditions.loc[condition]
        reset = {column for column in self._columns if self._number(row[column], table) is not None}
        if any(self._model.model.getCompartment(name) for name in {*reset, *others}):
            raise OutOfReachError("a compartment changes after preequilibration.")
        kept = {name: value for name, value in others.items() if name not in reset}
        return self._model.text(
            {**values, **kept},
            {name: amount for name, amount in amounts.items() if name not in reset},
        )

    def _load(self, text: str, rtol: float, atol: float) -> Any:
        try:
            runner = self._roadrunner.RoadRunner(text)
        except RuntimeError as error:
            raise OutOfReachError(f"libRoadRunner can't load the model: {_first(error)}") from error
        runner.integrator.relative_tolerance = rtol
        runner.integrator.absolute_tolerance = atol
        runner.integrator.maximum_num_steps = MAX_STEPS
        return runner

    def _steady_state(
        self, values: Mapping[str, float], rtol: float, atol: float
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Amounts of species and values of other states in a steady state.

        PEtab leaves open what time is during preequilibration; here it is before 0, so that what
        happens at a time of the simulation has not happened yet.
        """
        if self._model.uses_time:
            text = self._model.text_before_zero(values)
            runner = self._settle_before_zero(text, rtol, atol)
        else:
            runner = self._load(self._model.text(values), rtol, atol)
            self._settle(runner, 0.0)
        species = [name for name in self._model.states if self._model.is_species(name)]
        others = [name for name in self._model.states if not self._model.is_species(name)]
        return ({n: float(runner[n]) for n in species}, {n: float(runner[n]) for n in others})

    def _settle_before_zero(self, text: str, rtol: float, atol: float) -> Any:
        """Simulate from ever earlier times until that changes nothing."""
        names = list(self._model.states)
        before: FloatArray | None = None
        largest = 0.0
        length = _FIRST_TIME
        while length <= _LAST_TIME:
            runner = self._load(text, rtol, atol)
            self._run(runner, [-length, _JUST_BEFORE * length], names)
            now = np.array([runner[name] for name in names])
            if before is not None and _is_same(now, before, largest):
                return runner
            largest = max(largest, float(np.abs(now).max(initial=0.0)))
            before, length = now, 10.0 * length
        raise OutOfReachError("libRoadRunner's simulation reaches no steady state before time 0.")

    def _settle(self, runner: Any, start: float) -> None:
        """Simulate until nothing changes."""
        names = list(self._model.states)
        if not names:
            return
        before = np.array([runner[name] for name in names])
        largest = float(np.abs(before).max(initial=0.0))
        time = start
        end = max(_FIRST_TIME, 10.0 * start)
        while end <= _LAST_TIME:
            self._run(runner, [time, end], names)
            now = np.array([runner[name] for name in names])
            if _is_same(now, before, largest):
                return
            before, time, end = now, end, 10.0 * end
        raise OutOfReachError("libRoadRunner's simulation reaches no steady state.")

    def _simulate(
        self,
        text: str,
        table: Mapping[str, float],
        rows: frozenset[int],
        times: FloatArray,
        results: tuple[FloatArray, FloatArray],
        rtol: float,
        atol: float,
    ) -> None:
        """Fill in observables and noise of one simulation's measurements."""
        groups = [(group, np.array([r for r in group.rows if r in rows])) for group in self._groups]
        groups = [(group, mine) for group, mine in groups if len(mine)]
        names = sorted({s for group, _ in groups for s in group.symbols if self._model.has(s)})
        runner = self._load(text, rtol, atol)
        every = np.unique(times[sorted(rows)])
        finite = every[np.isfinite(every)]
        grid = np.unique(np.append(0.0, finite))
        frame = self._run(runner, grid.tolist(), names)
        if np.isinf(every).any():
            self._settle(runner, float(grid[-1]))
            last = [float(runner[self._model.selection(name)]) for name in names]
            frame = np.vstack([frame, last])
            grid = np.append(grid, np.inf)
        for group, mine in groups:
            at = np.searchsorted(grid, times[mine])
            symbols = {name: frame[at, i] for i, name in enumerate(names)}
            symbols["time"] = times[mine]
            self._fill(group, mine, {**table, **symbols}, results)

    def _fill(
        self,
        group: Measured,
        mine: np.ndarray,
        symbols: Mapping[str, Any],
        results: tuple[FloatArray, FloatArray],
    ) -> None:
        if missing := group.symbols - set(symbols):
            raise OutOfReachError(f"{sorted(missing)[0]} of a formula is not in the model.")
        with np.errstate(all="ignore"):
            results[0][mine] = np.real_if_close(group.value(symbols))
            results[1][mine] = np.real_if_close(group.noise(symbols))

    def _run(self, runner: Any, times: Sequence[float], names: Sequence[str]) -> FloatArray:
        """Simulate; what is selected at each time, shape (n_times, n_names)."""
        selections = ["time", *(self._model.selection(name) for name in names)]
        if len(times) == 1:  # libRoadRunner wants an interval
            return np.array([[float(runner[name]) for name in selections[1:]]])
        try:
            result = runner.simulate(times=list(times), selections=selections)
        except RuntimeError as error:
            raise OutOfReachError(f"libRoadRunner's solver gave up: {_first(error)}") from error
        table = np.array(result)
        if table.shape[0] != len(times):
            raise OutOfReachError("libRoadRunner's output has other times than were asked for.")
        return table[:, 1:]


def _is_same(now: FloatArray, before: FloatArray, largest: float) -> bool:
    size = np.maximum(np.abs(now), _SMALL * max(largest, np.abs(now).max(initial=0.0)))
    return bool((np.abs(now - before) <= _STEADY * size).all())


def _sbml(problem: Problem) -> bytes:
    """The user's SBML file as it is."""
    files = read_files(problem.source)
    name = problem.source.name
    named = read_petab_yaml(files[name], name, LOCAL_LIMITS)
    if named.mappings:
        raise OutOfReachError("the problem has a mapping table.")
    return files[named.model]


def _simulations(problem: Problem) -> dict[tuple[str, str], frozenset[int]]:
    """Rows of the measurement table by condition and preequilibration condition ("" for none)."""
    table = problem.measurements
    empty = [""] * len(table)
    pre = (
        ["" if pd.isna(c) else str(c) for c in table[C.PREEQUILIBRATION_CONDITION_ID]]
        if C.PREEQUILIBRATION_CONDITION_ID in table
        else empty
    )
    rows: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(zip(table[C.SIMULATION_CONDITION_ID].astype(str), pre, strict=True)):
        rows.setdefault(key, []).append(i)
    return {key: frozenset(members) for key, members in rows.items()}


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
