"""A JAX function of theta as a call to be timed."""

import jax
import numpy as np

from .call import Call, Values


def jitted(llh, theta, gradient):
    """The compiled value, or value and gradient in one, of a function of theta."""
    if not gradient:
        value = jax.jit(llh)
        return Call(lambda: jax.block_until_ready(value(theta)), lambda v: Values(float(v)))
    both = jax.jit(jax.value_and_grad(llh))
    return Call(
        lambda: jax.block_until_ready(both(theta)),
        lambda result: Values(float(result[0]), np.asarray(result[1])),
    )
