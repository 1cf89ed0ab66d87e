"""This package on many points at once and on all cores; the time is that of one point."""

import numpy as np

from amijax import AmiciObjective
from amijax.cores import available_cores

from .call import Call, NoResultError, Values

POINTS = 64
_SPREAD = 1e-6  # of theta: no two points are the same, and each costs what the nominal one does


def points(problem):
    """The nominal point, then others around it, within the bounds; shape (64, n_parameters)."""
    steps = np.random.default_rng(0).normal(scale=_SPREAD, size=(POINTS, problem.n_parameters))
    steps[0] = 0.0
    return np.clip(problem.nominal_theta + steps, problem.lower_theta, problem.upper_theta)


def set_up(objective):
    problem = objective.problem
    on_all_cores = AmiciObjective(
        problem, objective.solver, model=objective.model, num_threads=available_cores()
    )
    thetas = points(problem)

    def read(evaluations):
        failures = [e.failure for e in evaluations if e.failure is not None]
        if failures:
            raise NoResultError(f"{len(failures)} of {POINTS} points: {failures[0]}")
        return Values(evaluations[0].llh, evaluations[0].gradient)

    return lambda gradient: Call(
        lambda: on_all_cores.evaluate_batch(thetas, gradient), read, POINTS
    )
