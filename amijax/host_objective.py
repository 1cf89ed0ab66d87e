"""What `JaxObjective` needs of the objective that it is given, which need not be AMICI's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from amijax.scales import FloatArray, Scale

CurvatureMethod = Literal["differences", "ggn", "fisher"]


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


@runtime_checkable
class NamedHostObjective(HostObjective, Protocol):
    """A host objective that knows its parameters' names."""

    @property
    def parameter_ids(self) -> Sequence[str]:
        """The parameters' PEtab ids, in the order of theta."""


class HostCurvature(Protocol):
    """What `JaxObjective` reads of a second derivative; everything else in it is passed through."""

    @property
    def hessian(self) -> FloatArray:
        """Second derivative of llh with respect to theta on the PEtab scale, symmetric, shape
        (n_parameters, n_parameters); NaN after a failure. Not of minus llh: at a maximum it is
        negative (semi)definite.
        """

    @property
    def failure(self) -> Any:
        """None, or why there is no result."""


@runtime_checkable
class CurvedHostObjective(HostObjective, Protocol):
    """A host objective that has second derivatives, of one or another kind."""

    def hessian(
        self, theta: FloatArray, method: CurvatureMethod = "differences", *, errors: bool = True
    ) -> HostCurvature:
        """The Hessian at theta (float64, on the PEtab scale), or what stands for it.

        Never raises for a failed simulation. Raises ValueError, with a sentence, where the
        method can't be had for this problem and these settings at all.

        Args:
            theta: shape (n_parameters,).
            method: differences of gradients; the generalised Gauss-Newton matrix; or AMICI's
                Fisher information, with the sign of a Hessian of llh.
            errors: whether to measure what an approximation leaves out as well.
        """
