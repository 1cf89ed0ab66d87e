"""Step 2: theta, the linear parameters, and the chain rule between their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.comparison import Comparison, compare
from amijax.digits import digits
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.texts import digits_text, value_text
from amijax.scales import FloatArray, Scale, linear_slope, to_linear

OPTIONS = ("larger in size", "the same", "smaller in size")
_TRANSFORMATION: dict[Scale, str] = {"log10": "10^θ", "log": "e^θ", "lin": "θ"}
_STEP = 0.1
_SLOPE: dict[Scale, str] = {"log10": "ln(10) · p", "log": "p", "lin": "1"}


@dataclass(frozen=True, eq=False)
class ChainRule:
    """A gradient on both scales.

    Attributes:
        comparison: of AMICI with AMICI inside JAX, in float64.
        slope: dp/dtheta, shape (n_parameters,).
        linear_gradient: AMICI's gradient with respect to p, shape (n_parameters,).
        position: of the parameter whose two slopes differ most.
    """

    comparison: Comparison
    slope: FloatArray
    linear_gradient: FloatArray
    position: int

    @property
    def answer(self) -> float:
        """Position in `OPTIONS`."""
        slope = self.slope[self.position]
        return 1.0 if slope == 1 else 0.0 if slope > 1 else 2.0

    @property
    def _scale(self) -> Scale:
        return self.comparison.scales[self.position]

    @property
    def claim(self) -> str:
        """What the step shows."""
        if self._scale == "lin":
            return (
                "All parameters are on linear scale here: θ = p, and both gradients are the same."
            )
        return (
            "The scale changes the gradient, not the model: each entry is ∂llh/∂p times dp/dθ, "
            "the chain rule, which JAX applies."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        c, i = self.comparison, self.position
        return (
            f"`{c.parameter_ids[i]}` is estimated on {c.scales[i]} scale: θ = "
            f"{value_text(c.theta[i])}, and the model gets p = {_TRANSFORMATION[self._scale]} = "
            f"{value_text(c.p[i])}.",
            f"∂llh/∂p = {value_text(self.linear_gradient[i])}; dp/dθ = {_SLOPE[self._scale]} = "
            f"{value_text(self.slope[i])}; their product is ∂llh/∂θ = "
            f"{value_text(c.gradient_jax[i])}.",
        )

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        agreed = digits(self.comparison.gradient_amici, self.comparison.gradient_jax)
        same = (
            "AMICI knows these scales as well, and computes the same product by itself: in float64 "
            f"both agree in {digits_text(float(np.nanmin(agreed)))} digits or more."
        )
        if self._scale == "lin":
            return (same,)
        more = 100 * (float(to_linear([_STEP], [self._scale])[0]) - 1)
        return (
            f"Rates differ by powers of ten. On {self._scale} scale a step of {_STEP:g} makes any "
            f"of them {more:.0f} % larger, whatever its size: an optimizer therefore walks in θ.",
            same,
        )

    @property
    def table(self) -> Table:
        """Both gradients."""
        c = self.comparison
        rows = tuple(
            (
                c.parameter_ids[i],
                c.scales[i],
                f"{c.theta[i]:.6g}",
                f"{c.p[i]:.4g}",
                f"{self.linear_gradient[i]:.4g}",
                f"{self.slope[i]:.4g}",
                f"{c.gradient_jax[i]:.6g}",
                f"{c.gradient_amici[i]:.6g}",
            )
            for i in range(len(c.theta))
        )
        return Table(
            "parameter",
            ("scale", "θ", "p", "∂llh/∂p", "dp/dθ", "product (JAX)", "∂llh/∂θ (AMICI)"),
            (
                "The scale on which the parameter is estimated",
                "The parameter on that scale",
                "The parameter as the model gets it",
                "The gradient with respect to p",
                "The slope of the transformation",
                "∂llh/∂p · dp/dθ, by JAX in float64",
                "AMICI's own gradient with respect to θ",
            ),
            rows,
            (c.parameter_ids[self.position],),
        )


def ask(here: Here) -> Question:
    """Which of the two slopes is larger?"""
    slope = _slope(here)
    i = _most_different(slope)
    name, scale = here.problem.parameter_ids[i], here.problem.scales[i]
    p = here.problem.linear(here.theta)[i]
    return Question(
        f"`{name}` has the {scale} value θ = {here.theta[i]:.4g}; the model gets p = "
        f"{_TRANSFORMATION[scale]} = {p:.4g}. llh has a slope with respect to p. Compared with "
        "it, the slope with respect to θ is …",
        OPTIONS,
    )


def compute(here: Here, on_progress: OnProgress) -> ChainRule:
    """Compare in float64, and take the product apart."""
    on_progress("both gradients", 0, 1)
    slope = _slope(here)
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = here.gradient / slope
    return ChainRule(
        compare(here.objective, here.theta, "float64", amici=here.evaluation),
        slope,
        linear,
        _most_different(slope),
    )


def _slope(here: Here) -> FloatArray:
    return linear_slope(here.problem.linear(here.theta), here.problem.scales)


def _most_different(slope: FloatArray) -> int:
    with np.errstate(divide="ignore"):
        return int(np.argmax(np.abs(np.log(np.abs(slope)))))
