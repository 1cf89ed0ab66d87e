"""Directions that the data don't determine, put into words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.linalg import qr

from amijax.identifiability.record import Direction, DirectionKind
from amijax.identifiability.spectrum import Spectrum
from amijax.scales import LN10, FloatArray, Scale

_NAMED = 0.1  # of the largest component
_MOST_NAMED = 4
_SAME = 0.05  # exponents that differ by less are equal
_UNIT_WORDS = {"log10": "decades", "log": "factors e", "lin": "times the size"}
FAR = 10.0  # units along a direction that no bound ends


def reach_of(
    directions: FloatArray, theta: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """How far the bounds let one go along each direction and back, half of it, shape (k,).

    Args:
        directions: in columns, on the PEtab scale, shape (n, k).
        theta: from where.
        lower: bounds.
        upper: bounds.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = ((bound - theta)[:, None] / directions for bound in (lower, upper))
    forward = np.nanmin(np.maximum(first, second), axis=0, initial=np.inf)
    back = np.nanmin(-np.minimum(first, second), axis=0, initial=np.inf)
    return 0.5 * (np.clip(forward, 0.0, FAR) + np.clip(back, 0.0, FAR))


def directions_of(
    spectrum: Spectrum,
    reach: FloatArray,
    multiple: float,
    parameter_ids: Sequence[str],
    scales: Sequence[Scale],
    units: FloatArray,
) -> tuple[Direction, ...]:
    """The flat, negative and weak directions of a spectrum, the flattest first.

    Several flat directions are a space, whose eigenvectors noise has mixed: they are told in a
    basis in which as many parameters as possible stand in one direction only.

    Args:
        spectrum: in units.
        reach: from `reach_of`, of the eigenvectors.
        multiple: of a standard error in half an interval.
        parameter_ids: names.
        scales: of the parameters.
        units: of the parameters.
    """
    values, vectors = spectrum.eigenvalues, spectrum.eigenvectors

    def told(kind: DirectionKind, value: float, vector: FloatArray) -> Direction:
        components = vector / vector[np.argmax(np.abs(vector))]
        order = np.argsort(-np.abs(components), kind="stable")
        named = [int(i) for i in order if abs(components[i]) >= _NAMED]
        names = tuple(parameter_ids[i] for i in named)
        words = in_words(names)
        if kind == "flat":
            more = _combination(components, named, names, scales, units)
            sentence = f"{words}: llh does not change along it, as far as its noise lets see{more}."
        elif kind == "negative":
            sentence = f"{words}: llh curves upwards along it; this is no maximum."
        else:
            half = multiple / np.sqrt(value)
            sentence = (
                f"{words}: llh hardly changes; the interval along it, ±{half:.3g} "
                f"{_UNIT_WORDS[scales[named[0]]]} of {names[0]}, is longer than what the bounds "
                "leave."
            )
        return Direction(kind, value, components, names, sentence)

    def found() -> Iterator[Direction]:
        low = values <= spectrum.floor
        negative = low & (values < -spectrum.noise)
        flat = low & ~negative
        if flat.any():
            for vector in _sparse_basis(vectors[:, flat]).T:
                yield told("flat", float(values[flat].max()), vector)
        for i in np.flatnonzero(negative):
            yield told("negative", float(values[i]), vectors[:, i])
        for i in np.flatnonzero(~low)[::-1]:
            if multiple / np.sqrt(values[i]) > reach[i]:
                yield told("weak", float(values[i]), vectors[:, i])

    return tuple(found())


def in_words(names: Sequence[str]) -> str:
    """Which parameters a direction moves: “k alone”, “a only with b”."""
    first, others = names[0], list(names[1:])
    if not others:
        return f"{first} alone"
    if len(others) >= _MOST_NAMED:
        others = [*others[: _MOST_NAMED - 1], f"{len(others) - _MOST_NAMED + 1} more"]
    listed = others[0] if len(others) == 1 else f"{', '.join(others[:-1])} and {others[-1]}"
    return f"{first} only with {listed}"


def _sparse_basis(vectors: FloatArray) -> FloatArray:
    """A basis of the same space, each vector with a parameter that no other one has."""
    pivots: Any = qr(vectors.T, mode="r", pivoting=True)[-1][: vectors.shape[1]]
    return vectors @ np.linalg.inv(vectors[pivots])


def _combination(
    components: FloatArray,
    named: Sequence[int],
    names: Sequence[str],
    scales: Sequence[Scale],
    units: FloatArray,
) -> str:
    """What two parameters on logarithmic scales determine together, in words; else empty."""
    if len(named) != 2 or any(scales[i] == "lin" for i in named):
        return ""
    one, other = (components[i] * units[i] * (LN10 if scales[i] == "log10" else 1.0) for i in named)
    if abs(one + other) <= _SAME * abs(one):
        return f"; the product {names[0]}·{names[1]} may be determined, neither of them alone"
    if abs(one - other) <= _SAME * abs(one):
        return f"; the ratio {names[0]}/{names[1]} may be determined, neither of them alone"
    return ""
