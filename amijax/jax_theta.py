"""theta as functions of JAX take it: its dtype is the precision, its shape is that of one point."""

from typing import Any

import jax
import numpy as np


class PrecisionError(ValueError):
    """float64 was asked for, but JAX is running without it."""


def checked_theta(theta: Any, n_parameters: int) -> Any:
    """The same theta as an array of JAX (tracers as well) or NumPy, if it can be used.

    Args:
        theta: shape (n_parameters,), float32 or float64, on the PEtab scale.
        n_parameters: how many there should be.

    Raises:
        PrecisionError: theta is float64 and JAX's 64-bit mode is off.
        TypeError: theta has another dtype.
        ValueError: theta has the wrong shape.
    """
    if not isinstance(theta, jax.Array):
        theta = np.asarray(theta)
    if theta.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"theta must be float32 or float64, since its dtype is the precision; "
            f"it is {theta.dtype}."
        )
    if theta.dtype == np.float64 and not jax.config.jax_enable_x64:
        raise PrecisionError(
            "theta is float64, but JAX's 64-bit mode is off and would round it to float32. "
            'Call jax.config.update("jax_enable_x64", True) once at the start of the '
            "program, or pass float32."
        )
    if theta.shape != (n_parameters,):
        raise ValueError(
            f"theta must have shape ({n_parameters},), but has shape {theta.shape}; "
            "use jax.vmap for several points."
        )
    return theta
