"""Priors in JAX against `log_prior`, SciPy's distributions, and differences; and posteriors."""

import pickle
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from petab_files import write_decay

from amijax import JaxObjective, JaxPosterior, JaxPrior, load_problem, log_prior
from amijax.problems.distributions import TruncatedPrior
from amijax.scales import linear_slope, to_scaled

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
TRUNCATED = {
    "cauchy": (0.5, 0.7),
    "chisquare": (3.0,),
    "exponential": (0.8,),
    "gamma": (2.5, 0.4),
    "laplace": (0.55, 0.7),
    "log-laplace": (-0.3, 0.7),
    "log-normal": (-0.3, 0.7),
    "log-uniform": (0.2, 2.0),
    "normal": (0.5, 0.7),
    "rayleigh": (0.6,),
    "uniform": (0.2, 2.0),
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


def everything(prior, thetas):
    """Values, gradients and Hessians at many points, of one program."""

    def at(theta):
        value, gradient = jax.value_and_grad(prior)(theta)
        return value, gradient, jax.hessian(prior)(theta)

    return map(np.asarray, jax.jit(jax.vmap(at))(thetas))


def test_it_is_log_prior_and_its_derivatives_are_those_of_differences(problem):
    thetas = np.concatenate([points(problem), [[np.nan], [-np.inf], [np.inf]]])
    values, gradients, curvatures = everything(JaxPrior(problem), thetas)
    expected = [log_prior(problem, theta) for theta in thetas[:-2]]
    assert_allclose(values[:-2], expected, rtol=EQUAL, atol=EQUAL)
    assert (values[-2:] == -np.inf).all()
    is_number = ~np.isnan(thetas[:, 0])
    assert np.isfinite(gradients[is_number]).all()
    assert np.isfinite(curvatures[is_number]).all()
    step = 1e-4
    for theta, gradient, curvature in zip(thetas, gradients, curvatures, strict=True):
        if not np.isfinite(theta).all():
            continue
        near = np.array([log_prior(problem, theta + k * step) for k in range(-4, 5)])
        if not np.isfinite(near).all():
            continue  # a derivative at an edge is one-sided: finite, as checked above
        slopes = np.diff(near) / step
        if abs(slopes[4] - slopes[3]) > 0.5:
            continue  # a kink
        # Central differences of order 4, and the second one with a wider step: rounding is 1e-11.
        slope = (8 * (near[5] - near[3]) - (near[6] - near[2])) / (12 * step)
        bend = (near[8] - 2 * near[4] + near[0]) / (16 * step**2)
        assert_allclose(gradient[0], slope, rtol=1e-7, atol=1e-9)
        assert_allclose(curvature[0, 0], bend, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_away_nothing_is_nan(problem, dtype):
    thetas = np.array([[-400.0], [-60.0], [60.0], [400.0]], dtype=dtype)
    values, gradients, curvatures = everything(JaxPrior(problem), thetas)
    assert values.dtype == gradients.dtype == dtype
    for found in (values, gradients, curvatures):
        assert not np.isnan(found).any()


def test_float32(problem):
    prior = JaxPrior(problem)
    theta = problem.nominal_theta
    value = prior(theta.astype(np.float32))
    assert value.dtype == np.float32
    assert_allclose(value, log_prior(problem, theta), rtol=1e-5, atol=1e-6)


def test_log_prior_at_the_end_of_a_support(tmp_path):
    problem = with_prior(tmp_path, "logNormal", "0;1", "lin")
    assert log_prior(problem, np.array([0.0])) == -np.inf


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


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", TRUNCATED)
def test_priors_of_petab_v2(monkeypatch, kind, scale):
    """All are of the linear parameter and end at the bounds."""
    truncated = TruncatedPrior("k", kind, TRUNCATED[kind], 0.1, 3.0)
    monkeypatch.setattr("amijax.jax_prior.objective_priors", lambda _: (truncated,))
    prior = JaxPrior(SimpleNamespace(parameter_ids=("k",), scales=(scale,)))
    p = np.array([0.05, 0.15, 0.3, 0.9, 1.7, 2.5, 3.1])
    thetas = np.concatenate([to_scaled(p[:, None], (scale,)), [[-400.0], [-1.0], [0.0], [400.0]]])
    values, gradients, curvatures = everything(prior, thetas)
    expected = [truncated.log_density(each) for each in p]
    assert_allclose(values[: p.size], expected, rtol=EQUAL, atol=EQUAL)
    slopes = [truncated.slope(each) for each in p] * linear_slope(p[:, None], (scale,))[:, 0]
    assert_allclose(gradients[: p.size, 0], np.nan_to_num(slopes), rtol=1e-10, atol=1e-12)
    assert not np.isnan(values).any()
    assert np.isfinite(gradients).all()
    assert np.isfinite(curvatures).all()


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
