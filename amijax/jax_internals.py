"""What we use of JAX that is experimental: a callback that writes into JAX's own buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.experimental.buffer_callback import buffer_callback

HostFunction = Callable[..., None]


@dataclass(frozen=True)
class _Writer:
    """A host function as `buffer_callback` calls it; equal if the functions are equal.

    JAX lowers equal callbacks to the same call, and XLA makes two of them with the same arguments
    into one.
    """

    function: HostFunction

    def __call__(self, _context: Any, out: Any, *arguments: Any) -> None:
        outs = out if isinstance(out, (tuple, list)) else (out,)
        self.function(tuple(np.asarray(each) for each in outs), *map(np.asarray, arguments))


def host_callback(function: HostFunction, result: Any) -> Callable[..., Any]:
    """A function of JAX that calls a function of NumPy, which fills in the results.

    A `pure_callback` does the same, but copies its arguments with a `device_put` in Python: 0.7 ms
    on top of Boehm's gradient against 0.3 ms (tests/benchmarks/bench_evaluation.py).

    What comes back lives where the first argument lives: inside `shard_map` it varies along the
    same axes of the mesh, and it belongs to the same explicit mesh. `buffer_callback` itself
    knows neither.

    Upstream: https://github.com/jax-ml/jax/blob/main/jax/_src/buffer_callback.py (to be replaced
    by a callback built on mutable arrays)

    When it changes: JAX's `buffer_callback` no longer gives a host function NumPy views of its
    arguments and of its results, under `jit` and `vmap`, and a JaxObjective can't call AMICI.

    Args:
        function: given a tuple of the arrays to fill in and the arguments, arrays as well; under
            `vmap` all have the same leading axes in front. It must not raise or use JAX.
        result: `ShapeDtypeStruct` of what it fills in, one or a tuple of them.
    """
    call = buffer_callback(_Writer(function), result, vmap_method="expand_dims")

    def typed_call(first: jax.Array, *rest: Any) -> Any:
        # The choice is a constant, so XLA removes it; the type comes from both.
        like = lax.reduce_sum(first, tuple(range(first.ndim)))
        return jax.tree.map(
            lambda out: lax.select(
                lax.full(out.shape, True),
                out,
                lax.broadcast(lax.convert_element_type(like, out.dtype), out.shape),
            ),
            call(first, *rest),
        )

    return typed_call
