"""AMICI's `simulate_petab` on AMICI's own import of the problem, called with scaled parameters."""

from amijax.simulation.run import sensitivity_order, solver_of, with_steady_state

from .amici_import import gradient_of, imported
from .call import Call, NoResultError, Values


def simulation(objective, gradient):
    """A function of theta that calls `simulate_petab` with a solver of its own."""
    problem, settings, own = objective.problem, objective.solver, imported(objective.problem)
    own = own._replace(model=with_steady_state(own.model, settings))
    solver = solver_of(own.model, settings)
    solver.set_sensitivity_order(sensitivity_order(gradient))
    return lambda theta: own.simulate(problem, theta, solver)


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
