"""pyPESTO's fit of a problem: its AMICI objective and its fides, with our options and starts."""

import logging
import time

import numpy as np
import pypesto
import pypesto.optimize
from pypesto.history import HistoryOptions
from pypesto.petab import PetabImporter

from amijax.simulation.run import solver_of, with_steady_state

from .amici_import import imported


def set_up(objective):
    """PyPESTO's problem, whose objective is minus the log-likelihood.

    As in `pypesto_amici`: priors of the parameter table are left out on both sides.
    """
    problem = objective.problem
    petab_problem, model = imported(problem)
    model = with_steady_state(model, objective.solver)
    importer = PetabImporter(
        petab_problem, model_name=problem.problem_id, output_folder="unused", validate_petab=False
    )
    likelihood = importer.create_objective_creator().create_objective(
        model=model, solver=solver_of(model, objective.solver)
    )
    likelihood.guess_steadystate = False
    return pypesto.Problem(
        likelihood,
        lb=np.array(petab_problem.lb_scaled),
        ub=np.array(petab_problem.ub_scaled),
        x_fixed_indices=petab_problem.x_fixed_indices,
        x_fixed_vals=petab_problem.x_nominal_fixed_scaled,
        x_names=petab_problem.x_ids,
        copy_objective=False,
    )


def run_start(peer, theta, options, hessian_update):
    """One start: seconds and values at its improvements, its end, and what it took.

    Args:
        peer: from `set_up`.
        theta: where it begins, free parameters only.
        options: of fides.
        hessian_update: of fides; None is the Fisher information.

    Returns:
        CPU seconds, list of (seconds, llh) for improvements, evaluations.
    """
    optimizer = pypesto.optimize.FidesOptimizer(
        hessian_update=hessian_update, options=options, verbose=logging.CRITICAL
    )
    start, cpu = time.perf_counter(), time.thread_time()
    result = optimizer.minimize(
        peer, x0=np.array(theta), id="0", history_options=HistoryOptions(trace_record=True)
    )
    cpu = time.thread_time() - cpu
    wall = time.perf_counter() - start
    history = result.history
    trace, best = [], -np.inf
    for seconds, value in zip(history.get_time_trace(), history.get_fval_trace(), strict=True):
        if np.isfinite(value) and -value > best:
            best = -float(value)
            # Of CPU time, as the others' are: how busy the machine is should not matter.
            trace.append((float(seconds) * cpu / wall, best))
    return cpu, trace, int(history.n_grad)
