"""What `JaxObjective` needs of the objective that it is given, which need not be AMICI's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from amijax.scales import FloatArray, Scale


class HostEvaluation(Protocol):
    """What `JaxObjective` reads of an evaluation; everything else in it is passed through."""

    @property
    def llh(self) -> float:
        """Log-likelihood, NaN after a failure."""

    @property
    def gradient(self) -> FloatArray | None:
        """Its derivative with respect to theta; NaN after a failure."""

    @property
    def failure(self) -> Any:
        """None, or why there is no result."""


class HostObjective(Protocol):
    """What `JaxObjective` needs of the objective that it is given."""

    @property
    def scales(self) -> Sequence[Scale]:
        """The parameters' PEtab scales."""

    def evaluate(self, theta: FloatArray, gradient: bool = True) -> HostEvaluation:
        """Evaluate at theta (float64, on the PEtab scale); never raise for a failed simulation."""


@runtime_checkable
class BatchHostObjective(HostObjective, Protocol):
    """A host objective that evaluates many points faster than one after the other."""

    def evaluate_batch(self, thetas: FloatArray, gradient: bool = True) -> Sequence[HostEvaluation]:
        """Evaluate at the rows of thetas, shape (n, n_parameters), in order."""


@runtime_checkable
class StoppableHostObjective(HostObjective, Protocol):
    """A host objective whose evaluation can be ended before its time."""

    def evaluate_unless(
        self, theta: FloatArray, gradient: bool, check: Callable[[], None]
    ) -> HostEvaluation:
        """Evaluate at theta; call `check` now and then, and end with what it raises."""
