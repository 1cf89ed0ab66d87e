"""Changes of variables at bounds: inverse to each other, stable, and with the right volume."""

import pickle
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from amijax import Bounds, load_problem

INF = np.inf
LOWER = np.array([-5.0, 0.1, -INF, 2.0, -INF])
UPPER = np.array([3.0, 0.7, 1.5, INF, INF])


def bounds_of(lower, upper):
    names = tuple(f"p{i}" for i in range(len(lower)))
    return Bounds(
        SimpleNamespace(
            lower_theta=np.array(lower), upper_theta=np.array(upper), parameter_ids=names
        )
    )


@pytest.fixture(scope="module")
def bounds():
    return bounds_of(LOWER, UPPER)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_there_and_back(bounds, dtype, rtol):
    u = np.random.default_rng(3).normal(0, 2, (100, 5)).astype(dtype)
    theta = jax.jit(bounds.to_theta)(u)
    assert theta.dtype == dtype
    assert ((theta > LOWER) & (theta < UPPER)).all()
    assert_allclose(bounds.to_unbounded(theta), u, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_far_away_theta_stays_within_and_nothing_is_nan(bounds, dtype):
    u = np.repeat(np.array([-1e4, -200.0, -1.0, 0.0, 1.0, 200.0, 1e4], dtype=dtype), 5)

    def at(u):
        slopes, curvature = jax.jacfwd(bounds.to_theta)(u), jax.hessian(bounds.log_det)(u)
        return bounds.to_theta(u), bounds.log_det(u), slopes, curvature

    theta, *others = map(np.asarray, jax.jit(jax.vmap(at))(u.reshape(-1, 5)))
    assert theta.dtype == dtype
    assert ((theta.astype(np.float64) >= LOWER) & (theta.astype(np.float64) <= UPPER)).all()
    assert all(np.isfinite(each).all() for each in others)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bounds_that_float32_cannot_hold_are_not_left(dtype):
    """0.1 and 0.7 are rounded up to float32."""
    narrow = bounds_of([0.1], [0.7])
    for value in (-100.0, 100.0):
        theta = float(narrow.to_theta(np.array([value], dtype=dtype))[0])
        assert 0.1 <= theta <= 0.7


def test_log_det_is_that_of_the_jacobian(bounds):
    u = np.random.default_rng(4).normal(0, 2, (20, 5))
    _, expected = np.linalg.slogdet(jax.jit(jax.vmap(jax.jacfwd(bounds.to_theta)))(u))
    assert_allclose(bounds.log_det(u), expected, rtol=1e-10)
    at_zero = np.zeros(5)  # where the two halves of the formula meet
    slopes = [8 / 4, 0.6 / 4, -0.5, 0.5, 1.0]
    assert_allclose(np.diag(jax.jacfwd(bounds.to_theta)(at_zero)), slopes, rtol=1e-12)
    assert_allclose(bounds.log_det(at_zero), np.log(np.abs(slopes)).sum(), rtol=1e-12)


def test_a_uniform_density_becomes_the_logistic():
    """Theta uniform within two bounds: u has the logistic distribution."""
    both = bounds_of(LOWER[:2], UPPER[:2])
    u = np.array([0.3, -4.0])
    density = -np.log(UPPER[:2] - LOWER[:2]).sum() + both.log_det(u)
    assert_allclose(density, stats.logistic.logpdf(u).sum(), rtol=1e-12)


def test_on_and_beyond_a_bound():
    both = bounds_of([-1.0], [1.0])
    assert_allclose(both.to_unbounded(np.array([[-1.0], [1.0]])), [[-INF], [INF]])
    assert np.isnan(both.to_unbounded(np.array([1.1])))


def test_it_pickles_and_equals_its_copy(bounds):
    problem = load_problem()
    found = Bounds(problem)
    assert pickle.loads(pickle.dumps(found)) == found == Bounds(problem)
    assert found != bounds
    assert hash(found) == hash(Bounds(problem))
    u = found.to_unbounded(problem.nominal_theta)
    assert jax.jit(lambda b, u: b.to_theta(u))(found, u).shape == u.shape
    assert jnp.ndim(found.log_det(u)) == 0


def test_bounds_without_room_get_a_sentence():
    with pytest.raises(ValueError, match="bounds of p1 leave no room"):
        bounds_of([0.0, 1.0], [1.0, 1.0])
