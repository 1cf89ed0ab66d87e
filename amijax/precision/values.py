"""A log-likelihood with its gradient, and what all parts of a precision study share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation

# Called with the number of evaluations done and their total; what it raises ends the work.
Report = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, eq=False)
class Values:
    """A log-likelihood and its gradient, in float64 whatever they were computed in.

    Attributes:
        llh: log-likelihood, NaN after a failure.
        gradient: with respect to theta, shape (n,); NaN after a failure.
    """

    llh: float
    gradient: FloatArray

    @property
    def all(self) -> FloatArray:
        """Llh and the gradient's entries in one array of shape (n + 1,)."""
        return np.append(self.llh, self.gradient)

    @property
    def is_finite(self) -> bool:
        """Whether nothing is missing."""
        return bool(np.isfinite(self.all).all())


def values_of(evaluation: Evaluation, positions: np.ndarray) -> Values:
    """The values of an evaluation with gradient, for the chosen entries of theta."""
    assert evaluation.gradient is not None
    return Values(evaluation.llh, evaluation.gradient[positions])
