"""The gradient's error against the number of mantissa bits of theta and of the transformation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from amijax.objective import AmiciObjective
from amijax.precision.values import Report, silent
from amijax.scales import FloatArray, Scale, to_scaled
from amijax.scaling import unscale

MANTISSA_BITS = tuple(range(52, 6, -1))
_FLOAT64_EXPONENT_BITS = 11


@dataclass(frozen=True)
class NumberFormat:
    """A floating-point format.

    Attributes:
        name: its name.
        exponent_bits, mantissa_bits: without the sign and the hidden bit.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int


FORMATS = (
    NumberFormat("float64", 11, 52),
    NumberFormat("float32", 8, 23),
    NumberFormat("float16", 5, 10),
    NumberFormat("bfloat16", 8, 7),
)


@dataclass(frozen=True, eq=False)
class BitSweep:
    """Relative errors of llh and gradient with fewer bits, the exponent's range left as it is.

    Attributes:
        mantissa_bits: shape (n_bits,), from many to few.
        errors: |value - float64| / |float64|, shape (n_bits, n + 1), llh first; NaN where the
            simulation failed, 0 where nothing changed.
        formats: real formats, with their own range of exponents.
        format_errors: the same for the formats, shape (n_formats, n + 1).
        out_of_range: parameters that a format's exponents can't hold: on linear scale they lie
            beyond its normal numbers, and `reduce_precision` makes them 0 or infinite.
    """

    mantissa_bits: np.ndarray
    errors: FloatArray
    formats: tuple[NumberFormat, ...]
    format_errors: FloatArray
    out_of_range: tuple[tuple[str, ...], ...]


def bit_sweep(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: np.ndarray,
    report: Report = silent,
    *,
    mantissa_bits: Sequence[int] = MANTISSA_BITS,
) -> BitSweep:
    """Round theta and the linear parameters to fewer and fewer bits, and evaluate; one batch.

    JAX's 64-bit mode must be on. AMICI's result and the chain rule stay in float64.

    Args:
        objective: the problem and its solver settings.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: of the chosen parameters in theta.
        report: called after each chunk of the batch.
        mantissa_bits: how many, without the hidden bit; from 52 to 1.
    """
    theta = np.array(theta, dtype=np.float64)
    scales = objective.scales
    formats = [NumberFormat("", _FLOAT64_EXPONENT_BITS, bits) for bits in (52, *mantissa_bits)]
    formats += FORMATS
    linear = np.asarray(_reduced(theta, tuple(scales), tuple(formats)))
    points = to_scaled(linear, scales)
    # Equal points are simulated once: from some number of bits on nothing changes any more.
    different, where = np.unique(points, axis=0, return_inverse=True)
    evaluations = objective.evaluate_batch(
        different, on_chunk=lambda done: report(done, len(different))
    )
    values = np.array(
        [np.append(e.llh, e.gradient[positions]) for e in evaluations if e.gradient is not None]
    )[where.ravel()]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.abs(values - values[0])
        errors = np.where(change == 0, 0.0, change / np.abs(values[0]))
    n = len(mantissa_bits)
    full = linear[0]
    return BitSweep(
        mantissa_bits=np.array(mantissa_bits),
        errors=errors[1 : n + 1],
        formats=FORMATS,
        format_errors=errors[n + 1 :],
        out_of_range=tuple(
            _lost(objective.problem.parameter_ids, full, p) for p in linear[n + 1 :]
        ),
    )


@partial(jax.jit, static_argnames=("scales", "formats"))
def _reduced(
    theta: jax.Array, scales: tuple[Scale, ...], formats: tuple[NumberFormat, ...]
) -> jax.Array:
    """Linear parameters with theta and themselves rounded to each format; a row for each."""
    rows = []
    for form in formats:
        bits = form.exponent_bits, form.mantissa_bits
        rounded = jax.lax.reduce_precision(theta, *bits)
        rows.append(jax.lax.reduce_precision(unscale(rounded, scales), *bits))
    return jnp.stack(rows)


def _lost(parameter_ids: Sequence[str], full: FloatArray, p: FloatArray) -> tuple[str, ...]:
    lost = ~np.isfinite(p) | ((p == 0) & (full != 0))
    return tuple(name for name, gone in zip(parameter_ids, lost, strict=True) if gone)
