"""Eigenvalues of a matrix whose entries have errors: what stands above them, and the inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amijax.scales import FloatArray


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues with their noise, the largest first.

    Attributes:
        eigenvalues: shape (n,).
        eigenvectors: in columns.
        noise: of each eigenvalue.
        floor: eigenvalues above it stand out of the noise.
    """

    eigenvalues: FloatArray
    eigenvectors: FloatArray
    noise: FloatArray
    floor: float

    @property
    def rank(self) -> int:
        """Eigenvalues above the floor."""
        return int((self.eigenvalues > self.floor).sum())


def spectrum_of(matrix: FloatArray, error: FloatArray) -> Spectrum:
    """The spectrum of a symmetric matrix, and how far errors of its entries move it.

    An eigenvalue w with the vector v moves by v' E v to first order, at most |v|' |E| |v|, and by
    the squares of what E mixes of other vectors u into v, over the distance of their eigenvalues,
    to second; by no more than the norm of E in any case (Weyl). With entries that differ by orders
    of magnitude that is far sharper than the norm alone: a flat direction of small, well known
    entries is not drowned by the errors of large ones.

    Args:
        matrix: symmetric, shape (n, n).
        error: bounds of the entries' errors, not negative, may be infinite; shape (n, n).
    """
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1], vectors[:, ::-1]
    rounding = len(values) * np.finfo(np.float64).eps * np.abs(values).max()
    size = np.abs(vectors)
    if np.isfinite(error).all():
        mixing = size.T @ error @ size
        most = float(np.linalg.norm(error, 2))
        distance = np.abs(values[:, None] - values[None, :])
        away = np.maximum(distance, mixing)
        second = np.divide(mixing**2, away, out=np.zeros_like(mixing), where=away > 0)
        np.fill_diagonal(second, 0.0)
        noise = np.minimum(np.diag(mixing) + second.sum(axis=0), most) + rounding
    else:
        noise = np.full(len(values), np.inf)
    unclear = np.abs(values) <= noise
    floor = float(noise[unclear].max() if unclear.any() else noise[-1])
    return Spectrum(values, vectors, noise, floor)


def covariance_of(
    spectrum: Spectrum, reach: FloatArray, units: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The inverse of the matrix in the directions that stand above the noise.

    A parameter is not determined where the other directions, followed as far as `reach`, move it
    by more than its standard error in these.

    Args:
        spectrum: in units.
        reach: how far the bounds let one go along each direction, shape (n,).
        units: of the parameters.

    Returns:
        The covariance, shape (n, n), not in units any more, NaN in rows and columns of parameters
        that are not determined; and which are determined, shape (n,).
    """
    above = spectrum.eigenvalues > spectrum.floor
    known = spectrum.eigenvectors[:, above]
    covariance = (known / spectrum.eigenvalues[above]) @ known.T
    moved = ((spectrum.eigenvectors * reach)[:, ~above] ** 2).sum(axis=1)
    determined = moved <= np.diag(covariance)
    if not above.any():
        determined = np.zeros(len(above), dtype=bool)
    covariance = covariance * np.outer(units, units)
    covariance[~determined] = np.nan
    covariance[:, ~determined] = np.nan
    return covariance, determined
