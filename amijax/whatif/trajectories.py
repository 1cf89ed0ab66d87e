"""Time courses of observables and states in chosen conditions, with the measured points."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import amici.sim.sundials as sundials
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amijax.models.amici_internals import run_simulations
from amijax.models.noise_model import NoiseModel
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray
from amijax.simulation.evaluation import stopped
from amijax.simulation.failures import Failure, output_failure
from amijax.simulation.run import sensitivity_order
from amijax.simulation.settings import SolverSettings
from amijax.simulation.vectors import as_array
from amijax.whatif.layout import Layout, layouts
from amijax.whatif.points import MeasuredPoints, PointTable

POINTS = 200


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The time course of one condition; after a failure NaN from where it stopped.

    Observables and their noise scales are AMICI's, on linear scale whatever their
    observableTransformation, which is part of the noise model.

    Attributes:
        label: AMICI's name of the simulation, `condition` or `condition+preequilibration`.
        condition, preequilibration: PEtab's ids, the latter None where there is none.
        times: ascending, each once; `inf` is the steady state; shape (n_t,).
        observables: shape (n_t, n_y).
        sigmas: their noise scales, NaN where the measurement table knows them at measured times
            only; shape (n_t, n_y).
        states: shape (n_t, n_x), None if they were not asked for.
        llh: the condition's share of the log-likelihood; NaN after a failure.
        note: what is unusual about the times, empty if nothing is.
        failure: why there is no result or not all of it, None if there is.
    """

    label: str
    condition: str
    preequilibration: str | None
    times: FloatArray
    observables: FloatArray
    sigmas: FloatArray
    states: FloatArray | None
    llh: float
    note: str
    failure: Failure | None


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Time courses at a point, in the order of the chosen conditions.

    Attributes:
        problem_id: of the problem.
        theta: the point on the PEtab scale.
        observable_ids, state_ids: the columns.
        noise: each observable's noise model.
        conditions: the time courses.
        points: the measurements of these conditions with what the model says of them.
        solver: the settings used.
        wall_seconds: duration of the whole call.
    """

    problem_id: str
    theta: FloatArray
    observable_ids: tuple[str, ...]
    state_ids: tuple[str, ...]
    noise: tuple[NoiseModel, ...]
    conditions: tuple[Trajectory, ...]
    points: MeasuredPoints
    solver: SolverSettings
    wall_seconds: float

    @property
    def llh(self) -> float:
        """Log-likelihood of the chosen conditions; of all of them it is `objective.llh(theta)`
        (or, with sensitivities, that of `llh_and_gradient`), bit for bit. NaN if one failed.
        """
        return float(sum(condition.llh for condition in self.conditions))

    def frame(self) -> pd.DataFrame:
        """All time courses as a table: a row for each condition, time and observable."""
        parts = []
        for course in self.conditions:
            n_t, n_y = course.observables.shape
            parts.append(
                pd.DataFrame(
                    {
                        "condition": course.label,
                        "observable": np.tile(self.observable_ids, n_t),
                        "time": np.repeat(course.times, n_y),
                        "simulation": course.observables.ravel(),
                        "sigma": course.sigmas.ravel(),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    @property
    def measured(self) -> tuple[str, ...]:
        """Ids of the observables that were measured in a simulated condition, in their order."""
        found = set(self.points.observable.tolist())
        return tuple(name for i, name in enumerate(self.observable_ids) if i in found)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Of all conditions that have one."""
        return tuple(c.failure for c in self.conditions if c.failure is not None)


@dataclass(frozen=True)
class _Workspace:
    """What AMICI's setters mutate, hence one for each call under way."""

    solver: Any
    edatas: tuple[tuple[Any, ...], ...]


class TrajectorySimulator:
    """Simulates the time courses of an objective's conditions again and again.

    Everything that does not depend on theta is built once. One object may be called from many
    threads at once.
    """

    def __init__(self, objective: AmiciObjective, *, points: int = POINTS) -> None:
        """Lay the times out.

        Args:
            objective: the problem, its solver settings and cores.
            points: times between the start and the last measured one, at least 2.
        """
        self.objective = objective
        simulator = objective.simulator
        observables = simulator.plan.observables
        own_ids = simulator.plan.own_ids
        self.observable_ids: tuple[str, ...] = tuple(o.label for o in observables)
        self.state_ids: tuple[str, ...] = tuple(
            own_ids.get(name, name) for name in simulator.model.get_state_ids()
        )
        self._noise = tuple(NoiseModel.named(o.distribution) for o in observables)
        self._layouts = layouts(objective.problem, simulator, max(points, 2))
        self._points = PointTable.of(
            objective.problem, self._layouts, objective.condition_labels, self.observable_ids,
            self._noise,
        )  # fmt: skip
        self._idle: deque[_Workspace] = deque()

    @property
    def edatas(self) -> tuple[tuple[Any, ...], ...]:
        """For each condition AMICI's ExpData of the measured times and, where there are any, of
        the times between them; to be read only.
        """
        return tuple(
            tuple(edata for edata in (layout.measured, layout.between) if edata is not None)
            for layout in self._layouts
        )

    def simulate(
        self,
        theta: ArrayLike,
        *,
        conditions: Sequence[int] | None = None,
        states: bool = False,
        gradient: bool = False,
    ) -> Trajectories:
        """Simulate conditions in one `run_simulations` on all cores.

        A failure is part of its condition's time course, never raised, and stops no other one.
        Times between the measured ones may fail, or work, where measured ones don't: the latter
        make the record's llh and failure.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            conditions: positions of the conditions to simulate; all if not given.
            states: whether to return states, too.
            gradient: whether to simulate with sensitivities, which makes the solver take other
                steps: points and llh are then those of `llh_and_gradient`, not of `llh`. Only
                the measured times are simulated; courses are NaN between them.

        Raises:
            ValueError: theta has the wrong shape.
        """
        start = time.perf_counter()
        problem = self.objective.problem
        theta = problem.checked(theta)
        chosen = list(range(len(self._layouts)) if conditions is None else conditions)
        failure = self.objective.refusal(theta, gradient)
        rdatas = (
            self._run(theta, chosen, states, gradient) if failure is None else [()] * len(chosen)
        )
        courses, measured = [], []
        for i, pair in zip(chosen, rdatas, strict=True):
            course, y, sigma = self._course(i, pair, states, failure)
            courses.append(course)
            measured.append((y, sigma))
        return Trajectories(
            problem_id=problem.problem_id,
            theta=theta,
            observable_ids=self.observable_ids,
            state_ids=self.state_ids,
            noise=self._noise,
            conditions=tuple(courses),
            points=self._points.beside(chosen, measured),
            solver=self.objective.solver,
            wall_seconds=time.perf_counter() - start,
        )

    def _run(
        self, theta: FloatArray, chosen: Sequence[int], states: bool, gradient: bool
    ) -> list[tuple[Any, ...]]:
        """AMICI's ReturnData for each chosen condition: of measured times, and between them
        unless with sensitivities.
        """
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._new_workspace()
        reporting = sundials.RDataReporting
        workspace.solver.set_return_data_reporting_mode(
            reporting.full if states else reporting.observables_likelihood
        )
        workspace.solver.set_sensitivity_order(sensitivity_order(gradient))
        simulated = [workspace.edatas[i][: 1 if gradient else None] for i in chosen]
        values = self.objective.simulator.model_parameters(theta)
        edatas = []
        for i, pair in zip(chosen, simulated, strict=True):
            for edata in pair:
                edata.free_parameters = values[i]
                edatas.append(edata)
        rdatas = iter(
            run_simulations(
                self.objective.simulator.model,
                workspace.solver,
                edatas,
                failfast=False,
                num_threads=max(min(self.objective.num_threads, len(edatas)), 1),
            )
        )
        self._idle.append(workspace)
        return [tuple(next(rdatas) for _ in pair) for pair in simulated]

    def _new_workspace(self) -> _Workspace:
        solver = self.objective.simulator.new_solver()
        edatas = tuple(tuple(sundials.ExpData(edata) for edata in pair) for pair in self.edatas)
        return _Workspace(solver, edatas)

    def _course(
        self, i: int, rdatas: Sequence[Any], states: bool, failure: Failure | None
    ) -> tuple[Trajectory, FloatArray, FloatArray]:
        """One condition's time course, and observables and sigmas at its measured times."""
        layout = self._layouts[i]
        label = self.objective.condition_labels[i]
        n_y = len(self.observable_ids)
        y = self._parts(layout, rdatas, "y", n_y)
        sigma = self._parts(layout, rdatas, "sigmay", n_y)
        for values, scales, of_table in zip(
            y, sigma, (layout.measured_sigma, layout.between_sigma), strict=True
        ):
            values[:, layout.unknown] = np.nan
            scales[:] = np.where(layout.has_scale | np.isnan(scales), scales, of_table)
        if failure is None:
            failure = stopped(self.objective.simulator.conditions[i], rdatas[0])
            if failure is None and not np.isfinite(rdatas[0].llh):
                failure = output_failure(label, "log-likelihood")
        course = Trajectory(
            label=label,
            condition=layout.condition,
            preequilibration=layout.preequilibration,
            times=layout.times,
            observables=np.concatenate(y)[layout.order],
            sigmas=np.concatenate(sigma)[layout.order],
            states=(
                np.concatenate(self._parts(layout, rdatas, "x", len(self.state_ids)))[layout.order]
                if states
                else None
            ),
            llh=float(rdatas[0].llh) if failure is None else np.nan,
            note=layout.note,
            failure=failure,
        )
        return course, y[0], sigma[0]

    @staticmethod
    def _parts(layout: Layout, rdatas: Sequence[Any], name: str, width: int) -> list[FloatArray]:
        """A quantity at the measured times and between them, each of shape (n, width)."""
        parts = []
        for k, edata in enumerate((layout.measured, layout.between)):
            part = np.full((0 if edata is None else edata.nt(), width), np.nan)
            if k < len(rdatas):
                values = as_array(getattr(rdatas[k], name))
                if values.size == part.size:  # else AMICI stopped before there was any
                    part = values.reshape(part.shape)
            parts.append(part)
        return parts


def simulate_trajectories(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    conditions: Sequence[int] | None = None,
    states: bool = False,
    points: int = POINTS,
) -> Trajectories:
    """`TrajectorySimulator(objective).simulate(theta)`, for a single time.

    Args:
        objective: the problem, its solver settings and cores.
        theta: shape (n_parameters,), on the PEtab scale.
        conditions: positions of the conditions to simulate; all if not given.
        states: whether to return states, too.
        points: times between the start and the last measured one.

    Raises:
        ProblemError: a noise model is none of PEtab v1.
        ValueError: theta has the wrong shape.
    """
    simulator = TrajectorySimulator(objective, points=points)
    return simulator.simulate(theta, conditions=conditions, states=states)
