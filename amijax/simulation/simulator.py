"""AMICI ready to simulate a problem: model, prepared data and settings, as one immutable value."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import amici.sim.sundials as sundials
import numpy as np
from numpy.typing import ArrayLike

from amijax.models.amici_internals import run_simulations
from amijax.models.cache import CompiledModel
from amijax.models.plan import ModelPlan
from amijax.models.source import model_source, problem_numbers
from amijax.problems.catalogue import is_embedded
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.batch import PointResult, Read, Reader, simulate_points
from amijax.simulation.failures import Failure
from amijax.simulation.preparation import Condition, Prepared, prepare, restrict
from amijax.simulation.probation import Probation, RefusedModelError
from amijax.simulation.run import (
    sensitivity_order,
    solver_of,
    with_steady_state,
    without_measurements,
)
from amijax.simulation.settings import SolverSettings
from amijax.simulation.steady_states import never_steady

type Report = Callable[[Any, bool], None]
"""Lets a solver return what is wanted, with or without sensitivities."""


def return_likelihood(solver: Any, gradient: bool) -> None:
    """Let a solver return what the likelihood needs: copying trajectories takes time.

    Args:
        solver: AMICI's.
        gradient: with sensitivities.
    """
    solver.set_sensitivity_order(sensitivity_order(gradient))
    solver.set_return_data_reporting_mode(sundials.RDataReporting.likelihood)


def return_measured(solver: Any, gradient: bool) -> None:
    """Let a solver return observables and noise scales beside what the likelihood needs.

    Args:
        solver: AMICI's.
        gradient: with sensitivities.
    """
    solver.set_sensitivity_order(sensitivity_order(gradient))
    solver.set_return_data_reporting_mode(sundials.RDataReporting.observables_likelihood)


@dataclass(frozen=True, eq=False)
class Workspace:
    """What AMICI's setters mutate, hence one for each call under way.

    Attributes:
        solver: AMICI's.
        edatas: AMICI's ExpData, one for each condition.
    """

    solver: Any
    edatas: list[Any]


@dataclass(frozen=True, eq=False)
class Simulator:
    """Simulates the conditions of a problem; may be called from many threads at once.

    Attributes:
        loaded: AMICI's model as it was loaded.
        model: the same, or a copy of it, as the settings want it; to be read only.
        plan: what the model was compiled of.
        prepared: how theta enters each condition, and its data.
        settings: how AMICI integrates.
        probation: whether the model may run in this process.
        gradient_of: positions in theta of the sensitivities; None for all of them.
    """

    loaded: Any
    model: Any
    plan: ModelPlan
    prepared: Prepared
    settings: SolverSettings
    probation: Probation
    gradient_of: tuple[int, ...] | None = None
    _idle: deque[Workspace] = field(default_factory=deque, repr=False)
    _may_run: set[bool] = field(default_factory=set, repr=False)  # with and without gradient

    @classmethod
    def of(cls, problem: Problem, compiled: CompiledModel, settings: SolverSettings) -> Simulator:
        """Prepare a problem.

        Args:
            problem: the PEtab problem.
            compiled: its model.
            settings: how AMICI integrates.

        Raises:
            DamagedModelError: the model can't be loaded.
            ProblemError: AMICI can't express the problem.
        """
        loaded = compiled.load()
        model = with_steady_state(loaded, settings)
        plan = model_source(problem).plan
        numbers = problem_numbers(problem)
        probation = Probation(compiled, plan, numbers, is_embedded(problem))
        return cls(loaded, model, plan, prepare(numbers, plan, loaded), settings, probation)

    def with_settings(self, settings: SolverSettings) -> Simulator:
        """The same simulations with other settings; costs next to nothing."""
        model = with_steady_state(self.loaded, settings)
        return replace(self, model=model, settings=settings, _idle=deque(), _may_run=set())

    def with_gradient_of(self, positions: ArrayLike) -> Simulator:
        """The same simulations with sensitivities for some parameters only.

        Args:
            positions: of the parameters in theta.
        """
        chosen = np.asarray(positions)
        return replace(
            self,
            prepared=restrict(self.prepared, chosen),
            gradient_of=tuple(chosen.tolist()),
            _idle=deque(),
        )

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """How theta enters each simulation, in order."""
        return self.prepared.conditions

    @property
    def condition_labels(self) -> tuple[str, ...]:
        """The simulations in order: `condition`, or `condition+preequilibration`."""
        return tuple(condition.label for condition in self.conditions)

    @property
    def edatas(self) -> tuple[Any, ...]:
        """AMICI's ExpData of the simulations in order; to be read only."""
        return self.prepared.edatas

    @property
    def sensitivity_positions(self) -> tuple[np.ndarray, ...]:
        """For each simulation, the positions in theta of its sensitivities, in AMICI's order."""
        return tuple(condition.sensitivity_positions for condition in self.conditions)

    @property
    def has_events(self) -> bool:
        """Whether the model has events or discontinuities, in AMICI's count."""
        return bool(self.loaded.ne > 0)

    def model_parameters(self, theta: FloatArray) -> list[list[float]]:
        """The model's free parameters in each simulation, as `ExpData.free_parameters` takes them.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
        """
        return self.prepared.model_parameters(theta)

    def new_solver(self) -> Any:
        """An AMICI solver of its own with these settings, for the model."""
        return solver_of(self.model, self.settings)

    def refusal(self, *, gradient: bool) -> Failure | None:
        """Why the model must not run in this process with these settings; None if it may.

        The first time that a model is about to run some kind of native code, a process that tries
        it takes some seconds. What simulates raises `RefusedModelError` where there is a refusal.

        Args:
            gradient: with sensitivities.
        """
        if gradient in self._may_run:
            return None
        failure = self.probation.refusal(self.settings, gradient)
        if failure is None:
            self._may_run.add(gradient)
        return failure

    def likelihoods(
        self,
        theta: FloatArray,
        *,
        gradient: bool,
        num_threads: int = 1,
        only: Sequence[int] | None = None,
        report: Report = return_likelihood,
    ) -> list[Any]:
        """AMICI's ReturnData of each condition, with what the likelihood needs and no more.

        Conditions after one that failed are left out (status -1001). Vectors of a ReturnData
        point into it: keep it while reading them.

        Args:
            theta: shape (n_parameters,), finite, on the PEtab scale.
            gradient: with sensitivities.
            num_threads: cores to use.
            only: positions of the conditions to simulate; all if not given.
            report: `return_measured` to have observables and noise scales as well.
        """
        with self._workspace(theta, gradient) as workspace:
            report(workspace.solver, gradient)
            edatas = _chosen(workspace.edatas, only)
            # Idle threads cost time.
            num_threads = min(num_threads, len(edatas))
            return run_simulations(
                self.model, workspace.solver, edatas, failfast=True, num_threads=num_threads
            )

    def everything(self, theta: FloatArray, *, gradient: bool, num_threads: int = 1) -> list[Any]:
        """AMICI's complete ReturnData of each condition, whether or not others failed.

        Args:
            theta: shape (n_parameters,), finite, on the PEtab scale.
            gradient: with sensitivities.
            num_threads: cores to use.
        """
        with self._workspace(theta, gradient) as workspace:
            _return_everything(workspace.solver, gradient)
            return run_simulations(
                self.model,
                workspace.solver,
                workspace.edatas,
                failfast=False,
                num_threads=min(num_threads, len(workspace.edatas)),
            )

    def unmeasured(self, theta: FloatArray, only: Sequence[int]) -> list[Any]:
        """AMICI's complete ReturnData of some conditions, simulated as if nothing was measured.

        There is no likelihood then, and nothing that is wrong with it ends a simulation.

        Args:
            theta: shape (n_parameters,), finite, on the PEtab scale.
            only: positions of the conditions to simulate.
        """
        with self._workspace(theta, False) as workspace:
            _return_everything(workspace.solver, False)
            edatas = [without_measurements(edata) for edata in _chosen(workspace.edatas, only)]
            return run_simulations(self.model, workspace.solver, edatas, failfast=False)

    def never_steady(self, theta: FloatArray, i: int, rdata: Any) -> Failure | None:
        """Why a simulation's steady state is none; None if it is one or there is none.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            i: position of the simulation.
            rdata: AMICI's ReturnData of it at theta.
        """
        if not self.conditions[i].equilibrates:
            return None
        edata = sundials.ExpData(self.edatas[i])
        edata.free_parameters = self.model_parameters(theta)[i]
        return never_steady(self.conditions[i], self.model, self.new_solver(), edata, rdata)

    def batch[R: Read](
        self,
        thetas: FloatArray,
        read: Reader[R],
        *,
        gradient: bool,
        num_threads: int,
        report: Report = return_likelihood,
    ) -> Generator[list[PointResult[R]]]:
        """Simulate all conditions at many points, as `simulate_points` does.

        Args:
            thetas: the points, all finite, shape (n, n_parameters), on the PEtab scale.
            read: takes what is wanted from each simulation.
            gradient: with sensitivities.
            num_threads: cores to use.
            report: as in `likelihoods`.
        """

        def new_solver() -> Any:
            solver = self.new_solver()
            report(solver, gradient)
            return solver

        if len(thetas):
            self._check_may_run(gradient)
        return simulate_points(self.model, new_solver, self.prepared, thetas, read, num_threads)

    @contextmanager
    def _workspace(self, theta: FloatArray, gradient: bool) -> Iterator[Workspace]:
        """A workspace with the model's parameters at theta, kept for the next call."""
        self._check_may_run(gradient)
        try:
            workspace = self._idle.pop()
        except IndexError:
            edatas = [sundials.ExpData(edata) for edata in self.edatas]
            workspace = Workspace(self.new_solver(), edatas)
        for edata, values in zip(workspace.edatas, self.model_parameters(theta), strict=True):
            edata.free_parameters = values
        yield workspace
        self._idle.append(workspace)

    def _check_may_run(self, gradient: bool) -> None:
        if (failure := self.refusal(gradient=gradient)) is not None:
            raise RefusedModelError(failure)


def _return_everything(solver: Any, gradient: bool) -> None:
    solver.set_sensitivity_order(sensitivity_order(gradient))
    solver.set_return_data_reporting_mode(sundials.RDataReporting.full)


def _chosen(edatas: list[Any], only: Sequence[int] | None) -> list[Any]:
    return edatas if only is None else [edatas[i] for i in only]
