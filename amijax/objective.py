"""Log-likelihood and gradient of a PEtab problem from AMICI, in NumPy float64 and without JAX."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import amici.sim.sundials as sundials
import numpy as np
from numpy.typing import ArrayLike

from amijax.batch import simulate_points
from amijax.cluster_client import client_for
from amijax.cores import available_cores
from amijax.evaluation import Evaluation, condition_result, evaluation_of, failed_evaluation
from amijax.failures import MAX_TIME_EXCEEDED, Failure, input_failure
from amijax.models import CompiledModel, get_model
from amijax.preparation import Condition, Prepared, prepare, restrict
from amijax.problems.problem import Problem
from amijax.problems.recipe import ProblemRecipe
from amijax.recipes import ObjectiveRecipe
from amijax.scales import SURELY_FINITE, FloatArray, Scale, to_linear
from amijax.simulation import (
    return_likelihood,
    run_simulations,
    solver_of,
    with_steady_state,
    without_measurements,
)
from amijax.solver import SolverSettings

if TYPE_CHECKING:
    from distributed import Client

    type Executor = Client | Literal["local"]


class _Workspace(NamedTuple):
    """What AMICI's setters mutate, hence one for each call under way."""

    solver: Any
    edatas: list[Any]


class AmiciObjective:
    """The log-likelihood of a PEtab problem as a function of theta, simulated by AMICI.

    theta is the vector of free parameters on their PEtab scale, in the order of
    `problem.parameter_ids`; gradients are with respect to it. Simulation happens on the PEtab
    scale as well, since AMICI's error control of sensitivities depends on the scale. One object
    may be called from many threads at once. It pickles as a recipe (`ObjectiveRecipe`): plain data
    from which another process, or another machine, builds its own.
    """

    def __init__(
        self,
        problem: Problem,
        solver: SolverSettings | None = None,
        *,
        model: CompiledModel | None = None,
        num_threads: int | None = None,
    ) -> None:
        """Prepare a problem for evaluation; compiles its model if that was never done.

        Args:
            problem: from `load_problem`.
            solver: AMICI's defaults if not given.
            model: the compiled model, if it is at hand.
            num_threads: cores to use; if not given, one for a single point and all for batches.

        Raises:
            CompileError: the model can't be compiled.
            ProblemError: AMICI can't express the problem.
        """
        self.problem = problem
        self.solver = solver or SolverSettings()
        self._num_threads = num_threads
        self.model = model or get_model(problem)
        self._loaded = self.model.load()
        self._prepared = prepare(problem, self._loaded)
        self._gradient_of: tuple[int, ...] | None = None
        self._model = with_steady_state(self._loaded, self.solver)
        self._idle: deque[_Workspace] = deque()

    def with_solver(self, solver: SolverSettings) -> AmiciObjective:
        """The same problem with other solver settings; costs next to nothing."""
        return self._variant(solver, self._prepared)

    def with_gradient_of(self, positions: ArrayLike) -> AmiciObjective:
        """The same problem with sensitivities for some parameters only; other entries are 0.

        The fewer, the faster. The solver controls the errors of the sensitivities that it
        computes, so it takes other steps than for all of them: entries differ from those of a
        full gradient by what the tolerances allow.

        Args:
            positions: of the parameters in theta.
        """
        chosen = np.asarray(positions)
        other = self._variant(self.solver, restrict(self._prepared, chosen))
        other._gradient_of = tuple(chosen.tolist())
        return other

    def with_num_threads(self, num_threads: int | None) -> AmiciObjective:
        """The same problem on another number of cores; None as in `AmiciObjective`."""
        other = self._variant(self.solver, self._prepared)
        other._num_threads = num_threads
        return other

    def recipe(self) -> ObjectiveRecipe:
        """The plain data that this objective is made of.

        Raises:
            ProblemError: the problem's files are not what they were when it was opened.
        """
        return ObjectiveRecipe(
            ProblemRecipe.of(self.problem), self.solver, self._gradient_of, self._num_threads
        )

    def __reduce__(self) -> tuple[Callable[[ObjectiveRecipe], AmiciObjective], tuple[Any, ...]]:
        return ObjectiveRecipe.rebuild, (self.recipe(),)

    def _variant(self, solver: SolverSettings, prepared: Prepared) -> AmiciObjective:
        other = object.__new__(AmiciObjective)
        other.problem = self.problem
        other.solver = solver
        other._num_threads = self._num_threads
        other.model = self.model
        other._loaded = self._loaded
        other._prepared = prepared
        other._gradient_of = self._gradient_of
        other._model = with_steady_state(self._loaded, solver)
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

    def model_parameters(self, theta: FloatArray) -> list[list[float]]:
        """The model's free parameters in each simulation, as `ExpData.free_parameters` takes them.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
        """
        return self._prepared.model_parameters(theta)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """How theta enters each simulation, in order."""
        return self._prepared.conditions

    @property
    def amici_model(self) -> Any:
        """AMICI's model as the settings want it; shared between threads, to be read only."""
        return self._model

    @property
    def wanted(self) -> tuple[np.ndarray, ...]:
        """For each simulation, the positions in theta of its sensitivities, in AMICI's order."""
        return tuple(condition.wanted for condition in self._prepared.conditions)

    @property
    def num_threads(self) -> int:
        """Cores used for the conditions of a single point."""
        return self._num_threads or 1

    @property
    def batch_threads(self) -> int:
        """Cores used for batches."""
        return self._num_threads or available_cores()

    @property
    def has_events(self) -> bool:
        """Whether the model has events or discontinuities, in AMICI's count."""
        return bool(self._loaded.ne > 0)

    @property
    def scales(self) -> tuple[Scale, ...]:
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
        theta = self.problem.checked(theta)
        failure = self.input_failure(theta)
        if failure is None:
            return self._evaluation(theta, self.simulate(theta, gradient=gradient), gradient, start)
        return failed_evaluation(theta, gradient, failure, time.perf_counter() - start, self.solver)

    def llh_batch(self, thetas: ArrayLike, *, executor: Executor | None = None) -> FloatArray:
        """Log-likelihoods at many points at once, on all cores or on a Dask cluster.

        Args:
            thetas: shape (n, n_parameters), on the PEtab scale.
            executor: as in `evaluate_batch`.

        Returns:
            Shape (n,), in order; NaN for points that failed. `evaluate_batch` tells why.

        Raises:
            ClusterError: the cluster can't be used.
            ValueError: thetas has the wrong shape.
        """
        points = self._checked_points(thetas)
        llh = np.empty(len(points))

        def keep(i: int, evaluation: Evaluation) -> None:
            llh[i] = evaluation.llh

        self._evaluate_each(points, False, keep, executor)
        return llh

    def llh_and_gradient_batch(
        self, thetas: ArrayLike, *, executor: Executor | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Log-likelihoods and gradients at many points, on all cores or on a Dask cluster.

        Args:
            thetas: shape (n, n_parameters), on the PEtab scale.
            executor: as in `evaluate_batch`.

        Returns:
            Log-likelihoods, shape (n,), and gradients with respect to theta, shape
            (n, n_parameters), in order; NaN for points that failed. `evaluate_batch` tells why.

        Raises:
            ClusterError: the cluster can't be used.
            ValueError: thetas has the wrong shape.
        """
        points = self._checked_points(thetas)
        llh, gradient = np.empty(len(points)), np.empty(points.shape)

        def keep(i: int, evaluation: Evaluation) -> None:
            llh[i], gradient[i] = evaluation.llh, evaluation.gradient

        self._evaluate_each(points, True, keep, executor)
        return llh, gradient

    def evaluate_batch(
        self,
        thetas: ArrayLike,
        gradient: bool = True,
        *,
        on_chunk: Callable[[int], None] | None = None,
        executor: Executor | None = None,
    ) -> tuple[Evaluation, ...]:
        """Evaluate at many points at once, on all `batch_threads` cores or on a Dask cluster.

        Cores pull the conditions of all points from one queue, a few at a time, so that none
        waits for another; memory, apart from the results, grows with the points in flight only.
        Results are those of `evaluate`, bit for bit and in order; a failed point does not stop
        the others.

        Args:
            thetas: shape (n, n_parameters), on the PEtab scale.
            gradient: whether to compute gradients as well.
            on_chunk: called several times a second with the number of points finished so far,
                in the calling thread; what it raises ends the batch.
            executor: a `distributed.Client`, whose workers evaluate the points (see
                `amijax.cluster`); if not given, the cluster that `AMIJAX_DASK_SCHEDULER` names,
                if any, for more than one point; "local" is this process in any case.

        Raises:
            ClusterError: the cluster can't be used.
            ValueError: thetas has the wrong shape.
        """
        points = self._checked_points(thetas)
        evaluations: dict[int, Evaluation] = {}
        self._evaluate_each(points, gradient, evaluations.__setitem__, executor, on_chunk)
        return tuple(evaluations[i] for i in range(len(points)))

    def _checked_points(self, thetas: ArrayLike) -> FloatArray:
        points = np.array(thetas, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.problem.n_parameters:
            raise ValueError(
                f"thetas must have shape (n, {self.problem.n_parameters}), a row for each point, "
                f"but has shape {points.shape}."
            )
        return points

    def _evaluate_each(
        self,
        points: FloatArray,
        gradient: bool,
        keep: Callable[[int, Evaluation], None],
        executor: Executor | None,
        on_chunk: Callable[[int], None] | None = None,
    ) -> None:
        """Hand each point's position and evaluation to `keep` as soon as it is finished."""
        if (client := client_for(executor, len(points))) is not None:
            from amijax.cluster import evaluate_on  # with Dask, which is optional

            for i, evaluation in enumerate(evaluate_on(client, self, points, gradient, on_chunk)):
                keep(i, evaluation)
            return
        rest = []
        for i, theta in enumerate(points):
            if (failure := self.input_failure(theta)) is None:
                rest.append(i)
            else:
                keep(i, failed_evaluation(theta, gradient, failure, 0.0, self.solver))
        done = len(points) - len(rest)
        conditions = self._prepared.conditions
        batch = simulate_points(
            self._model,
            partial(self._new_solver_of_likelihood, gradient),
            self._prepared,
            points[rest],
            gradient,
            self.batch_threads,
        )
        with closing(batch):  # an exception's traceback would keep it, and its threads, going
            for finished in batch:
                for k, results, seconds in finished:
                    i = rest[k]
                    keep(i, evaluation_of(points[i], conditions, results, seconds, self.solver))
                done += len(finished)
                if on_chunk is not None:
                    on_chunk(done)

    def input_failure(self, theta: FloatArray) -> Failure | None:
        """Why theta can't be simulated; None if all parameters are finite."""
        if all(-SURELY_FINITE < value < SURELY_FINITE for value in theta.tolist()):
            return None
        return input_failure(
            self.problem.parameter_ids, theta, to_linear(theta, self.problem.scales)
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

        Their vectors point into them: keep a ReturnData while reading its vectors.

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
        for edata, values in zip(workspace.edatas, self.model_parameters(theta), strict=True):
            edata.free_parameters = values
        solver = workspace.solver
        return_likelihood(solver, gradient)
        if everything:
            solver.set_return_data_reporting_mode(sundials.RDataReporting.full)
        edatas = workspace.edatas if only is None else [workspace.edatas[i] for i in only]
        if not measured:
            edatas = [without_measurements(edata) for edata in edatas]
        rdatas = run_simulations(
            self._model,
            solver,
            edatas,
            failfast=failfast,
            num_threads=min(self.num_threads, len(edatas)),  # idle threads cost time
        )
        self._idle.append(workspace)
        return rdatas

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
        self, theta: FloatArray, rdatas: Sequence[Any], gradient: bool, start: float
    ) -> Evaluation:
        conditions = self._prepared.conditions
        results = [
            condition_result(condition, rdata, gradient)
            for condition, rdata in zip(conditions, rdatas, strict=True)
        ]
        wall_seconds = time.perf_counter() - start
        return evaluation_of(theta, conditions, results, wall_seconds, self.solver)

    def new_solver(self) -> Any:
        """An AMICI solver of its own with the settings of this objective, for its model."""
        return solver_of(self._model, self.solver)

    def _new_solver_of_likelihood(self, gradient: bool) -> Any:
        solver = self.new_solver()
        return_likelihood(solver, gradient)
        return solver

    def _new_workspace(self) -> _Workspace:
        edatas = [sundials.ExpData(edata) for edata in self._prepared.edatas]
        return _Workspace(self.new_solver(), edatas)
