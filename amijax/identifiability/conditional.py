"""llh + log prior with some parameters held, as the optimisers of fits take it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from amijax.fit.function import FitFunction, Point
from amijax.scales import FloatArray


class ConditionalFunction:
    """A function of all parameters but some (`amijax.fit.function.Maximised`).

    Its points, bounds and derivatives have no entries for the parameters that are held; those of
    `function`, which keeps count and the best point, have all.
    """

    def __init__(self, function: FitFunction, free: NDArray[np.bool_], theta: FloatArray) -> None:
        """Set up.

        Args:
            function: of all parameters.
            free: which are not held.
            theta: on the PEtab scale; gives the values of those that are.
        """
        self._function = function
        self._free, self._whole = free, theta.copy()
        self.lower, self.upper = function.lower[self._free], function.upper[self._free]

    @property
    def best(self) -> Point | None:
        """The best point so far within the bounds."""
        best = self._function.best
        return None if best is None else self._reduced(best)

    def whole(self, theta: FloatArray) -> FloatArray:
        """All parameters, from those that are free."""
        point = self._whole.copy()
        point[self._free] = theta
        return point

    def at(self, theta: FloatArray) -> Point:
        """Value, gradient and curvature."""
        return self._reduced(self._function.at(self.whole(theta)))

    def residuals_at(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals and their Jacobian."""
        values, jacobian = self._function.residuals_at(self.whole(theta))
        return values, jacobian[:, self._free]

    def minus_value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Both with the sign changed; inf and NaN after a failure."""
        point = self.at(theta)
        return -point.value, -point.gradient

    def _reduced(self, point: Point) -> Point:
        free, curvature = self._free, point.curvature
        return replace(
            point,
            theta=point.theta[free],
            gradient=point.gradient[free],
            curvature=None if curvature is None else curvature[np.ix_(free, free)],
        )
