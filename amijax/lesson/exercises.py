"""Three exercises that end the lesson, with answers that are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amijax.digits import digits
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.studied import study_of
from amijax.lesson.texts import digits_text, value_text
from amijax.precision.curvature import UNIT_ROUNDOFF
from amijax.precision.float32 import float32_gradient, float32_point
from amijax.precision.tolerances import combined
from amijax.precision.verdicts import in_words
from amijax.scales import FloatArray
from amijax.whatif.influence import most_influential, standard_steps

_ENOUGH = 5  # digits
_MOVES = (-1.0, -0.1, 0.1, 1.0)  # in standard steps
_MOST_MOVED = 12  # parameters


@dataclass(frozen=True, eq=False)
class Solution:
    """An exercise's answer at a point.

    Attributes:
        value: what was asked for; NaN where there is no answer.
        text: the answer in sentences.
        theta: where to see it, on the PEtab scale; None if that is the point itself.
    """

    value: float
    text: str
    theta: FloatArray | None = None


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    Attributes:
        title: a few words.
        task: what to do.
        solve: the answer at a point, live.
    """

    title: str
    task: str
    solve: Callable[[Here, OnProgress], Solution]


def foretold_digits(here: Here, on_progress: OnProgress) -> Solution:
    """Digits that the largest condition number leaves, and those that are left."""
    study = study_of(here, ("budget", "reference", "noise", "curvature"), on_progress)
    if study.curvature is None or study.budget is None:
        return Solution(np.nan, "There is no condition number here: no reference could be found.")
    i = int(np.nanargmax(study.curvature.condition))
    condition, name = float(study.curvature.condition[i]), study.parameter_ids[i]
    left = float(max(-np.log10(condition * UNIT_ROUNDOFF), 0.0))
    kept = float(digits(study.budget.float64.gradient[i], study.budget.float32.gradient[i]))
    return Solution(
        left,
        f"`{name}`: condition number {condition:.2e}, times 2⁻²⁴ = {UNIT_ROUNDOFF:.2e} gives "
        f"{condition * UNIT_ROUNDOFF:.1e}. The curvature allows the loss of all but "
        f"{digits_text(left)} digits. {digits_text(kept)} are left: "
        + (
            "more than that, since a bound is what may happen at worst."
            if kept > left
            else "no more than that."
        ),
    )


def worse_entry(here: Here, on_progress: OnProgress) -> Solution:
    """The point next to this one, one parameter moved, whose worst entry keeps fewest digits."""
    steps = standard_steps(here.problem, here.theta)
    moved = most_influential(np.abs(here.gradient) * steps, _MOST_MOVED)
    thetas = [here.theta]
    for i in moved:
        for factor in _MOVES:
            theta = here.theta.copy()
            theta[i] += factor * steps[i]
            if here.problem.lower_theta[i] <= theta[i] <= here.problem.upper_theta[i]:
                thetas.append(theta)
    left, gradients = _digits_left(here, np.array(thetas), on_progress)
    point, entry = np.unravel_index(int(np.nanargmin(left)), left.shape)
    name = here.problem.parameter_ids[int(entry)]
    before, after = float(np.nanmin(left[0])), float(left[point, entry])
    if point == 0:
        return Solution(
            after,
            f"Nothing worse was found among {len(thetas) - 1} points with one parameter moved: "
            f"`{name}` here, with {digits_text(after)} digits, is the worst.",
        )
    value, was = float(gradients[point, entry]), float(gradients[0, entry])
    why = " It is closer to 0 there: the same absolute error is more of it." * (
        abs(value) < abs(was)
    )
    j = int(np.flatnonzero(thetas[point] != here.theta)[0])
    return Solution(
        after,
        f"With `{here.problem.parameter_ids[j]}` at {thetas[point][j]:.6g} the entry of `{name}` "
        f"keeps {digits_text(after)} digits in float32; the worst one here keeps "
        f"{digits_text(before)}. The entry is {value_text(value, 4)} there and "
        f"{value_text(was, 4)} here.{why} {len(thetas) - 1} points with one parameter moved were "
        "tried.",
        thetas[point],
    )


def five_digits(here: Here, on_progress: OnProgress) -> Solution:
    """The largest rtol from which on every entry has five right digits in float64."""
    sweep = study_of(here, ("reference", "tolerances"), on_progress).tolerances
    if sweep is None:
        return Solution(np.nan, "There is no reference here: nobody knows how many are right.")
    errors = combined(sweep.errors[1], "worst")
    good = errors <= 10.0**-_ENOUGH
    bad = np.flatnonzero(~good)
    first = int(bad[-1]) + 1 if bad.size else 0
    if first == len(errors):
        return Solution(
            np.nan,
            f"No rtol down to {sweep.rtols[-1]:.0e} is enough: there, the worst entry is still "
            f"off by {in_words(errors[-1])}.",
        )
    default = int(np.argmin(np.abs(np.log10(sweep.rtols / here.objective.solver.rtol))))
    times = sweep.seconds[1][first] / sweep.seconds[1][default]
    return Solution(
        float(sweep.rtols[first]),
        f"rtol {sweep.rtols[first]:.0e}: the worst entry is off by {in_words(errors[first])}. It "
        f"takes {times:.1f} times as long as rtol {sweep.rtols[default]:.0e}, where it is off by "
        f"{in_words(errors[default])}.",
    )


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "Foretell the loss",
        "Take the largest condition number of step 4 and multiply it by 2⁻²⁴. How many digits of "
        "that entry does curvature leave at worst? Compare with those that are left.",
        foretold_digits,
    ),
    Exercise(
        "Find a worse entry",
        "Move one parameter on the first page until a gradient entry keeps fewer digits in "
        "float32 than any does here. Send the link of that point to the others.",
        worse_entry,
    ),
    Exercise(
        "Five digits, please",
        "Which rtol gives every gradient entry five right digits in float64, and how much longer "
        "does it take? Read it off step 6, by the worst entry instead of the median.",
        five_digits,
    ),
)


def _digits_left(
    here: Here, thetas: FloatArray, on_progress: OnProgress
) -> tuple[FloatArray, FloatArray]:
    """Digits in which float32 and float64 agree, and the gradients in float64.

    Both of shape (n, n_parameters); NaN after a failure.

    What a float32 `JaxObjective` would return, bit for bit, in one batch.
    """
    scales = here.objective.scales
    points = [float32_point(theta, scales) for theta in thetas]
    hosts = np.array([point.host for point in points])
    evaluations = here.objective.evaluate_batch(
        np.concatenate([thetas, hosts]),
        on_chunk=lambda done: on_progress("points nearby", done, 2 * len(thetas)),
    )
    gradients = np.array([evaluation.gradient for evaluation in evaluations])
    n = len(thetas)
    float32 = [
        float32_gradient(gradient, point, scales)
        for gradient, point in zip(gradients[n:], points, strict=True)
    ]
    return digits(gradients[:n], np.array(float32)), gradients[:n]
