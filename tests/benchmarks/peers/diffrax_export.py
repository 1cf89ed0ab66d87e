"""AMICI's own JAX export, integrated by diffrax: the way of AMICI's documentation, under `jit`.

Kvaerno5, and a gradient in reverse mode through recursive checkpoints: the export's defaults. The
tolerances are those of the others, the most steps as well, although for a whole simulation.
"""

import tempfile
import warnings

import diffrax
import numpy as np
from amici.importers.petab.v1 import import_petab_problem
from amici.sim.jax import run_simulations
from amici.sim.jax.petab import DEFAULT_CONTROLLER_SETTINGS

from amijax.logs import quiet_amici
from amijax.scaling import unscale

from .amici_import import replicated
from .jitted import jitted


def set_up(objective):
    problem, settings = objective.problem, objective.solver
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet_amici()
        exported = import_petab_problem(
            replicated(problem), folder, model_name="exported", jax=True
        )
    order = np.array([problem.parameter_ids.index(name) for name in exported.parameter_ids])
    controller = diffrax.PIDController(
        **(DEFAULT_CONTROLLER_SETTINGS | {"rtol": settings.rtol, "atol": settings.atol})
    )

    def llh(theta):
        p = unscale(theta, problem.scales)[order]  # the export's parameters are linear
        return run_simulations(
            exported.update_parameters(p), controller=controller, max_steps=settings.max_steps
        )[0]

    return lambda gradient: jitted(llh, problem.nominal_theta, gradient)
