"""An objective with a closed form that stands in for AMICI: no model, no compiler."""

from dataclasses import dataclass

import numpy as np

from amijax.scales import linear_slope, to_linear


@dataclass(frozen=True)
class AnalyticEvaluation:
    llh: float
    gradient: np.ndarray | None
    failure: str | None = None
    cpu_seconds: float = 0.0


class AnalyticObjective:
    """llh = -sum((p - 1)^2) over linear p; counts its evaluations; fails where p[0] > 1e6."""

    def __init__(self, scales=("lin", "log", "log10")):
        self.scales = scales
        self.with_gradient = 0
        self.without_gradient = 0

    def evaluate(self, theta, gradient=True):
        assert isinstance(theta, np.ndarray)
        assert theta.dtype == np.float64
        if gradient:
            self.with_gradient += 1
        else:
            self.without_gradient += 1
        p = to_linear(theta, self.scales)
        if p[0] > 1e6:
            nan = np.full(theta.shape, np.nan)
            return AnalyticEvaluation(np.nan, nan if gradient else None, "p[0] is too large")
        value = -float(((p - 1) ** 2).sum())
        return AnalyticEvaluation(value, self.closed_form(theta) if gradient else None)

    def closed_form(self, theta):
        p = to_linear(theta, self.scales)
        return -2 * (p - 1) * linear_slope(p, self.scales)
