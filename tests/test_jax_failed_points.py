"""What optimisers make of points that fail: of a valley behind walls, and of Boehm's model."""

import logging
from dataclasses import dataclass

import fides
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
import scipy.optimize

from amijax import JaxObjective, SolverSettings

pytestmark = pytest.mark.clients


@dataclass(frozen=True)
class Evaluation:
    llh: float
    gradient: np.ndarray | None
    failure: str | None = None


class Walled:
    """Minus Rosenbrock's function; behind two walls nothing can be simulated."""

    scales = ("lin", "lin")

    def __init__(self):
        self.failed = 0

    def evaluate(self, theta, gradient=True):
        x, y = theta
        if not np.isfinite(theta).all() or x < -1.4 or y > 1.6:
            self.failed += 1
            return Evaluation(np.nan, np.full(2, np.nan) if gradient else None, "a wall")
        by_theta = np.array([400 * x * (y - x**2) + 2 * (1 - x), -200 * (y - x**2)])
        value = -100 * (y - x**2) ** 2 - (1 - x) ** 2
        return Evaluation(value, by_theta if gradient else None)


BOUNDS = np.full(2, -5.0), np.full(2, 5.0)


def adam(loss, theta, rate=0.5, steps=60):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    optimiser = optax.adam(rate)

    def step(carry, _):
        theta, state = carry
        updates, state = optimiser.update(jax.grad(loss)(theta), state)
        return (optax.apply_updates(theta, updates), state), None

    return jax.jit(lambda t: jax.lax.scan(step, (t, optimiser.init(t)), length=steps)[0][0])(theta)


def optax_lbfgs(loss, theta):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    optimiser = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry, _):
        theta, state = carry
        value, grad = value_and_grad(theta, state=state)
        updates, state = optimiser.update(grad, state, theta, value=value, grad=grad, value_fn=loss)
        return (optax.apply_updates(theta, updates), state), None

    return jax.jit(lambda t: jax.lax.scan(step, (t, optimiser.init(t)), length=15)[0][0])(theta)


def optimistix_bfgs(loss, theta):
    solver = optimistix.BFGS(rtol=1e-6, atol=1e-6)
    return optimistix.minimise(
        lambda t, _: loss(t), solver, theta, max_steps=40, throw=False
    ).value  # fmt: skip


def jaxopt_lbfgs(loss, theta):
    jaxopt = pytest.importorskip("jaxopt", reason="jaxopt is not installed")
    solver = jaxopt.LBFGS(jax.value_and_grad(loss), value_and_grad=True, maxiter=15)
    return solver.run(theta).params


def scipy_lbfgsb(loss, theta, bounds=BOUNDS):
    both = jax.jit(jax.value_and_grad(loss))
    return scipy.optimize.minimize(
        both, theta, jac=True, method="L-BFGS-B", bounds=np.transpose(bounds)
    ).x  # fmt: skip


def fides_bfgs(loss, theta):
    both = jax.jit(jax.value_and_grad(loss))
    optimizer = fides.Optimizer(
        lambda t: tuple(np.asarray(each) for each in both(t)),
        lb=BOUNDS[0], ub=BOUNDS[1], verbose=logging.CRITICAL,
        hessian_update=fides.BFGS(), options={"maxiter": 30},
    )  # fmt: skip
    return optimizer.minimize(np.asarray(theta))[1]


NAN, REJECT, BOTTOM = "nan", "reject", "a finite bottom"
# Which ways of saying "failed" each optimiser survives, once it has begun at a point that works.
TOLERATES = {
    optax_lbfgs: {NAN, REJECT, BOTTOM},
    optimistix_bfgs: {NAN, REJECT, BOTTOM},
    jaxopt_lbfgs: {NAN, REJECT, BOTTOM},
    scipy_lbfgsb: {BOTTOM},  # its line search interpolates: a value that is not finite ends it
    fides_bfgs: {NAN, REJECT, BOTTOM},
}


def loss_of(objective, how):
    """Minus the log-likelihood, where a failed point is what `how` says."""
    f = JaxObjective(objective, value="with_gradient", on_failure="nan" if how == NAN else "reject")
    if how == BOTTOM:
        return lambda theta: -jnp.maximum(f(theta), -1e6)
    return lambda theta: -f(theta)


@pytest.mark.filterwarnings("ignore:.*JAXopt is no longer maintained.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # SciPy's and fides's own
@pytest.mark.parametrize("how", [NAN, REJECT, BOTTOM])
@pytest.mark.parametrize("optimiser", TOLERATES, ids=lambda each: each.__name__)
def test_which_optimiser_goes_on_after_a_failed_point(optimiser, how):
    host = Walled()
    start = np.array([-1.3, 1.5])
    found = np.asarray(optimiser(loss_of(host, how), jnp.asarray(start)))
    assert host.failed > 0  # each of them tries a point behind a wall
    goes_on = bool(host.evaluate(found).llh > host.evaluate(start).llh)
    assert goes_on == (how in TOLERATES[optimiser])


class Strip:
    """-(x - 1)^2 - (y - 1)^2, but for a strip across the way, where nothing can be simulated."""

    scales = ("lin", "lin")

    def evaluate(self, theta, gradient=True):
        if not np.isfinite(theta).all() or 1.9 < theta[0] < 2.1:
            nan = np.full(2, np.nan) if gradient else None
            return Evaluation(np.nan, nan, "the strip")
        return Evaluation(-float(((theta - 1) ** 2).sum()), -2 * (theta - 1))


def test_adam_keeps_a_nan_for_good_and_goes_through_what_is_rejected():
    start = jnp.array([3.0, 0.0])
    assert np.isnan(adam(loss_of(Strip(), NAN), start, rate=0.05, steps=200)).all()
    for how in (REJECT, BOTTOM):
        found = adam(loss_of(Strip(), how), start, rate=0.05, steps=200)
        np.testing.assert_allclose(found, 1.0, atol=0.05)


def test_nothing_pulls_adam_back_from_behind_a_wall():
    host = Walled()
    found = np.asarray(adam(loss_of(host, REJECT), jnp.array([-1.3, 1.5])))
    assert np.isfinite(found).all()
    assert host.evaluate(found).failure == "a wall"


@pytest.fixture(scope="module")
def few_steps(boehm):
    """Boehm's model with 1000 solver steps: some 15 % of the points within the bounds fail."""
    return boehm.with_solver(SolverSettings(max_steps=1000))


@pytest.fixture(scope="module")
def starts(few_steps):
    """A point within the bounds that fails, and one that does not."""
    problem = few_steps.problem
    points = np.random.default_rng(0).uniform(
        problem.lower_theta, problem.upper_theta, size=(60, problem.n_parameters)
    )
    values = few_steps.llh_and_gradient_batch(points)[0]
    failed = np.isnan(values)
    return points[failed][0], points[~failed][0]


def test_no_optimiser_leaves_a_start_that_fails(few_steps, starts):
    """Its gradient is 0, or NaN: another start must be drawn."""
    start = starts[0]
    assert np.isnan(jax.grad(loss_of(few_steps, NAN))(start)).all()
    found = adam(loss_of(few_steps, REJECT), jnp.asarray(start), steps=3)
    np.testing.assert_array_equal(found, start)


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize(("how", "goes_on"), [(NAN, False), (REJECT, False), (BOTTOM, True)])
def test_l_bfgs_b_on_boehm(few_steps, starts, how, goes_on):
    problem = few_steps.problem
    found = scipy_lbfgsb(
        loss_of(few_steps, how), starts[1], bounds=(problem.lower_theta, problem.upper_theta)
    )
    assert bool(few_steps.llh(found) > few_steps.llh(starts[1]) + 1.0) == goes_on
