"""What others do with a JaxObjective: optimisers, second order, Laplace; called as users call them.

The problem is the conversion reaction, whose closed form knows the optimum. NUTS is
in the tests of posteriors.
"""

import logging

import closed_form
import equinox as eqx
import fides
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
import scipy.optimize

from amijax import JaxObjective

pytestmark = pytest.mark.clients

TOLERANCE = 1e-4  # of llh at the optimum: all but Adam stop at a small gradient, with llh to 1e-8
SAME_HESSIAN = 1e-4  # relative, of differences of AMICI's gradients at default tolerances


def needed(module):
    """A module of tests/requirements.txt; without it, the test is skipped."""
    return pytest.importorskip(module, reason=f"{module} is not installed")


@pytest.fixture(scope="module")
def measurements(conversion):
    return conversion.problem.petab_problem.measurement_df


@pytest.fixture(scope="module")
def start(conversion):
    return conversion.problem.nominal_theta + np.array([0.05, -0.08, 0.1, 0.02, 0.05, -0.05])


@pytest.fixture(scope="module")
def optimum(start, measurements):
    """Theta and llh at the optimum, from the closed form."""

    def loss(theta):
        llh, gradient = closed_form.llh_and_gradient(theta, measurements)
        return -llh, -gradient

    found = scipy.optimize.minimize(
        loss, start, jac=True, method="trust-exact",
        hess=lambda theta: -closed_form.hessian(theta, measurements), options={"gtol": 1e-9},
    )  # fmt: skip
    return found.x, -found.fun


@pytest.fixture(scope="module")
def f(conversion):
    return JaxObjective(conversion, value="with_gradient", second_derivative="differences")


def optax_adam(f, theta):
    optax = needed("optax")
    optimiser = optax.adam(optax.cosine_decay_schedule(0.1, 400))

    def step(carry, _):
        theta, state = carry
        loss, gradient = jax.value_and_grad(lambda t: -f(t))(theta)
        updates, state = optimiser.update(gradient, state)
        return (optax.apply_updates(theta, updates), state), loss

    return jax.jit(lambda t: jax.lax.scan(step, (t, optimiser.init(t)), length=400)[0][0])(theta)


def optax_lbfgs(f, theta):
    optax = needed("optax")

    def loss(theta):
        return -f(theta)

    optimiser = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry, _):
        theta, state = carry
        value, grad = value_and_grad(theta, state=state)
        updates, state = optimiser.update(grad, state, theta, value=value, grad=grad, value_fn=loss)
        return (optax.apply_updates(theta, updates), state), value

    return jax.jit(lambda t: jax.lax.scan(step, (t, optimiser.init(t)), length=40)[0][0])(theta)


def optimistix_bfgs(f, theta):
    solver = optimistix.BFGS(rtol=1e-8, atol=1e-8)
    return optimistix.minimise(lambda t, _: -f(t), solver, theta, max_steps=200).value


def optimistix_newton(f, theta):
    """Root of the gradient, with the Hessian as its Jacobian; from nearby."""
    near = optimistix_bfgs(f, theta) + 1e-3
    solver = optimistix.Newton(rtol=1e-5, atol=1e-5)
    return optimistix.root_find(lambda t, _: jax.grad(f)(t), solver, near, max_steps=50).value


def jaxopt_lbfgs(f, theta):
    jaxopt = needed("jaxopt")
    solver = jaxopt.LBFGS(
        jax.value_and_grad(lambda t: -f(t)), value_and_grad=True, maxiter=60, tol=1e-5
    )
    return solver.run(theta).params


def scipy_lbfgsb(f, theta):
    both = jax.jit(jax.value_and_grad(lambda t: -f(t)))
    # Not asked for success: near the optimum, noise of the tolerances can end a line search.
    return scipy.optimize.minimize(both, theta, jac=True, method="L-BFGS-B").x


def scipy_trust_exact(f, theta):
    found = scipy.optimize.minimize(
        jax.jit(jax.value_and_grad(lambda t: -f(t))), theta, jac=True, method="trust-exact",
        hess=jax.jit(jax.hessian(lambda t: -f(t))), options={"gtol": 1e-4},
    )  # fmt: skip
    assert found.success, found.message
    return found.x


def fides_bfgs(f, theta):
    both = jax.jit(jax.value_and_grad(lambda t: -f(t)))
    optimizer = fides.Optimizer(
        lambda t: tuple(np.asarray(each) for each in both(t)),
        ub=np.full(6, 5.0), lb=np.full(6, -5.0), verbose=logging.ERROR,
        hessian_update=fides.BFGS(), options={"maxiter": 200},
    )  # fmt: skip
    return optimizer.minimize(np.asarray(theta))[1]


def pypesto_fides(f, theta):
    pypesto = needed("pypesto")
    from pypesto.optimize import FidesOptimizer, minimize

    objective = pypesto.Objective(jax.jit(jax.value_and_grad(lambda t: -f(t))), grad=True)
    problem = pypesto.Problem(objective, lb=np.full(6, -5.0), ub=np.full(6, 5.0), x_guesses=[theta])
    result = minimize(
        problem, FidesOptimizer(verbose=logging.ERROR, hessian_update=fides.BFGS()), n_starts=1,
        progress_bar=False,
    )  # fmt: skip
    return result.optimize_result[0].x


def equinox_model(f, theta):
    """A module's own parameters, by optimistix."""

    class Scaled(eqx.Module):
        rates: jax.Array
        others: jax.Array

        def llh(self):
            return f(jnp.concatenate([self.rates / 10, self.others]))

    model = Scaled(10 * theta[:2], theta[2:])
    solver = optimistix.BFGS(rtol=1e-8, atol=1e-8)
    found = optimistix.minimise(lambda m, _: -m.llh(), solver, model, max_steps=200).value
    return jnp.concatenate([found.rates / 10, found.others])


OPTIMISERS = (
    optax_adam, optax_lbfgs, optimistix_bfgs, optimistix_newton, jaxopt_lbfgs, scipy_lbfgsb,
    scipy_trust_exact, fides_bfgs, pypesto_fides, equinox_model,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*JAXopt is no longer maintained.*:DeprecationWarning")
@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda each: each.__name__)
def test_an_optimiser_finds_the_optimum(f, start, optimum, measurements, optimiser):
    theta = np.asarray(optimiser(f, jnp.asarray(start)))
    llh, _ = closed_form.llh_and_gradient(theta, measurements)
    assert llh == pytest.approx(optimum[1], rel=0, abs=TOLERANCE)


def test_implicit_differentiation_through_a_minimum(f, optimum, measurements):
    """How the optimum moves with the weight of a penalty: -(H + w)^-1 (theta - centre)."""
    theta, _ = optimum
    centre = theta + 0.1

    @jax.jit
    def fitted(weight):
        def loss(t, weight):
            return -f(t) + 0.5 * weight * ((t - centre) ** 2).sum()

        solver = optimistix.BFGS(rtol=1e-9, atol=1e-9)
        found = optimistix.minimise(
            loss, solver, jnp.asarray(theta), args=weight, max_steps=200,
            adjoint=optimistix.ImplicitAdjoint(),
        )  # fmt: skip
        return found.value

    weight = 2.0
    at = np.asarray(fitted(weight))
    hessian = -closed_form.hessian(at, measurements) + weight * np.eye(6)
    expected = -np.linalg.solve(hessian, at - centre)
    found = jax.jacrev(fitted)(weight)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * scale)


def test_numpyro_s_laplace_approximation(f, optimum, measurements):
    numpyro = needed("numpyro")
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoLaplaceApproximation
    from numpyro.infer.initialization import init_to_value

    def model():
        prior = numpyro.distributions.ImproperUniform(
            numpyro.distributions.constraints.real_vector, (), (6,)
        )
        numpyro.factor("llh", f(numpyro.sample("theta", prior)))

    theta, _ = optimum
    guide = AutoLaplaceApproximation(
        model, init_loc_fn=init_to_value(values={"theta": jnp.asarray(theta)})
    )
    svi = SVI(model, guide, numpyro.optim.Adam(1e-3), Trace_ELBO())
    params = svi.get_params(svi.init(jax.random.key(0)))
    covariance = guide.get_posterior(params).covariance_matrix
    expected = np.linalg.inv(-closed_form.hessian(theta, measurements))
    scale = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        covariance / scale / scale[:, None], expected / scale / scale[:, None],
        rtol=0, atol=SAME_HESSIAN,
    )  # fmt: skip
