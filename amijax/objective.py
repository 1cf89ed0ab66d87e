"""Log-likelihood and gradient of a PEtab problem from AMICI, in NumPy float64 and without JAX."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from amijax.cores import available_cores
from amijax.measured_objective import MeasuredObjective
from amijax.models.lookup import CompiledModel, get_model
from amijax.models.plan import Repair
from amijax.problems.findings import Finding
from amijax.problems.problem import Problem
from amijax.problems.recipe import ProblemRecipe
from amijax.scales import SURELY_FINITE, FloatArray, Scale, to_linear
from amijax.simulation.evaluation import (
    Evaluation,
    condition_result,
    evaluation_of,
    failed_evaluation,
)
from amijax.simulation.failures import MAX_TIME_EXCEEDED, Failure, input_failure
from amijax.simulation.points import each_point
from amijax.simulation.settings import SolverSettings
from amijax.simulation.simulator import Simulator, return_likelihood
from amijax.simulation.trust import distrusted, simultaneous_events

# Objectives that stay ready in a process that gets recipes. Each holds its problem's tables.
_KEPT = 4


@runtime_checkable
class Executor(Protocol):
    """Where the points of a batch are evaluated, if not in this process."""

    def evaluate_points(
        self,
        objective: AmiciObjective,
        points: FloatArray,
        gradient: bool,
        on_chunk: Callable[[int], None] | None,
    ) -> Iterable[Evaluation]:
        """Evaluations in order, equal to those of this process bit for bit.

        Args:
            objective: what to evaluate.
            points: shape (n, n_parameters), on the PEtab scale.
            gradient: whether to compute gradients as well.
            on_chunk: called with the number of points finished so far; what it raises ends the
                batch.
        """


class AmiciObjective(MeasuredObjective):
    """The log-likelihood of a PEtab problem as a function of theta, simulated by AMICI.

    theta is the vector of free parameters on their PEtab scale, in the order of
    `problem.parameter_ids`; gradients are with respect to it. Simulation happens on the PEtab
    scale as well, since AMICI's error control of sensitivities depends on the scale. One object
    may be called from many threads at once. It pickles as a recipe (`ObjectiveRecipe`): plain data
    from which another process, or another machine, builds its own.

    Examples:
        >>> from amijax import AmiciObjective, load_problem
        >>> problem = load_problem("Conversion_Reaction")
        >>> objective = AmiciObjective(problem)  # compiles the model, once
        >>> objective
        <AmiciObjective of Conversion_Reaction: rtol 1e-08, atol 1e-16, forward sensitivities>
        >>> llh, gradient = objective.llh_and_gradient(problem.nominal_theta)
        >>> round(llh, 4), gradient.shape
        (41.7502, (6,))
    """

    def __init__(
        self,
        problem: Problem,
        solver: SolverSettings | None = None,
        *,
        model: CompiledModel | None = None,
        num_threads: int | None = None,
        executor: Executor | None = None,
        simulator: Simulator | None = None,
        digits: float | None = None,
    ) -> None:
        """Prepare a problem for evaluation; compiles its model if that was never done.

        Args:
            problem: from `load_problem`.
            solver: AMICI's defaults if not given.
            model: the compiled model, if it is at hand.
            num_threads: cores to use; if not given, one for a single point and all for batches.
            executor: where batches of more than one point run, if not here.
            simulator: of this problem and model, if it is at hand; its settings count.
            digits: of the gradient as a whole, 1 to 10, in the place of a solver's tolerances and
                methods: the settings with the least CPU time that give them, found once for a
                model and processor (seconds for small models) and kept on disk. `tuning.found`
                has the record behind it, and warns where fewer digits can be had.

        Raises:
            CompileError: the model can't be compiled.
            ProblemError: AMICI can't express the problem.
            ValueError: digits is out of range.
        """
        self.problem = problem
        self.model = model or get_model(problem)
        self.simulator = simulator or Simulator.of(problem, self.model, solver or SolverSettings())
        self.executor = executor
        self._num_threads = num_threads
        if digits is not None:
            # The one import upwards, on first use: a search evaluates objectives.
            from amijax.tuning.found import settings_for

            self.simulator = self.simulator.with_settings(settings_for(self, digits))

    def with_solver(self, solver: SolverSettings) -> AmiciObjective:
        """The same problem with other solver settings; costs next to nothing."""
        return self._variant(simulator=self.simulator.with_settings(solver))

    def with_gradient_of(self, positions: ArrayLike) -> AmiciObjective:
        """The same problem with sensitivities for some parameters only; other entries are 0.

        The fewer, the faster. The solver controls the errors of the sensitivities that it
        computes, so it takes other steps than for all of them: entries differ from those of a
        full gradient by what the tolerances allow.

        Args:
            positions: of the parameters in theta.
        """
        return self._variant(simulator=self.simulator.with_gradient_of(positions))

    def with_num_threads(self, num_threads: int | None) -> AmiciObjective:
        """The same problem on another number of cores; None as in `AmiciObjective`."""
        return self._variant(num_threads=num_threads)

    def with_executor(self, executor: Executor | None) -> AmiciObjective:
        """The same problem whose batches run elsewhere; None is this process."""
        return self._variant(executor=executor)

    def _variant(self, **changes: Any) -> AmiciObjective:
        same: dict[str, Any] = {
            "simulator": self.simulator,
            "num_threads": self._num_threads,
            "executor": self.executor,
        }
        return AmiciObjective(self.problem, model=self.model, **{**same, **changes})

    def recipe(self) -> ObjectiveRecipe:
        """The plain data that this objective is made of, but for its executor.

        Raises:
            ProblemError: the problem's files are not what they were when it was opened.
        """
        return ObjectiveRecipe(
            ProblemRecipe.of(self.problem),
            self.solver,
            self.simulator.gradient_of,
            self._num_threads,
        )

    def __reduce__(self) -> tuple[Callable[[ObjectiveRecipe], AmiciObjective], tuple[Any, ...]]:
        return ObjectiveRecipe.rebuild, (self.recipe(),)

    def __repr__(self) -> str:
        return f"<AmiciObjective of {self.problem.problem_id}: {self.solver}>"

    def _repr_html_(self) -> str:
        """The problem's parameters as a table, settings, repairs and warnings, for notebooks."""
        repairs = [f"Repaired: {repair.message}" for repair in self.repairs]
        own = set(self.problem.warnings)
        warnings = [f"Warning: {each}" for each in self.warnings if each not in own]
        title = f"Log-likelihood of {self.problem.problem_id}, simulated by AMICI"
        return self.problem.report(title, [f"Solver: {self.solver}.", *repairs, *warnings])

    @property
    def solver(self) -> SolverSettings:
        """How AMICI integrates."""
        return self.simulator.settings

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is not to be trusted with these settings, and what a person should know of the
        problem's files before trusting a number.
        """
        found = distrusted(self.simulator.plan, self.solver.sensitivities)
        return (*self._naming_entries(found), *self.problem.warnings)

    def warnings_at(self, theta: ArrayLike) -> tuple[Finding, ...]:
        """The warnings, and what is not to be trusted at a point.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.

        Raises:
            ValueError: theta has the wrong shape.
        """
        p = self.problem.linear(self.problem.checked(theta))
        found = simultaneous_events(self.simulator.plan, p)
        return (*self._naming_entries(found), *self.warnings)

    def _naming_entries(self, warnings: Iterable[Finding]) -> Iterator[Finding]:
        """Warnings about gradients that don't say which entries are about all."""
        every = self.problem.parameter_ids
        return (replace(each, parameters=each.parameters or every) for each in warnings)

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """What was changed in the model so that AMICI's numbers are right."""
        return self.simulator.plan.repairs

    @property
    def condition_labels(self) -> tuple[str, ...]:
        """The simulations in order: `condition`, or `condition+preequilibration`."""
        return self.simulator.condition_labels

    @property
    def num_threads(self) -> int:
        """Cores used for the conditions of a single point."""
        return self._num_threads or 1

    @property
    def batch_threads(self) -> int:
        """Cores used for batches."""
        return self._num_threads or available_cores()

    @property
    def parameter_ids(self) -> tuple[str, ...]:
        """The parameters' ids, in the order of theta."""
        return self.problem.parameter_ids

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

    def evaluate(self, theta: ArrayLike, gradient: bool = True, *, fim: bool = False) -> Evaluation:
        """Evaluate at theta; a failure is part of the result, never raised.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            gradient: whether to compute the gradient as well.
            fim: whether to read the Fisher information as well, which comes with the gradient at
                no cost where sensitivities are forward and no noise is Laplacian.

        Raises:
            ValueError: theta has the wrong shape.
        """
        start = time.perf_counter()
        theta = self.problem.checked(theta)
        failure = self.refusal(theta, gradient)
        if failure is None:
            rdatas = self.simulator.likelihoods(
                theta, gradient=gradient, num_threads=self.num_threads
            )
            fim = fim and gradient and self.solver.sensitivities == "forward"
            return self._evaluation(theta, rdatas, gradient, start, fim=fim)
        return failed_evaluation(theta, gradient, failure, time.perf_counter() - start, self.solver)

    def evaluate_unless(
        self, theta: ArrayLike, gradient: bool, check: Callable[[], None]
    ) -> Evaluation:
        """`evaluate` that can be ended between two conditions.

        On one core, as `evaluate` is by default, so that durations can be compared.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            gradient: whether to compute the gradient as well.
            check: called several times a second, if there are several conditions, in the calling
                thread; what it raises ends the simulation and comes out.

        Raises:
            ValueError: theta has the wrong shape.
        """
        if len(self.condition_labels) == 1:
            return self.evaluate(theta, gradient)
        one_core = self.with_num_threads(1)
        points = [self.problem.checked(theta)]
        (evaluation,) = one_core.evaluate_batch(points, gradient, on_chunk=lambda _: check())
        return evaluation

    def llh_batch(self, thetas: ArrayLike, *, executor: Executor | None = None) -> FloatArray:
        """Log-likelihoods at many points at once, on all cores or on a Dask cluster.

        Args:
            thetas: shape (n, n_parameters), on the PEtab scale.
            executor: as in `evaluate_batch`.

        Returns:
            Shape (n,), in order; NaN for points that failed. `evaluate_batch` tells why.

        Raises:
            ClusterError: the executor's cluster can't be used.
            ValueError: thetas has the wrong shape.
        """
        points = self.problem.checked_points(thetas)
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
            ClusterError: the executor's cluster can't be used.
            ValueError: thetas has the wrong shape.
        """
        points = self.problem.checked_points(thetas)
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
            executor: where to evaluate the points, for example `amijax.DaskExecutor(client)`; if
                not given, the objective's own for more than one point, else this process.

        Raises:
            ClusterError: the executor's cluster can't be used.
            TypeError: executor is no `Executor`.
            ValueError: thetas has the wrong shape.
        """
        points = self.problem.checked_points(thetas)
        evaluations: dict[int, Evaluation] = {}
        self._evaluate_each(points, gradient, evaluations.__setitem__, executor, on_chunk)
        return tuple(evaluations[i] for i in range(len(points)))

    def _evaluate_each(
        self,
        points: FloatArray,
        gradient: bool,
        keep: Callable[[int, Evaluation], None],
        executor: Executor | None,
        on_chunk: Callable[[int], None] | None = None,
    ) -> None:
        """Hand each point's position and evaluation to `keep` as soon as it is finished."""
        if (elsewhere := self._executor_for(len(points), executor)) is not None:
            evaluations = elsewhere.evaluate_points(self, points, gradient, on_chunk)
            for i, evaluation in enumerate(evaluations):
                keep(i, evaluation)
            return
        conditions = self.simulator.conditions
        batch = each_point(
            self.simulator, points, self.refusal,
            lambda condition, rdata, unsteady: condition_result(
                condition, rdata, gradient, unsteady
            ),
            return_likelihood, gradient=gradient, num_threads=self.batch_threads,
            on_chunk=on_chunk,
        )  # fmt: skip
        with closing(batch):
            for i, results, seconds in batch:
                if isinstance(results, Failure):
                    keep(i, failed_evaluation(points[i], gradient, results, 0.0, self.solver))
                else:
                    keep(i, evaluation_of(points[i], conditions, results, seconds, self.solver))

    def refusal(self, theta: FloatArray, gradient: bool) -> Failure | None:
        """Why theta is not simulated; None if it is.

        Either a parameter is not finite, or the model must not run in this process
        (`Simulator.refusal`).

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            gradient: with sensitivities.
        """
        if not all(-SURELY_FINITE < value < SURELY_FINITE for value in theta.tolist()):
            linear = to_linear(theta, self.problem.scales)
            failure = input_failure(self.problem.parameter_ids, theta, linear)
            if failure is not None:
                return failure
        return self.simulator.refusal(gradient=gradient)

    def _executor_for(self, n_points: int, executor: Executor | None) -> Executor | None:
        if executor is None:
            return self.executor if n_points > 1 else None  # one point is not worth the way
        if not isinstance(executor, Executor):
            raise TypeError(
                "executor must have a method evaluate_points, as amijax.DaskExecutor(client) has, "
                f"but is {executor!r}."
            )
        return executor

    def gradient_within(self, theta: ArrayLike, cpu_seconds: float) -> Evaluation | None:
        """Evaluate condition by condition; None once AMICI has used more CPU time than allowed.

        Args:
            theta: shape (n_parameters,), finite, on the PEtab scale.
            cpu_seconds: AMICI's CPU time, summed over conditions.
        """
        start = time.perf_counter()
        theta = np.array(theta, dtype=np.float64)
        if (failure := self.refusal(theta, True)) is not None:
            return failed_evaluation(theta, True, failure, 0.0, self.solver)
        limited = self.with_solver(replace(self.solver, time_limit=cpu_seconds))
        rdatas: list[Any] = []
        used = 0.0
        for i in range(len(self.simulator.conditions)):
            rdatas += limited.simulator.likelihoods(theta, gradient=True, only=[i])
            used += rdatas[-1].cpu_time_total * 1e-3
            if used > cpu_seconds or rdatas[-1].status == MAX_TIME_EXCEEDED:
                return None
        return self._evaluation(theta, rdatas, True, start)

    def _evaluation(
        self,
        theta: FloatArray,
        rdatas: list[Any],
        gradient: bool,
        start: float,
        *,
        fim: bool = False,
    ) -> Evaluation:
        conditions = self.simulator.conditions
        results = [
            condition_result(
                condition, rdata, gradient, self.simulator.never_steady(theta, i, rdata), fim=fim
            )
            for i, (condition, rdata) in enumerate(zip(conditions, rdatas, strict=True))
        ]
        wall_seconds = time.perf_counter() - start
        return evaluation_of(theta, conditions, results, wall_seconds, self.solver)


_ready: OrderedDict[ProblemRecipe, Future[AmiciObjective]] = OrderedDict()
_ready_lock = threading.Lock()


@dataclass(frozen=True)
class ObjectiveRecipe:
    """All that an `AmiciObjective` is made of; its compiled model is found or built by its key.

    Attributes:
        problem: the problem's files.
        solver: the solver's settings.
        gradient_of: positions in theta of the sensitivities, None for all of them.
        num_threads: as in `AmiciObjective`.
    """

    problem: ProblemRecipe
    solver: SolverSettings
    gradient_of: tuple[int, ...] | None
    num_threads: int | None

    def rebuild(self) -> AmiciObjective:
        """The objective; immediately in a process that prepared its problem before.

        The model is looked up in this machine's cache by the key of its content and of the
        versions here, and compiled where it is not there, once for all processes that ask.

        Raises:
            CompileError: the model can't be compiled.
            ProblemError: the cache folder can't be written.
        """
        objective = _prepared(self.problem).with_num_threads(self.num_threads)
        objective = objective.with_solver(self.solver)
        return objective if self.gradient_of is None else objective.with_gradient_of(
            self.gradient_of
        )  # fmt: skip


def _prepared(recipe: ProblemRecipe) -> AmiciObjective:
    """The objective with default settings; prepared once, also if many threads ask."""
    with _ready_lock:
        future = _ready.get(recipe)
        is_mine = future is None
        if future is None:
            future = _ready[recipe] = Future()
        _ready.move_to_end(recipe)
        while len(_ready) > _KEPT:
            _ready.popitem(last=False)
    if is_mine:
        try:
            future.set_result(AmiciObjective(recipe.open()))
        except BaseException as error:
            with _ready_lock:
                if _ready.get(recipe) is future:  # the next one tries again
                    del _ready[recipe]
            future.set_exception(error)
    return future.result()
