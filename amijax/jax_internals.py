"""What we use of JAX that is experimental: a callback that writes into JAX's own buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax.experimental.buffer_callback import buffer_callback

HostFunction = Callable[..., None]


def host_callback(function: HostFunction, result: Any) -> Callable[..., Any]:
    """A function of JAX that calls a function of NumPy, which fills in the results.

    A `pure_callback` does the same, but copies its arguments with a `device_put` in Python: 0.7 ms
    on top of Boehm's gradient against 0.3 ms (tests/benchmarks/bench_evaluation.py).

    Upstream: https://github.com/jax-ml/jax/blob/main/jax/_src/buffer_callback.py (to be replaced
    by a callback built on mutable arrays)

    When it changes: JAX's `buffer_callback` no longer gives a host function NumPy views of its
    arguments and of its results, under `jit` and `vmap`, and a JaxObjective can't call AMICI.

    Args:
        function: given a tuple of the arrays to fill in and the arguments, arrays as well; under
            `vmap` all have the same leading axes in front. It must not raise or use JAX.
        result: `ShapeDtypeStruct` of what it fills in, one or a tuple of them.
    """

    def write(_context: Any, out: Any, *arguments: Any) -> None:
        outs = out if isinstance(out, (tuple, list)) else (out,)
        function(tuple(np.asarray(each) for each in outs), *map(np.asarray, arguments))

    return buffer_callback(write, result, vmap_method="expand_dims")
