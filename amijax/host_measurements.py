"""What `JaxSimulator` needs of the objective that it is given, which need not be AMICI's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from amijax.scales import FloatArray, Scale


class HostValues(Protocol):
    """What is read of a simulation of n measurements; NaN after a failure."""

    @property
    def y(self) -> FloatArray:
        """Observables, shape (n,)."""

    @property
    def sigma(self) -> FloatArray:
        """Noise scales, shape (n,)."""

    @property
    def y_jacobian(self) -> FloatArray | None:
        """Derivatives of y with respect to theta, shape (n, n_parameters)."""

    @property
    def sigma_jacobian(self) -> FloatArray | None:
        """Those of sigma."""

    @property
    def failure(self) -> Any:
        """None, or why there is no result."""


class HostResiduals(Protocol):
    """What is read of residuals; NaN after a failure."""

    @property
    def values(self) -> FloatArray:
        """Shape (n,) or (2 n,)."""

    @property
    def jacobian(self) -> FloatArray | None:
        """Derivatives with respect to theta, a row for each residual."""

    @property
    def failure(self) -> Any:
        """None, or why there is no result."""


class MeasuredHostObjective(Protocol):
    """An objective that knows its measurements one by one, as `AmiciObjective` does.

    Nothing raises for a failed simulation.
    """

    @property
    def scales(self) -> Sequence[Scale]:
        """The parameters' PEtab scales."""

    @property
    def parameter_ids(self) -> Sequence[str]:
        """The parameters' PEtab ids, in the order of theta."""

    @property
    def n_measurements(self) -> int:
        """How many measurements there are."""

    def check_jacobian(self) -> None:
        """Raise ValueError, with a sentence, if there are no derivatives."""

    def residual_constant(self, noise_offset: float) -> float:
        """What extended residuals lack to llh; ValueError, with a sentence, if there are none."""

    def measured_values(self, theta: FloatArray, jacobian: bool = True) -> HostValues:
        """Simulate at theta (float64, on the PEtab scale)."""

    def measured_values_batch(
        self, thetas: FloatArray, jacobian: bool = True
    ) -> Sequence[HostValues]:
        """Simulate at the rows of thetas, in order."""

    def residuals(
        self, theta: FloatArray, jacobian: bool = True, *, extended: bool, noise_offset: float
    ) -> HostResiduals:
        """Residuals at theta."""

    def residuals_batch(
        self, thetas: FloatArray, jacobian: bool = True, *, extended: bool, noise_offset: float
    ) -> Sequence[HostResiduals]:
        """Residuals at the rows of thetas, in order."""
