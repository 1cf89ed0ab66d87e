"""The noise floor: how far llh and gradient scatter when theta moves by its last bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.digits import ALL_DIGITS
from amijax.objective import AmiciObjective
from amijax.precision.values import Report, silent
from amijax.scales import FloatArray, Scale
from amijax.simulation.failures import Failure

SAMPLES = 12
UNITS = 4  # units in the last place: as many as a transformation there and back may cost
_SEED = 20_261_123
_PROBABILITY = 0.95
_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class NoiseFloor:
    """llh and gradient at points that differ from theta in the last bits only.

    Arrays have llh first, then the gradient's entries.

    Attributes:
        samples: shape (n_samples, n + 1); the failed ones are left out.
        spread: standard deviation of each column, shape (n + 1,).
        digits: significant decimal digits: in 95 % of cases that many agree, with a confidence
            of 95 %; shape (n + 1,). From `significantdigits`: the centred normality hypothesis
            of Sohier et al., Confidence Intervals for Stochastic Arithmetic, ACM TOMS 47 (2021).
        units: theta moves by up to this many units in the last place.
        failures: of the samples that have no result.
    """

    samples: FloatArray
    spread: FloatArray
    digits: FloatArray
    units: int
    failures: tuple[Failure, ...]


def noise_floor(
    objective: AmiciObjective,
    theta: ArrayLike,
    positions: np.ndarray,
    report: Report = silent,
    *,
    samples: int = SAMPLES,
) -> NoiseFloor:
    """Evaluate at random points next to theta, as one batch; always the same points.

    Args:
        objective: the problem and its solver settings.
        theta: shape (n_parameters,), on the PEtab scale.
        positions: of the chosen parameters in theta.
        report: called after each chunk of the batch.
        samples: how many points, at least 2.
    """
    points = neighbours(np.array(theta, dtype=np.float64), objective.scales, samples)
    evaluations = objective.evaluate_batch(points, on_chunk=lambda done: report(done, samples))
    rows = [
        np.append(e.llh, e.gradient[positions])
        for e in evaluations
        if e.failure is None and e.gradient is not None
    ]
    values = np.array(rows).reshape(len(rows), len(positions) + 1)
    return NoiseFloor(
        samples=values,
        spread=values.std(axis=0, ddof=1) if len(rows) > 1 else np.full(values.shape[1], np.nan),
        digits=significant(values),
        units=UNITS,
        failures=tuple(e.failure for e in evaluations if e.failure is not None),
    )


def neighbours(theta: FloatArray, scales: tuple[Scale, ...], samples: int) -> FloatArray:
    """Points that differ from theta by a few units in the last place, shape (samples, n).

    On a logarithmic scale a unit is at least that of 1: near 0 the linear value would not change.
    """
    random = np.random.default_rng(_SEED)
    steps = random.integers(1, UNITS + 1, (samples, len(theta)))
    steps *= random.choice((-1, 1), steps.shape)
    logarithmic = np.array([scale != "lin" for scale in scales])
    unit = np.where(logarithmic, np.spacing(np.maximum(np.abs(theta), 1.0)), np.spacing(theta))
    return theta + steps * np.abs(unit)


def significant(samples: FloatArray) -> FloatArray:
    """Significant decimal digits of each column, by `significantdigits`; between 0 and 15.95.

    Args:
        samples: shape (n_samples, n), at least 2 rows; NaN is returned for fewer.
    """
    from significantdigits import Error, Method, significant_digits

    if len(samples) < 2:
        return np.full(samples.shape[1], np.nan)
    mean = samples.mean(axis=0)
    # A column without spread has all digits, one whose mean is 0 none; neither has a logarithm.
    plain = (samples.std(axis=0) > 0) & (mean != 0)
    digits = np.where(samples.std(axis=0) > 0, 0.0, ALL_DIGITS)
    if plain.any():
        digits[plain] = significant_digits(
            samples[:, plain],
            mean[plain],
            axis=0,
            basis=10,
            error=Error.Relative,
            method=Method.CNH,
            probability=_PROBABILITY,
            confidence=_CONFIDENCE,
        )
    return np.clip(digits, 0.0, ALL_DIGITS)
