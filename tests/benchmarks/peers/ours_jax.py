"""This package inside JAX, in float64: the value and `value_and_grad` of a `JaxObjective`."""

from amijax import JaxObjective

from .jitted import jitted


def set_up(objective):
    inside = JaxObjective(objective)
    return lambda gradient: jitted(inside, objective.problem.nominal_theta, gradient)
