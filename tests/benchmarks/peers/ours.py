"""This package without JAX: `AmiciObjective.llh` and `.llh_and_gradient`."""

from .call import Call, Values


def set_up(objective):
    theta = objective.problem.nominal_theta

    return lambda gradient: (
        Call(lambda: objective.llh_and_gradient(theta), lambda pair: Values(*pair))
        if gradient
        else Call(lambda: objective.llh(theta), Values)
    )
