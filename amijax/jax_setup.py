"""JAX's process-wide settings, made once when a program of ours starts."""

import jax


def set_up_jax() -> None:
    """Switch 64-bit mode on and asynchronous CPU dispatch off, before JAX is first used.

    For programs (dashboard, command line), not for libraries: the settings hold for the whole
    process. With 64-bit mode on, the dtype of theta is the precision, float32 included. Without
    asynchronous dispatch a callback can't wait for the thread that it runs on.
    """
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
