"""Log-likelihood and gradient of a PEtab problem from AMICI, in NumPy float64 and without JAX."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import amici.sim.sundials as sundials
import numpy as np
from numpy.typing import ArrayLike

from amijax.failures import (
    MAX_TIME_EXCEEDED,
    NOT_RUN,
    Failure,
    input_failure,
    integration_failure,
    output_failure,
)
from amijax.models import CompiledModel, get_model
from amijax.preparation import prepare
from amijax.problems.problem import Problem
from amijax.scales import FloatArray, to_linear
from amijax.solver import SolverSettings


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of a problem's log-likelihood at a point.

    Attributes:
        theta: the point, shape (n_parameters,), on the PEtab scale.
        llh: log-likelihood, NaN after a failure.
        gradient: its derivative with respect to theta, shape (n_parameters,); NaN after a
            failure, None if it was not asked for.
        failure: why there is no result, None if there is one.
        wall_seconds: duration of the whole call.
        cpu_seconds: AMICI's own CPU time, summed over conditions.
        solver: the settings that produced it.
    """

    theta: FloatArray
    llh: float
    gradient: FloatArray | None
    failure: Failure | None
    wall_seconds: float
    cpu_seconds: float
    solver: SolverSettings


class _Workspace(NamedTuple):
    """What AMICI's setters mutate, hence one for each call under way."""

    solver: Any
    edatas: list[Any]


class AmiciObjective:
    """The log-likelihood of a PEtab problem as a function of theta, simulated by AMICI.

    theta is the vector of free parameters on their PEtab scale, in the order of
    `problem.parameter_ids`; gradients are with respect to it. Simulation happens on the PEtab
    scale as well, since AMICI's error control of sensitivities depends on the scale. One object
    may be called from many threads at once.
    """

    def __init__(
        self,
        problem: Problem,
        solver: SolverSettings | None = None,
        *,
        model: CompiledModel | None = None,
        num_threads: int = 1,
    ) -> None:
        """Prepare a problem for evaluation; compiles its model if that was never done.

        Args:
            problem: from `load_problem`.
            solver: AMICI's defaults if not given.
            model: the compiled model, if it is at hand.
            num_threads: cores used for the conditions of one call.

        Raises:
            CompileError: the model can't be compiled.
            ProblemError: AMICI can't express the problem.
        """
        self.problem = problem
        self.solver = solver or SolverSettings()
        self.num_threads = num_threads
        self.model = model or get_model(problem)
        self._loaded = self.model.load()
        self._prepared = prepare(problem, self._loaded)
        self._model = _with_steady_state(self._loaded, self.solver)
        self._idle: deque[_Workspace] = deque()

    def with_solver(self, solver: SolverSettings) -> AmiciObjective:
        """The same problem with other solver settings; costs next to nothing."""
        other = object.__new__(AmiciObjective)
        other.problem = self.problem
        other.solver = solver
        other.num_threads = self.num_threads
        other.model = self.model
        other._loaded = self._loaded
        other._prepared = self._prepared
        other._model = _with_steady_state(self._loaded, solver)
        other._idle = deque()
        return other

    @property
    def condition_labels(self) -> tuple[str, ...]:
        """The simulations in order: `condition`, or `condition+preequilibration`."""
        return tuple(condition.label for condition in self._prepared.conditions)

    @property
    def edatas(self) -> tuple[Any, ...]:
        """AMICI's ExpData of the simulations in order; to be read only."""
        return self._prepared.edatas

    @property
    def has_events(self) -> bool:
        """Whether the model has events or discontinuities, in AMICI's count."""
        return bool(self._loaded.ne > 0)

    @property
    def scales(self) -> tuple[str, ...]:
        """The parameters' PEtab scales."""
        return self.problem.scales

    def llh(self, theta: ArrayLike) -> float:
        """Log-likelihood at theta, NaN if it can't be computed.

        One simulation without sensitivities.

        Raises:
            ValueError: theta has the wrong shape.
        """
        return self.evaluate(theta, gradient=False).llh

    def llh_and_gradient(self, theta: ArrayLike) -> tuple[float, FloatArray]:
        """Log-likelihood and its gradient with respect to theta, NaN if they can't be computed.

        One simulation with sensitivities. Its log-likelihood differs from that of `llh` by what
        the solver's tolerance allows: the solver takes other steps.

        Raises:
            ValueError: theta has the wrong shape.
        """
        evaluation = self.evaluate(theta)
        assert evaluation.gradient is not None
        return evaluation.llh, evaluation.gradient

    def evaluate(self, theta: ArrayLike, gradient: bool = True) -> Evaluation:
        """Evaluate at theta; a failure is part of the result, never raised.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            gradient: whether to compute the gradient as well.

        Raises:
            ValueError: theta has the wrong shape.
        """
        start = time.perf_counter()
        theta = np.array(theta, dtype=np.float64)
        if theta.shape != (self.problem.n_parameters,):
            raise ValueError(
                f"theta must have shape ({self.problem.n_parameters},), one value for each free "
                f"parameter of {self.problem.problem_id}, but has shape {theta.shape}."
            )
        failure = input_failure(
            self.problem.parameter_ids, theta, to_linear(theta, self.problem.scales)
        )
        if failure is None:
            return self._evaluation(theta, self.simulate(theta, gradient=gradient), gradient, start)
        return Evaluation(
            theta=theta,
            llh=np.nan,
            gradient=np.full(theta.shape, np.nan) if gradient else None,
            failure=failure,
            wall_seconds=time.perf_counter() - start,
            cpu_seconds=0.0,
            solver=self.solver,
        )

    def simulate(
        self,
        theta: FloatArray,
        *,
        gradient: bool = False,
        everything: bool = False,
        failfast: bool = True,
        measured: bool = True,
        only: Sequence[int] | None = None,
    ) -> list[Any]:
        """Run AMICI and return its ReturnData, one for each condition.

        Args:
            theta: shape (n_parameters,), finite, on the PEtab scale.
            gradient: with sensitivities.
            everything: with trajectories, observables and residuals; without them there is
                only what the likelihood needs.
            failfast: leave out the conditions after one that failed (status -1001).
            measured: with the measurements; without them there is no likelihood, and nothing
                that is wrong with it ends a simulation.
            only: positions of the conditions to simulate; all if not given.
        """
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._new_workspace()
        for condition, edata in zip(self._prepared.conditions, workspace.edatas, strict=True):
            values = condition.free_parameters.copy()
            values[condition.targets] = theta[condition.sources]
            edata.free_parameters = values
        solver = workspace.solver
        solver.set_sensitivity_order(
            sundials.SensitivityOrder.first if gradient else sundials.SensitivityOrder.none
        )
        # Copying trajectories out of the solver takes time.
        solver.set_return_data_reporting_mode(
            sundials.RDataReporting.full if everything else sundials.RDataReporting.likelihood
        )
        edatas = workspace.edatas if only is None else [workspace.edatas[i] for i in only]
        if not measured:
            edatas = [_without_measurements(edata) for edata in edatas]
        rdatas = sundials.run_simulations(
            self._model,
            solver,
            edatas,
            failfast=failfast,
            num_threads=min(self.num_threads, len(edatas)),  # idle threads cost time
        )
        self._idle.append(workspace)
        # The views' own accessors cost more than all the rest of this call.
        return [rdata.ptr for rdata in rdatas]

    def gradient_within(self, theta: ArrayLike, cpu_seconds: float) -> Evaluation | None:
        """Evaluate condition by condition; None once AMICI has used more CPU time than allowed.

        Args:
            theta: shape (n_parameters,), finite, on the PEtab scale.
            cpu_seconds: AMICI's CPU time, summed over conditions.
        """
        start = time.perf_counter()
        theta = np.array(theta, dtype=np.float64)
        limited = self.with_solver(replace(self.solver, time_limit=cpu_seconds))
        rdatas: list[Any] = []
        used = 0.0
        for i in range(len(self._prepared.conditions)):
            rdatas += limited.simulate(theta, gradient=True, only=[i])
            used += rdatas[-1].cpu_time_total * 1e-3
            if used > cpu_seconds or rdatas[-1].status == MAX_TIME_EXCEEDED:
                return None
        return self._evaluation(theta, rdatas, True, start)

    def _evaluation(
        self, theta: FloatArray, rdatas: list[Any], gradient: bool, start: float
    ) -> Evaluation:
        failure = self._failure(rdatas, gradient)
        llh, sllh = np.nan, None
        if failure is None:
            llh = float(sum(rdata.llh for rdata in rdatas))
        if gradient:
            sllh = self._aggregate(rdatas) if failure is None else np.full(theta.shape, np.nan)
        return Evaluation(
            theta=theta,
            llh=llh,
            gradient=sllh,
            failure=failure,
            wall_seconds=time.perf_counter() - start,
            cpu_seconds=sum(rdata.cpu_time_total for rdata in rdatas) * 1e-3,  # AMICI's are ms
            solver=self.solver,
        )

    def _new_workspace(self) -> _Workspace:
        solver = self._model.create_solver()
        settings = self.solver
        solver.set_relative_tolerance(settings.rtol)
        solver.set_absolute_tolerance(settings.atol)
        solver.set_max_steps(settings.max_steps)
        solver.set_max_time(settings.time_limit)
        solver.set_sensitivity_method(sundials.SensitivityMethod[settings.sensitivities])
        return _Workspace(solver, [sundials.ExpData(edata) for edata in self._prepared.edatas])

    def _failure(self, rdatas: list[Any], gradient: bool) -> Failure | None:
        for condition, rdata in zip(self._prepared.conditions, rdatas, strict=True):
            if rdata.status < 0 and rdata.status != NOT_RUN:
                return integration_failure(
                    condition.label,
                    rdata.t_last,
                    rdata.status,
                    sundials.simulation_status_to_str(rdata.status),
                    [message.message for message in rdata.messages],
                )
        for condition, rdata in zip(self._prepared.conditions, rdatas, strict=True):
            if not np.isfinite(rdata.llh):
                return output_failure(condition.label, "log-likelihood")
            if gradient and not np.isfinite(rdata.sllh).all():
                return output_failure(condition.label, "gradient")
        return None

    def _aggregate(self, rdatas: list[Any]) -> FloatArray:
        gradient = np.zeros(self.problem.n_parameters)
        for condition, rdata in zip(self._prepared.conditions, rdatas, strict=True):
            if condition.targets.size:  # else AMICI differentiates for all, of which none is ours
                np.add.at(gradient, condition.sources, rdata.sllh)
        return gradient


def _without_measurements(edata: Any) -> Any:
    bare = sundials.ExpData(edata)
    bare.set_measurements([float("nan")] * len(edata.get_measurements()))
    return bare


def _with_steady_state(model: Any, settings: SolverSettings) -> Any:
    """The model, or a copy where the settings ask for another way to steady states."""
    modes = (
        sundials.SteadyStateComputationMode[settings.steady_state],
        sundials.SteadyStateSensitivityMode[settings.steady_state_sensitivities],
    )
    own = (model.get_steady_state_computation_mode(), model.get_steady_state_sensitivity_mode())
    if own != modes:
        model = model.clone()
        model.set_steady_state_computation_mode(modes[0])
        model.set_steady_state_sensitivity_mode(modes[1])
    return model
