"""An objective whose many evaluations are counted and can be ended."""

from __future__ import annotations

from collections.abc import Callable

from amijax.objective import AmiciObjective
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.information import FisherInformation
from amijax.simulation.measured_values import MeasuredValues
from amijax.simulation.settings import SolverSettings
from amijax.simulation.simulator import Simulator


class Watched:
    """An objective as second derivatives need it (`amijax.simulation.hessians.Differentiated`)."""

    def __init__(
        self,
        objective: AmiciObjective,
        on_progress: Callable[[int], None],
        check: Callable[[], None],
        counted: list[int] | None = None,
    ) -> None:
        """Set up.

        Args:
            objective: which is evaluated.
            on_progress: called with the number of gradients so far.
            check: called several times a second; what it raises comes out.
            counted: of what came before.
        """
        self._objective = objective
        self._on_progress, self._check = on_progress, check
        self._counted = [0] if counted is None else counted

    @property
    def problem(self) -> Problem:
        """The problem."""
        return self._objective.problem

    @property
    def simulator(self) -> Simulator:
        """The simulator."""
        return self._objective.simulator

    @property
    def solver(self) -> SolverSettings:
        """The solver's settings."""
        return self._objective.solver

    def with_solver(self, solver: SolverSettings) -> Watched:
        """The same with other settings."""
        other = self._objective.with_solver(solver)
        return Watched(other, self._on_progress, self._check, self._counted)

    def evaluate(self, theta: FloatArray) -> Evaluation:
        """Llh and gradient."""
        self._count(1)
        return self._objective.evaluate(theta)

    def evaluate_batch(self, thetas: FloatArray) -> tuple[Evaluation, ...]:
        """Llh and gradient at many points."""
        before = self._counted[0]

        def seen(done: int) -> None:
            self._count(before + done - self._counted[0])

        found = self._objective.evaluate_batch(thetas, on_chunk=seen)
        seen(len(thetas))
        return found

    def gradient_within(self, theta: FloatArray, cpu_seconds: float) -> Evaluation | None:
        """Llh and gradient, None if it takes longer than allowed."""
        self._count(1)
        return self._objective.gradient_within(theta, cpu_seconds)

    def measured_values(self, theta: FloatArray) -> MeasuredValues:
        """All measurements and their derivatives."""
        self._count(1)
        return self._objective.measured_values(theta)

    def llh_gradient_fim(self, theta: FloatArray) -> FisherInformation:
        """llh, gradient and AMICI's Fisher information."""
        self._count(1)
        return self._objective.llh_gradient_fim(theta)

    def _count(self, more: int) -> None:
        self._counted[0] += more
        self._on_progress(self._counted[0])
        self._check()
