"""The way of AMICI's notebook "AMICI & JAX": a `pure_callback` around `simulate_petab`.

It computes sensitivities for the value, too, and simulates once more for the gradient.
"""

import jax
import numpy as np

from .amici_import import gradient_of
from .jitted import jitted
from .petab_simulation import simulation


def set_up(objective):
    problem = objective.problem
    simulate = simulation(objective, gradient=True)
    shapes = (
        jax.ShapeDtypeStruct((), np.float64),
        jax.ShapeDtypeStruct((problem.n_parameters,), np.float64),
    )

    def host(theta):
        result = simulate(theta)
        return np.asarray(result["llh"]), gradient_of(result, problem)

    def callback(theta):
        return jax.pure_callback(host, shapes, theta, vmap_method="sequential")

    @jax.custom_jvp
    def llh(theta):
        return callback(theta)[0]

    @llh.defjvp
    def llh_jvp(primals, tangents):
        return llh(*primals), callback(*primals)[1] @ tangents[0]

    return lambda gradient: jitted(llh, problem.nominal_theta, gradient)
