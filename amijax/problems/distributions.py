"""Priors of PEtab v2: distributions of the linear parameter, truncated at its bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from petab.v2 import C

from amijax.problems.findings import ProblemError
from amijax.problems.names import nearest

# What the parameters of each are, in words, and whether each must be above 0.
_PARAMETERS: dict[str, tuple[tuple[str, bool], ...]] = {
    C.CAUCHY: (("location", False), ("scale", True)),
    C.CHI_SQUARED: (("degrees of freedom", True),),
    C.EXPONENTIAL: (("scale", True),),
    C.GAMMA: (("shape", True), ("scale", True)),
    C.LAPLACE: (("location", False), ("scale", True)),
    C.LOG_LAPLACE: (("location", False), ("scale", True)),
    C.LOG_NORMAL: (("mean", False), ("standard deviation", True)),
    C.LOG_UNIFORM: (("lower end", True), ("upper end", True)),
    C.NORMAL: (("mean", False), ("standard deviation", True)),
    C.RAYLEIGH: (("scale", True),),
    C.UNIFORM: (("lower end", False), ("upper end", False)),
}
_LOGARITHMIC = (C.LOG_LAPLACE, C.LOG_NORMAL, C.LOG_UNIFORM)
_ENDS = (C.UNIFORM, C.LOG_UNIFORM)


@dataclass(frozen=True)
class TruncatedPrior:
    """The prior of one free parameter in PEtab v2.

    Attributes:
        parameter: its id.
        type: PEtab's name of the distribution, which is one of the parameter on linear scale; for
            `log-...` the natural logarithm is distributed.
        parameters: PEtab's priorParameters.
        lower, upper: the parameter's bounds, at which the distribution ends: what it has between
            them is renormalised to 1.
    """

    parameter: str
    type: str
    parameters: tuple[float, ...]
    lower: float
    upper: float

    @property
    def on_parameter_scale(self) -> bool:
        """Whether the distribution is of the parameter on the scale of theta: never."""
        return False

    def log_density(self, value: float) -> float:
        """Log-density at a value on linear scale; -inf outside of the bounds or the support."""
        if not self.lower <= value <= self.upper:
            return -math.inf
        if self.type in _LOGARITHMIC and value <= 0:
            return -math.inf
        # The density of x is that of log(x) times d log(x) / dx = 1 / x.
        x, jacobian = (
            (math.log(value), -math.log(value)) if self.type in _LOGARITHMIC else (value, 0.0)
        )
        return float(self._distribution().logpdf(x)) + jacobian - math.log(self.mass())

    def slope(self, value: float) -> float:
        """Derivative of the log-density with respect to the value on linear scale.

        NaN outside of the bounds or the support. At the kink of a Laplace distribution it is the
        mean of both sides.
        """
        if not math.isfinite(self.log_density(value)):
            return math.nan
        if self.type in _LOGARITHMIC:
            return (self._own_slope(math.log(value)) - 1.0) / value
        return self._own_slope(value)

    def curvature(self, value: float) -> float:
        """Minus the second derivative of the log-density as far as it is never below 0: that of
        the square of a normal distribution, 0 of the others. As a Gauss-Newton method has it.
        """
        if self.type not in (C.NORMAL, C.LOG_NORMAL) or (self.type == C.LOG_NORMAL and value <= 0):
            return 0.0
        inner = 1 / value if self.type == C.LOG_NORMAL else 1.0
        return (inner / self.scale) ** 2

    @property
    def location(self) -> float:
        """The first of its parameters."""
        return self.parameters[0]

    @property
    def scale(self) -> float:
        """The second of its parameters, or the only one."""
        return self.parameters[-1]

    def _own_slope(self, x: float) -> float:
        """Derivative of the log-density of what is distributed: the parameter or its logarithm."""
        a, b = self.location, self.scale
        if self.type in _ENDS:
            return 0.0
        if self.type in (C.NORMAL, C.LOG_NORMAL):
            return -(x - a) / b**2
        if self.type in (C.LAPLACE, C.LOG_LAPLACE):
            return -math.copysign(1.0, x - a) / b if x != a else 0.0
        if self.type == C.CAUCHY:
            return -2 * (x - a) / (b**2 + (x - a) ** 2)
        if self.type == C.EXPONENTIAL:
            return -1 / b
        if x == 0:  # an end of the support, where the density is 0 or infinite, or has no slope
            return math.nan
        if self.type == C.GAMMA:
            return (a - 1) / x - 1 / b
        if self.type == C.CHI_SQUARED:
            return (a / 2 - 1) / x - 0.5
        return 1 / x - x / b**2

    def mass(self) -> float:
        """The probability between the bounds before truncation."""
        distribution = self._distribution()
        low, high = self._on_own_scale(self.lower), self._on_own_scale(self.upper)
        if low > distribution.median():  # differences of what is nearly 1 have no digits
            return float(distribution.sf(low) - distribution.sf(high))
        return float(distribution.cdf(high) - distribution.cdf(low))

    def _on_own_scale(self, value: float) -> float:
        if self.type not in _LOGARITHMIC:
            return value
        return math.log(value) if value > 0 else -math.inf

    def _distribution(self) -> Any:
        """SciPy's distribution of the parameter or of its logarithm."""
        from scipy import stats

        first, *others = self.parameters
        if self.type in _ENDS:
            low, high = self._on_own_scale(first), self._on_own_scale(others[0])
            return stats.uniform(low, high - low)
        if self.type in (C.NORMAL, C.LOG_NORMAL):
            return stats.norm(first, others[0])
        if self.type in (C.LAPLACE, C.LOG_LAPLACE):
            return stats.laplace(first, others[0])
        if self.type == C.CAUCHY:
            return stats.cauchy(first, others[0])
        if self.type == C.GAMMA:
            return stats.gamma(first, scale=others[0])
        if self.type == C.CHI_SQUARED:
            return stats.chi2(first)
        if self.type == C.EXPONENTIAL:
            return stats.expon(scale=first)
        return stats.rayleigh(scale=first)


def read_distribution(
    what: str, kind: str, shown: str, lower: float, upper: float, parameter: str = ""
) -> TruncatedPrior:
    """A prior of PEtab v2's parameter table.

    Args:
        what: the prior, as sentences begin.
        kind: its priorDistribution.
        shown: its priorParameters, as the table has them.
        lower: the parameter's lower bound.
        upper: its upper bound.
        parameter: its id.

    Raises:
        ProblemError: the distribution is unknown, its parameters don't fit it, or nothing of it
            lies between the bounds.
    """
    if kind not in _PARAMETERS:
        raise ProblemError(
            f"{what} has the unknown distribution {kind[:40]!r}; PEtab v2 has "
            f"{', '.join(_PARAMETERS)}{nearest(kind, _PARAMETERS)}."
        )
    expected = _PARAMETERS[kind]
    words = " and ".join(name for name, _ in expected)
    try:
        numbers = tuple(float(text) for text in shown.split(C.PARAMETER_SEPARATOR))
    except ValueError:
        numbers = ()
    if len(numbers) != len(expected) or not all(map(math.isfinite, numbers)):
        semicolon = ", with a semicolon between them" if len(expected) > 1 else ""
        raise ProblemError(
            f"{what} has the parameters {shown[:40]!r}; a {kind} distribution takes its {words}"
            f"{semicolon}."
        )
    for number, (name, positive) in zip(numbers, expected, strict=True):
        if positive and not number > 0:
            raise ProblemError(f"{what} has the {name} {number:g}; it must be above 0.")
    if kind in _ENDS and not numbers[0] < numbers[1]:
        raise ProblemError(
            f"{what} has the parameters {shown[:40]!r}; the upper end must be above the lower."
        )
    prior = TruncatedPrior(parameter, kind, numbers, lower, upper)
    if lower < upper and not prior.mass() > 0:
        raise ProblemError(
            f"{what} has no probability between the bounds {lower:g} and {upper:g}, at which it "
            "ends."
        )
    return prior
