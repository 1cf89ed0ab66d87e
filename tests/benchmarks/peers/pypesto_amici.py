"""pyPESTO's AMICI objective, on AMICI's own import of the problem and with our solver settings."""

import numpy as np
import pypesto
from pypesto.petab import PetabImporter

from amijax.simulation.run import solver_of, with_steady_state

from .amici_import import imported
from .call import Call, Values


def set_up(objective):
    problem = objective.problem
    petab_problem, model = imported(problem)
    model = with_steady_state(model, objective.solver)
    importer = PetabImporter(
        petab_problem, model_name=problem.problem_id, output_folder="unused", validate_petab=False
    )
    # A Problem fixes the parameters that are not estimated. PetabImporter.create_problem does so,
    # too, but adds the table's priors, which are not part of the likelihood.
    likelihood = pypesto.Problem(
        importer.create_objective_creator().create_objective(
            model=model, solver=solver_of(model, objective.solver)
        ),
        lb=np.array(petab_problem.lb_scaled),
        ub=np.array(petab_problem.ub_scaled),
        x_fixed_indices=petab_problem.x_fixed_indices,
        x_fixed_vals=petab_problem.x_nominal_fixed_scaled,
        x_names=petab_problem.x_ids,
    ).objective  # the negative log-likelihood of the free parameters, in the table's order
    theta = problem.nominal_theta

    def call(gradient):
        if gradient:
            return Call(
                lambda: likelihood(theta, sensi_orders=(0, 1)),
                lambda result: Values(-result[0], -result[1]),
            )
        return Call(lambda: likelihood(theta), lambda value: Values(-value))

    return call
