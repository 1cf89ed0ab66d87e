"""Step 1: llh and gradient of a model, and what they mean on its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.texts import counted, signed_text, value_text
from amijax.scales import FloatArray
from amijax.whatif.influence import (
    foretold_changes,
    most_influential,
    standard_changes,
    standard_steps,
)
from amijax.whatif.trajectories import Trajectories, TrajectorySimulator

_SAME = 1e-6  # of llh; the solver's noise is smaller
_TWICE = 2.0  # a change that is as much more or less than foretold is curvature's
_QUICK = 0.2  # seconds of AMICI's for a gradient; each parameter is tried where it takes no longer
OPTIONS = ("llh rises", "llh falls", "llh stays the same", "it can't be computed any more")


@dataclass(frozen=True, eq=False)
class OneNumber:
    """llh, its gradient, and what becomes of llh when one parameter moves.

    Attributes:
        llh: log-likelihood.
        gradient: with respect to theta, shape (n_parameters,).
        parameter_ids, scales: of the problem.
        position: of the parameter that is moved.
        step: how far, on the PEtab scale.
        change: of llh by the step, simulated without sensitivities; NaN after a failure.
        change_back: likewise, by the step in the other direction.
        courses, moved_courses: time courses of the best measured condition, at the point and
            after the step.
    """

    llh: float
    gradient: FloatArray
    parameter_ids: tuple[str, ...]
    scales: tuple[str, ...]
    position: int
    step: float
    change: float
    change_back: float
    courses: Trajectories
    moved_courses: Trajectories

    @property
    def foretold(self) -> float:
        """The change by the gradient alone: its entry times the step."""
        return float(self.gradient[self.position] * self.step)

    @property
    def answer(self) -> float:
        """Position in `OPTIONS`."""
        if not np.isfinite(self.change):
            return 3.0
        if abs(self.change) <= _SAME * max(abs(self.llh), 1.0):
            return 2.0
        return 0.0 if self.change > 0 else 1.0

    @property
    def claim(self) -> str:
        """What the step shows."""
        n = len(self.gradient)
        return (
            f"A model, data and {counted(n, 'parameter')} give one number, llh = "
            f"{value_text(self.llh)}, and a gradient of {counted(n, 'number')}: how llh changes "
            "with each parameter."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        points = self.courses.points
        happens = (
            f"llh changes by {signed_text(self.change)}"
            if np.isfinite(self.change)
            else "the model can't be simulated there"
        )
        inside = int((np.abs(points.residual) <= 1).sum())
        name = self.parameter_ids[self.position]
        return (
            f"{inside} of {counted(len(points.residual), 'measurement')} of this condition lie "
            "within one σ of the model's curve. llh is the sum of what each measurement adds; a "
            "point far from the curve lowers it.",
            f"`{name}` moves by {self.step:+.3g}: {happens}. The gradient foretells "
            f"{signed_text(self.foretold)}.",
        )

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        name = self.parameter_ids[self.position]
        entry = self.gradient[self.position]
        first = (
            f"The entry of `{name}` is {value_text(entry, 4)}: a small step changes llh by that "
            f"times the step, {value_text(entry, 4)} × {self.step:.3g} = "
            f"{signed_text(self.foretold)}."
        )
        if not np.isfinite(self.change):
            return (
                first,
                "The model has no solution over all measured times after the step: a slope says "
                "nothing of that.",
            )
        if self.change < 0 and self.change_back < 0:
            return (
                first,
                f"llh falls on both sides, by {value_text(-self.change, 4)} and by "
                f"{value_text(-self.change_back, 4)} in the other direction. Over steps of this "
                "size the slope says little: what moves llh is its curvature. Steps 3 and 4 are "
                "about what curvature does to the digits of the slope.",
            )
        far = abs(self.change) > _TWICE * abs(self.foretold) or abs(self.foretold) > _TWICE * abs(
            self.change
        )
        second = (
            "The step is too long for the slope alone: curvature counts."
            if far
            else "Over this step the slope tells most of the change."
        )
        return first, second

    @property
    def table(self) -> Table:
        """The gradient."""
        rows = tuple(
            (name, scale, f"{value:.6g}")
            for name, scale, value in zip(
                self.parameter_ids, self.scales, self.gradient, strict=True
            )
        )
        return Table(
            "parameter",
            ("scale", "∂llh/∂θ"),
            ("The scale on which the parameter is estimated", "AMICI's gradient, on that scale"),
            rows,
            (self.parameter_ids[self.position],),
        )


def ask(here: Here) -> Question:
    """Does llh rise or fall when one parameter moves?"""
    i, step = _move(here)
    name, scale = here.problem.parameter_ids[i], here.problem.scales[i]
    return Question(
        f"`{name}` moves from {here.theta[i]:.4g} by {step:+.3g} on its {scale} scale. What does "
        "llh do?",
        OPTIONS,
    )


def compute(here: Here, on_progress: OnProgress) -> OneNumber:
    """Move one parameter, and simulate."""
    on_progress("the time courses", 0, 1)
    i, step = _move(here)
    ahead, behind = here.theta.copy(), here.theta.copy()
    ahead[i] += step
    behind[i] -= step
    llh, moved, back = (
        e.llh for e in here.objective.evaluate_batch([here.theta, ahead, behind], gradient=False)
    )
    return OneNumber(
        llh=here.evaluation.llh,
        gradient=here.gradient,
        parameter_ids=here.problem.parameter_ids,
        scales=here.problem.scales,
        position=i,
        step=step,
        change=moved - llh,
        change_back=back - llh,
        courses=courses_of(here, here.theta),
        moved_courses=courses_of(here, ahead),
    )


def courses_of(here: Here, theta: FloatArray) -> Trajectories:
    """Time courses of the condition with the most measurements.

    Args:
        here: the problem, and the settings.
        theta: the point, shape (n_parameters,), on the PEtab scale.
    """
    simulator = TrajectorySimulator(here.objective)
    everywhere = simulator.simulate(theta)
    counts = everywhere.points.by_condition()["measurements"].to_numpy()
    if len(counts) == 1:
        return everywhere
    return simulator.simulate(theta, conditions=[int(counts.argmax())])


def _move(here: Here) -> tuple[int, float]:
    """The parameter that moves llh most, and its step that is foretold to raise llh, or the other
    one where a bound is in the way. Where a simulation is slow, the gradient says which one.
    """
    steps = standard_steps(here.problem, here.theta)
    if here.evaluation.cpu_seconds < _QUICK:
        changes = standard_changes(here.objective.with_executor(None), here.theta)
    else:
        changes = foretold_changes(here.problem, here.theta, here.gradient)
    i = most_influential(changes, 1)[0]
    step = float(steps[i] if here.gradient[i] >= 0 else -steps[i])
    ahead = here.theta[i] + step
    inside = here.problem.lower_theta[i] <= ahead <= here.problem.upper_theta[i]
    return i, step if inside else -step
