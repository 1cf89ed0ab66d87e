"""theta as functions of JAX take it: its dtype is the precision, its shape is that of one point."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import DictKey, GetAttrKey


class PrecisionError(ValueError):
    """float64 was asked for, but JAX is running without it."""


def checked_theta(theta: Any, n_parameters: int, parameter_ids: Sequence[str] | None = None) -> Any:
    """The same theta as an array of JAX (tracers as well) or NumPy, if it can be used.

    Args:
        theta: shape (n_parameters,), float32 or float64, on the PEtab scale; or any pytree whose
            leaves are single numbers under their parameters' ids, such as a dict, a nested dict,
            a named tuple, an equinox module. Python's numbers take the dtype of the others.
        n_parameters: how many there should be.
        parameter_ids: in the order of theta, if they are known.

    Raises:
        PrecisionError: theta is float64 and JAX's 64-bit mode is off.
        TypeError: theta has another dtype, or a pytree's leaves have several; or it has names,
            but the parameters don't.
        ValueError: theta has the wrong shape; or ids in it are unknown, missing, or there twice.
    """
    if not isinstance(theta, jax.Array | np.ndarray):
        theta = _as_array(theta, parameter_ids)
    _check_dtype(theta.dtype)
    if theta.shape != (n_parameters,):
        raise ValueError(
            f"theta must have shape ({n_parameters},), but has shape {theta.shape}; "
            "use jax.vmap for several points."
        )
    return theta


def _check_dtype(dtype: Any) -> None:
    if dtype not in (np.float32, np.float64):
        raise TypeError(
            f"theta must be float32 or float64, since its dtype is the precision; it is {dtype}."
        )
    if dtype == np.float64 and not jax.config.jax_enable_x64:
        raise PrecisionError(
            "theta is float64, but JAX's 64-bit mode is off and would round it to float32. "
            'Call jax.config.update("jax_enable_x64", True) once at the start of the '
            "program, or pass float32."
        )


def _as_array(theta: Any, parameter_ids: Sequence[str] | None) -> Any:
    named = _named_leaves(theta)
    if named is None:
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(theta))
        return jnp.asarray(theta) if traced else np.asarray(theta)
    if parameter_ids is None:
        raise TypeError(
            "theta has names, but the objective does not say which parameters it has: give it a "
            "property parameter_ids, or pass theta as an array."
        )
    values = _by_id(named, parameter_ids)
    dtypes = {str(value.dtype) for value in values if _has_own_dtype(value)}
    if len(dtypes) > 1:
        raise TypeError(
            f"theta has numbers of several dtypes ({', '.join(sorted(dtypes))}), but its dtype is "
            "the precision of all that is computed: bring them to one."
        )
    dtype = np.dtype(dtypes.pop()) if dtypes else jax.dtypes.canonicalize_dtype(float)
    _check_dtype(dtype)
    if any(isinstance(value, jax.Array) for value in values):
        return jnp.stack([jnp.asarray(value, dtype) for value in values])
    return np.array(values, dtype=dtype)


def _named_leaves(theta: Any) -> list[tuple[str, Any]] | None:
    """Names and leaves of a pytree; None if it has no names at all."""
    leaves = jax.tree.leaves_with_path(theta, is_leaf=lambda node: node is None)
    named = [
        (str(path[-1].key if isinstance(path[-1], DictKey) else path[-1].name), leaf)
        for path, leaf in leaves
        if path and isinstance(path[-1], DictKey | GetAttrKey)
    ]
    if not named:
        return None
    if len(named) < len(leaves):
        raise ValueError(
            "theta must be an array, or a pytree in which each number stands under its "
            "parameter's id, but some of its numbers have a position only."
        )
    return named


def _by_id(named: list[tuple[str, Any]], parameter_ids: Sequence[str]) -> list[Any]:
    values = dict(named)
    problems = []
    for name in values:
        if name not in parameter_ids:
            close = difflib.get_close_matches(name, parameter_ids, n=1)
            problems.append(
                f"{name!r} is no estimated parameter of this problem"
                + (f" (did you mean {close[0]!r}?)" if close else "")
            )
    if missing := [name for name in parameter_ids if name not in values]:
        problems.append(f"{', '.join(map(repr, missing))} {_are(missing)} missing")
    if len(values) < len(named):
        twice = sorted({name for name, _ in named if [n for n, _ in named].count(name) > 1})
        problems.append(f"{', '.join(map(repr, twice))} {_are(twice)} there more than once")
    for name, value in values.items():
        if value is None:
            problems.append(f"{name!r} has no value")
        elif np.shape(value) != ():
            problems.append(
                f"{name!r} must be a single number, but has shape {np.shape(value)} (use jax.vmap "
                "for several points)"
            )
    if problems:
        raise ValueError(
            "theta must have one number for each estimated parameter, under its id: "
            f"{'; '.join(problems)}."
        )
    return [values[name] for name in parameter_ids]


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _has_own_dtype(value: Any) -> bool:
    """Whether a number has a dtype; Python's numbers don't, also where JAX traces them."""
    return hasattr(value, "dtype") and not getattr(value, "weak_type", False)
