"""Priors in JAX against `log_prior`, SciPy's distributions, and differences; and posteriors."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from petab_files import write_decay
from scipy.differentiate import derivative

from amijax import JaxObjective, JaxPosterior, JaxPrior, load_problem, log_prior

TYPES = {
    "uniform": "0.1;3",
    "normal": "0.5;0.7",
    "laplace": "0.5;0.7",
    "logNormal": "-0.3;0.7",
    "logLaplace": "-0.3;0.7",
    "parameterScaleUniform": "-1;2",
    "parameterScaleNormal": "0.2;0.6",
    "parameterScaleLaplace": "0.2;0.6",
}
SCALES = ("lin", "log", "log10")
EQUAL = 1e-12  # relative, as the issue asks


def with_prior(folder, kind, parameters, scale):
    path = write_decay(folder, scale=scale)
    table = folder / "parameters.tsv"
    header, row = table.read_text().splitlines()
    table.write_text(
        f"{header}\tobjectivePriorType\tobjectivePriorParameters\n{row}\t{kind}\t{parameters}\n"
    )
    return load_problem(path)


@pytest.fixture(scope="module", params=[(k, s) for k in TYPES for s in SCALES], ids="-".join)
def problem(request, tmp_path_factory):
    kind, scale = request.param
    return with_prior(tmp_path_factory.mktemp("prior"), kind, TYPES[kind], scale)


def points(problem):
    """Within, at the edges of supports and kinks, and outside.

    The edges of a uniform prior on linear scale are met on either side only: 10**theta is rounded
    in JAX and NumPy in ways of their own.
    """
    (scale,) = problem.scales
    edges = np.outer([0.1, 3.0], [1 - 1e-9, 1 + 1e-9]).ravel()
    linear = np.array([1e-4, 0.05, *edges, 0.5, 0.8, np.exp(-0.3), 1.7, 3.1, 50.0])
    on_scale = {"lin": linear, "log": np.log(linear), "log10": np.log10(linear)}[scale]
    edges = [-1.0, 2.0, 0.2, 0.0, *([-0.5, -3.0] if scale == "lin" else [])]
    return np.concatenate([on_scale, edges])[:, None]


def test_it_is_log_prior(problem):
    prior = JaxPrior(problem)
    for theta in points(problem):
        expected = log_prior(problem, theta)
        assert_allclose(prior(theta), expected, rtol=EQUAL, atol=EQUAL)
    assert np.isnan(prior(np.array([np.nan])))
    assert prior(np.array([-np.inf])) == -np.inf


def test_derivatives_are_those_of_log_prior(problem):
    prior = JaxPrior(problem)
    thetas = points(problem)
    gradients = jax.jit(jax.vmap(jax.grad(prior)))(thetas)
    curvatures = jax.vmap(jax.hessian(prior))(thetas)
    assert np.isfinite(gradients).all()
    assert np.isfinite(curvatures).all()
    for theta, gradient, curvature in zip(thetas, gradients, curvatures, strict=True):
        near = [log_prior(problem, theta + h) for h in (-1e-3, -5e-4, 0.0, 5e-4, 1e-3)]
        if not np.isfinite(near).all():
            continue  # a derivative at an edge is one-sided: finite, as checked above
        slopes = np.diff(near) / 5e-4
        if abs(slopes[2] - slopes[1]) > 0.5:
            continue  # a kink

        def value(x):
            return np.vectorize(lambda each: log_prior(problem, np.array([each])))(x)

        expected = derivative(value, theta[0], initial_step=4e-4, order=4, maxiter=1).df
        assert_allclose(gradient[0], expected, rtol=1e-6, atol=1e-8)
        bend = derivative(
            np.vectorize(lambda x: jax.grad(prior)(np.array([x]))[0]), theta[0],
            initial_step=4e-4, order=4, maxiter=1,
        ).df  # fmt: skip
        assert_allclose(curvature[0, 0], bend, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("value", [-400.0, -60.0, 60.0, 400.0])
def test_far_away_nothing_is_nan(problem, value):
    for dtype in (np.float32, np.float64):
        theta = np.array([value], dtype=dtype)
        found, gradient = jax.value_and_grad(JaxPrior(problem))(theta)
        assert found.dtype == dtype
        assert not np.isnan(found)
        assert not np.isnan(gradient).any()
        assert not np.isnan(jax.hessian(JaxPrior(problem))(theta)).any()


def test_float32(problem):
    prior = JaxPrior(problem)
    theta = problem.nominal_theta
    value, gradient = jax.value_and_grad(prior)(theta.astype(np.float32))
    assert value.dtype == gradient.dtype == np.float32
    assert_allclose(value, prior(theta), rtol=1e-5, atol=1e-6)


def test_no_priors_are_0(conversion):
    prior = JaxPrior(conversion.problem)
    assert prior.priors == ()
    theta = conversion.problem.nominal_theta
    assert prior(theta) == 0.0
    assert (jax.grad(prior)(theta) == 0.0).all()


def test_it_pickles_and_equals_its_copy(tmp_path):
    problem = with_prior(tmp_path, "logNormal", "0;1", "log10")
    prior = JaxPrior(problem)
    again = pickle.loads(pickle.dumps(prior))
    assert again == prior
    assert hash(again) == hash(prior)
    assert prior != JaxPrior(load_problem("Conversion_Reaction"))
    theta = problem.nominal_theta
    assert jax.jit(lambda f, t: f(t))(again, theta) == prior(theta)
    assert prior({"rate": jnp.asarray(theta[0])}) == prior(theta)


@pytest.mark.collection
@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("problem_id", ["Bachmann_MSB2011", "Schwen_PONE2014"])
def test_problems_of_the_collection_with_priors(problem_id):
    problem = load_problem(problem_id)
    theta = problem.nominal_theta
    value, gradient = jax.value_and_grad(JaxPrior(problem))(theta)
    assert_allclose(value, log_prior(problem, theta), rtol=EQUAL)
    hessian = jax.hessian(JaxPrior(problem))(theta)
    for prior in JaxPrior(problem).priors:  # all are normal on the parameter's scale
        i = problem.parameter_ids.index(prior.parameter)
        expected = -(theta[i] - prior.location) / prior.scale**2
        assert_allclose(gradient[i], expected, rtol=1e-10, atol=1e-12)
        assert_allclose(hessian[i, i], -1 / prior.scale**2, rtol=1e-12)


class Stub:
    """A likelihood with a problem behind it and a closed form."""

    def __init__(self, problem):
        self.objective = self
        self.problem = problem

    def __call__(self, theta):
        return -jnp.sum(theta**2)


def test_a_posterior_is_the_sum(tmp_path, conversion):
    problem = with_prior(tmp_path, "parameterScaleNormal", "0.2;0.6", "log10")
    posterior = JaxPosterior(Stub(problem))
    theta = np.array([0.4])
    assert_allclose(posterior(theta), -0.16 + log_prior(problem, theta), rtol=1e-14)
    assert_allclose(jax.grad(posterior)(theta), -0.8 - 0.2 / 0.36, rtol=1e-12)
    likelihood = JaxObjective(conversion)
    nominal = conversion.problem.nominal_theta
    assert JaxPosterior(likelihood)(nominal) == likelihood(nominal)
    again = pickle.loads(pickle.dumps(JaxPosterior(likelihood)))
    assert again(nominal) == likelihood(nominal)
    assert jax.jit(lambda f, t: f(t))(JaxPosterior(likelihood), nominal) == likelihood(nominal)
