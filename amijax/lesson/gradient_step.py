"""Step 9: a step along the gradient, as foretold and as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.texts import joined, signed_text, value_text
from amijax.scales import FloatArray
from amijax.whatif.prediction import TOLERANCE, Prediction, predict_step

LENGTH = 0.1  # of the step, in the norm of theta
LENGTHS = (0.001, 0.01, 0.1, 1.0)
OPTIONS = (
    "more than foretold",
    "as much as foretold, to a tenth",
    "less than foretold, but it rises",
    "llh falls",
)


@dataclass(frozen=True, eq=False)
class GradientStep:
    """A step along the gradient.

    Attributes:
        prediction: what the gradient foretells of the step, and what comes of it.
        length: of the step on the PEtab scale, in norm.
        parameter_ids: of the problem.
        stopped: parameters that stop at a bound.
    """

    prediction: Prediction
    length: float
    parameter_ids: tuple[str, ...]
    stopped: tuple[str, ...]

    @property
    def answer(self) -> float:
        """Position in `OPTIONS`."""
        p = self.prediction
        if not np.isfinite(p.actual) or p.actual < 0:
            return 3.0
        if abs(p.actual - p.predicted) <= TOLERANCE * abs(p.predicted):
            return 1.0
        return 0.0 if p.actual > p.predicted else 2.0

    @property
    def claim(self) -> str:
        """What the step shows."""
        p = self.prediction
        if not np.isfinite(p.actual):
            return "The step leads to a point that can't be simulated."
        if self.answer == 1:
            return (
                f"A gradient foretells: llh was to rise by {value_text(p.predicted, 4)}, and rises "
                f"by {value_text(p.actual, 4)}."
            )
        did = "falls" if p.actual < 0 else "rises"
        return (
            f"A gradient foretells small steps only: llh was to rise by "
            f"{value_text(p.predicted, 4)}, and {did} by {value_text(abs(p.actual), 4)}."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        if self.stopped:
            one = len(self.stopped) == 1
            bound, stops = ("its bound", "stops") if one else ("their bounds", "stop")
            return (
                self.prediction.text,
                f"{joined(self.stopped)} would leave {bound} and {stops} there.",
            )
        return (self.prediction.text,)

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        p = self.prediction
        lines = [
            "The gradient is the direction in which llh rises fastest, and its length times the "
            "step's length is what it foretells. It is a tangent: where llh is curved, both part."
        ]
        if np.isfinite(p.second_order):
            lines.append(
                f"The curvature along this step adds {signed_text(p.second_order)}: together "
                f"{signed_text(p.predicted + p.second_order)}, against {signed_text(p.actual)} in "
                "fact."
            )
            reach = p.linear_fraction * self.length
            if 0 < reach < np.inf:
                lines.append(
                    f"Along this direction the gradient foretells well for steps up to about "
                    f"{reach:.1g} in length. This one is {self.length:.3g} long."
                )
        return tuple(lines)

    @property
    def table(self) -> Table:
        """The step by parameter."""
        p = self.prediction
        order = np.argsort(-np.abs(p.shares), kind="stable")
        rows = tuple(
            (
                self.parameter_ids[i],
                f"{p.base[i]:.6g}",
                f"{p.theta[i]:.6g}",
                f"{p.theta[i] - p.base[i]:+.3g}",
                f"{p.shares[i]:.3g}",
            )
            for i in order
        )
        return Table(
            "parameter",
            ("θ before", "θ after", "step", "foretold"),
            (
                "The lesson's point, on the parameter's scale",
                "After the step",
                "Along the gradient",
                "This parameter's part of the foretold change of llh",
            ),
            rows,
        )


def step_end(here: Here, length: float = LENGTH) -> FloatArray:
    """Where a step along the gradient ends, shape (n_parameters,).

    A parameter that would leave its bounds stops there.

    Args:
        here: where it begins.
        length: on the PEtab scale, in norm, without bounds.
    """
    size = float(np.linalg.norm(here.gradient))
    if not size:
        return here.theta.copy()
    end = here.theta + length / size * here.gradient
    lower = np.minimum(here.problem.lower_theta, here.theta)
    upper = np.maximum(here.problem.upper_theta, here.theta)
    return np.clip(end, lower, upper)


def ask(here: Here) -> Question:
    """What does llh do along the gradient?"""
    return ask_about(here, LENGTH)


def ask_about(here: Here, length: float) -> Question:
    """The same for a step of some length."""
    end = step_end(here, length)
    foretold = float(here.gradient @ (end - here.theta))
    taken = float(np.linalg.norm(end - here.theta))
    return Question(
        f"We walk along the gradient, a step of {taken:.3g} in length. The gradient foretells "
        f"that llh rises by {value_text(foretold, 3)}. What does llh really do?",
        OPTIONS,
    )


def compute(here: Here, on_progress: OnProgress) -> GradientStep:
    """Follow the gradient."""
    return follow(here, LENGTH, on_progress)


def follow(here: Here, length: float, on_progress: OnProgress) -> GradientStep:
    """Follow the gradient for some length."""
    on_progress("llh along the step", 0, 1)
    end = step_end(here, length)
    ids = here.problem.parameter_ids
    at_bound = (end == here.problem.lower_theta) | (end == here.problem.upper_theta)
    stopped = np.flatnonzero(at_bound & (here.gradient != 0))
    return GradientStep(
        predict_step(here.objective, here.evaluation, end),
        float(np.linalg.norm(end - here.theta)),
        ids,
        tuple(ids[i] for i in stopped),
    )
