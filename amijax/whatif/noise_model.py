"""PEtab's noise models: density, residual and band of a measurement on the scale of its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from petab.v1 import C

from amijax.problems.problem import Problem, ProblemError
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

    def residual(
        self, measurement: FloatArray, simulation: FloatArray, sigma: FloatArray
    ) -> FloatArray:
        """(t(m) - t(y)) / sigma, elementwise; NaN or infinite where there is no logarithm."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self._transform(measurement) - self._transform(simulation)) / sigma

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

    def _inverse_slope(self, measurement: FloatArray) -> FloatArray | float:
        """Derivative of m with respect to t(m)."""
        if self.transformation == "lin":
            return 1.0
        return measurement * (LN10 if self.transformation == "log10" else 1.0)


def noise_models(problem: Problem) -> tuple[NoiseModel, ...]:
    """The noise model of each observable, in the order of the observable table.

    Raises:
        ProblemError: a transformation or distribution is none of PEtab v1.
    """
    table = problem.observables
    found = []
    for observable, row in table.iterrows():
        names = [
            default if pd.isna(value := row.get(column)) or value == "" else str(value)
            for column, default in (
                (C.OBSERVABLE_TRANSFORMATION, "lin"),
                (C.NOISE_DISTRIBUTION, "normal"),
            )
        ]
        if names[0] not in get_args(Scale) or names[1] not in get_args(Distribution):
            raise ProblemError(
                f"{problem.problem_id}: observable {observable} has {names[1]} noise after the "
                f"transformation {names[0]}; PEtab v1 has normal and laplace after lin, log, log10."
            )
        found.append(NoiseModel(*names))  # type: ignore[arg-type]
    return tuple(found)
