"""AMICI's `simulate_petab`, called directly with scaled parameters."""

import warnings

import numpy as np
from amici.sim.sundials.petab.v1 import simulate_petab

from amijax.simulation.run import sensitivity_order

from .call import Call, NoResultError, Values


def simulation(objective, gradient):
    """A function of theta that calls `simulate_petab` with a solver of its own."""
    problem, model, solver = (
        objective.problem,
        objective.simulator.model,
        objective.simulator.new_solver(),
    )
    solver.set_sensitivity_order(sensitivity_order(gradient))

    def simulate(theta):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return simulate_petab(
                problem.petab_problem,
                amici_model=model,
                solver=solver,
                scaled_parameters=True,
                scaled_gradients=True,
                problem_parameters=dict(zip(problem.parameter_ids, np.asarray(theta), strict=True)),
            )

    return simulate


def gradient_of(result, problem):
    """The gradient with respect to theta from a result of `simulate_petab`."""
    return np.array([result["sllh"].get(name, 0.0) for name in problem.parameter_ids])


def set_up(objective):
    problem = objective.problem

    def call(gradient):
        simulate = simulation(objective, gradient)

        def read(result):
            if gradient and result["sllh"] is None:
                raise NoResultError("no gradient")
            return Values(result["llh"], gradient_of(result, problem) if gradient else None)

        return Call(lambda: simulate(problem.nominal_theta), read)

    return call
