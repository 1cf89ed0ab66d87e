"""PEtab's noise models: density, residual and band of a measurement on the scale of its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.scales import LN10, FloatArray, Scale

Distribution = Literal["normal", "laplace"]


@dataclass(frozen=True)
class NoiseModel:
    """How a measurement m scatters about its simulation y.

    t(m) is distributed about t(y) with noise scale sigma, where t is the identity, log or log10.
    Densities are with respect to m, as in PEtab's definition of noiseDistribution and
    observableTransformation (PEtab v1, "Noise distributions") and in AMICI. y, m and sigma are on
    linear scale: the transformation is part of the noise, never of the observable.

    Attributes:
        transformation: PEtab's observableTransformation.
        distribution: PEtab's noiseDistribution; sigma is the standard deviation of a normal one
            and the scale of a Laplace one (its standard deviation divided by the root of 2).
    """

    transformation: Scale = "lin"
    distribution: Distribution = "normal"

    @classmethod
    def named(cls, name: str) -> NoiseModel:
        """Of AMICI's name, for example `log10-normal`."""
        transformation, distribution = name.split("-")
        return cls(transformation, distribution)  # type: ignore[arg-type]

    def residual(
        self, measurement: FloatArray, simulation: FloatArray, sigma: FloatArray
    ) -> FloatArray:
        """(t(m) - t(y)) / sigma, elementwise; NaN or infinite where there is no logarithm."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self._transform(measurement) - self._transform(simulation)) / sigma

    def slope(self, simulation: FloatArray) -> FloatArray:
        """Derivative of t(y) with respect to y; infinite at 0 on logarithmic scales."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 / (np.ones_like(simulation) * self._inverse_slope(simulation))

    def llh(self, measurement: FloatArray, simulation: FloatArray, sigma: FloatArray) -> FloatArray:
        """Log-density of each measurement; NaN or infinite where there is no logarithm."""
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = self.residual(measurement, simulation, sigma)
            spread = sigma * self._inverse_slope(measurement)
            if self.distribution == "normal":
                return -0.5 * (np.log(2.0 * np.pi * spread**2) + residual**2)
            return -(np.log(2.0 * spread) + np.abs(residual))

    def band(self, simulation: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lower and upper end of t(y) ± sigma, back on linear scale.

        A measurement lies between them with a probability of 68 % (normal) or 63 % (Laplace).
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if self.transformation == "lin":
                return simulation - sigma, simulation + sigma
            factor = np.exp(sigma * (LN10 if self.transformation == "log10" else 1.0))
            return simulation / factor, simulation * factor

    def __str__(self) -> str:
        prefix = "" if self.transformation == "lin" else f"{self.transformation}-"
        return f"{prefix}{self.distribution}"

    def _transform(self, values: FloatArray) -> FloatArray:
        if self.transformation == "lin":
            return values
        return np.log(values) / (LN10 if self.transformation == "log10" else 1.0)

    def _inverse_slope(self, values: FloatArray) -> FloatArray | float:
        """Derivative of values with respect to their transformation."""
        if self.transformation == "lin":
            return 1.0
        return values * (LN10 if self.transformation == "log10" else 1.0)
