"""Where a step of the lesson stands: a problem at a point, with settings that work there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.auto import settle
from amijax.objective import AmiciObjective
from amijax.problems import Problem
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure
from amijax.simulation.settings import SolverChoice

# Called with what is computed, how much of it is done, and how much there is; what it raises ends
# the work.
OnProgress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, eq=False)
class Here:
    """A problem at a point.

    Attributes:
        objective: the problem with the solver settings that work at the point.
        evaluation: llh and gradient there, with these settings.
    """

    objective: AmiciObjective
    evaluation: Evaluation

    @classmethod
    def at(cls, objective: AmiciObjective, theta: ArrayLike, choice: SolverChoice) -> Here:
        """Evaluate at a point with the first settings that work.

        Args:
            objective: the problem; its own settings don't matter.
            theta: shape (n_parameters,), on the PEtab scale.
            choice: what is asked of the solver.

        Raises:
            ValueError: theta has the wrong shape.
        """
        settled = settle(objective, theta, choice)
        return cls(settled.objective, settled.evaluation)

    @property
    def failure(self) -> Failure | None:
        """Why there is nothing to show here; None if all is well."""
        return self.evaluation.failure

    @property
    def problem(self) -> Problem:
        """The problem."""
        return self.objective.problem

    @property
    def theta(self) -> FloatArray:
        """The point on the PEtab scale, shape (n_parameters,)."""
        return self.evaluation.theta

    @property
    def gradient(self) -> FloatArray:
        """AMICI's gradient with respect to theta, shape (n_parameters,)."""
        assert self.evaluation.gradient is not None
        return self.evaluation.gradient

    @property
    def all_positions(self) -> np.ndarray:
        """Of all parameters."""
        return np.arange(self.problem.n_parameters)
