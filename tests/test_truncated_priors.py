"""Priors of PEtab v2 against scipy's densities, renormalised by quadrature, and their slopes."""

import math

import pytest
from scipy import integrate, stats
from scipy.differentiate import derivative

from amijax.problems.distributions import TruncatedPrior

LOWER, UPPER = 0.1, 3.0
# The density of the linear parameter before truncation, by scipy.
CASES = {
    "cauchy": ((0.5, 0.7), stats.cauchy(0.5, 0.7)),
    "chisquare": ((3.0,), stats.chi2(3.0)),
    "exponential": ((0.8,), stats.expon(scale=0.8)),
    "gamma": ((2.5, 0.4), stats.gamma(2.5, scale=0.4)),
    "laplace": ((0.55, 0.7), stats.laplace(0.55, 0.7)),
    "log-laplace": ((-0.3, 0.7), stats.loglaplace(1 / 0.7, scale=math.exp(-0.3))),
    "log-normal": ((-0.3, 0.7), stats.lognorm(0.7, scale=math.exp(-0.3))),
    "log-uniform": ((0.2, 2.0), stats.loguniform(0.2, 2.0)),
    "normal": ((0.5, 0.7), stats.norm(0.5, 0.7)),
    "rayleigh": ((0.6,), stats.rayleigh(scale=0.6)),
    "uniform": ((0.2, 2.0), stats.uniform(0.2, 1.8)),
}
POINTS = (0.15, 0.3, 0.9, 1.7, 2.5)


@pytest.mark.parametrize("kind", CASES)
def test_density_and_slope_within_the_bounds(kind):
    parameters, density = CASES[kind]
    prior = TruncatedPrior("k", kind, parameters, LOWER, UPPER)
    mass, _ = integrate.quad(density.pdf, LOWER, UPPER, points=[0.2, 0.55, 0.7408, 2.0])
    for value in POINTS:
        expected = density.logpdf(value)
        if expected == -math.inf:
            assert prior.log_density(value) == -math.inf
            assert math.isnan(prior.slope(value))
            continue
        assert prior.log_density(value) == pytest.approx(expected - math.log(mass), abs=1e-7)
        # SciPy's differences are right to 1e-9 or better where the density is smooth.
        slope = derivative(density.logpdf, value, initial_step=0.02).df
        assert prior.slope(value) == pytest.approx(slope, abs=1e-7)
        curved = prior.curvature(value)
        assert curved >= 0.0
        assert (curved > 0) == (kind in ("normal", "log-normal"))


@pytest.mark.parametrize("kind", CASES)
def test_there_is_nothing_beyond_the_bounds(kind):
    prior = TruncatedPrior("k", kind, CASES[kind][0], LOWER, UPPER)
    for value in (-1.0, 0.0, 0.0999, 3.001):
        assert prior.log_density(value) == -math.inf
        assert math.isnan(prior.slope(value))
