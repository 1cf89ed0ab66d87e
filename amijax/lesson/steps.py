"""The lesson's nine steps, in order."""

from __future__ import annotations

from amijax.lesson import (
    accuracy,
    cancellation,
    chain_rule,
    gradient_step,
    one_number,
    signs,
    tight,
    two_precisions,
    work,
)
from amijax.lesson.step import Step

STEPS: tuple[Step, ...] = (
    Step(
        1, "One model, one number", 4,
        "Look at the curve and the measurements, then say what llh will do.",
        one_number.ask, one_number.compute,
    ),
    Step(
        2, "The scales", 3,
        "Think of one parameter: θ on its scale, p in the model. Say which slope is larger, then "
        "follow its row.",
        chain_rule.ask, chain_rule.compute,
    ),
    Step(
        3, "float32: digit by digit", 5,
        "x64 is off: JAX computes with 24 bits. Say how many digits are left, then compare both "
        "numbers digit by digit.",
        two_precisions.ask, two_precisions.compute,
    ),
    Step(
        4, "Where the digits went", 8,
        "Guess what the 24th bit does. Then, at the end, flip a bit or change the value, and guess "
        "again.",
        cancellation.ask, cancellation.compute, ("budget", "curvature"),
    ),
    Step(
        5, "x64 on: are the numbers right now?", 4,
        "Switch x64 on: both agree. Say how much of that is right.",
        accuracy.ask, accuracy.compute, ("budget", "reference", "noise", "audit"),
    ),
    Step(
        6, "Tolerances: work against precision", 3,
        "Say which tolerance is enough for float32, then read the curve.",
        work.ask, work.compute, ("tolerances",),
    ),
    Step(
        7, "Tighter and tighter: right at last?", 5,
        "Watch AMICI's digits settle as rtol gets smaller. Would you believe them?",
        tight.ask, tight.compute, ("reference", "audit"),
    ),
    Step(
        8, "The signs of a stiff problem", 4,
        "Say how many signs are wrong, then compare with a harmless problem.",
        signs.ask, signs.compute, ("budget", "curvature"),
    ),
    Step(
        9, "What if: a step along the gradient", 3,
        "Take the step, then a shorter one.",
        gradient_step.ask, gradient_step.compute,
    ),
)  # fmt: skip

EXERCISE_MINUTES = 6  # of a class of 45, after the last step


def step_of(number: int) -> Step:
    """A step by its number.

    Raises:
        ValueError: there is none.
    """
    if not 1 <= number <= len(STEPS):
        raise ValueError(f"The lesson has steps 1 to {len(STEPS)}, not {number}.")
    return STEPS[number - 1]
