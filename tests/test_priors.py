"""Log-priors against scipy's densities and PEtab's own classes."""

import numpy as np
import pytest
from petab.v1.priors import Prior
from petab_files import write_decay
from scipy import stats
from scipy.differentiate import derivative

from amijax import ProblemError, load_problem
from amijax.problems.priors import log_prior, log_prior_at, objective_priors, prior_residuals
from amijax.scales import linear_slope

TYPES = {
    "uniform": ("0.1;3", lambda: stats.uniform(0.1, 2.9)),
    "normal": ("0.5;0.7", lambda: stats.norm(0.5, 0.7)),
    "laplace": ("0.5;0.7", lambda: stats.laplace(0.5, 0.7)),
    "logNormal": ("-0.3;0.7", lambda: stats.lognorm(0.7, scale=np.exp(-0.3))),
    "logLaplace": ("-0.3;0.7", lambda: stats.loglaplace(1 / 0.7, scale=np.exp(-0.3))),
    "parameterScaleUniform": ("-1;2", lambda: stats.uniform(-1, 3)),
    "parameterScaleNormal": ("0.2;0.6", lambda: stats.norm(0.2, 0.6)),
    "parameterScaleLaplace": ("0.2;0.6", lambda: stats.laplace(0.2, 0.6)),
}
POINTS = (0.05, 0.2, 0.8, 1.7, 2.99, 4.0)  # on linear scale


def with_prior(folder, kind, parameters, *, scale="log10", column=True):
    path = write_decay(folder, scale=scale)
    table = folder / "parameters.tsv"
    header, row = table.read_text().splitlines()
    priors = ("\tobjectivePriorType\tobjectivePriorParameters", f"\t{kind}\t{parameters}")
    if column:
        table.write_text(f"{header}{priors[0]}\n{row}{priors[1]}\n")
    return load_problem(path)


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_on_every_scale_has_scipys_density(tmp_path, kind, scale):
    parameters, distribution = TYPES[kind]
    problem = with_prior(tmp_path, kind, parameters, scale=scale)
    for p in POINTS:
        theta = problem.theta_from({"rate": p}, linear=True)
        x = theta[0] if kind.startswith("parameterScale") else p
        expected = distribution().logpdf(x)
        np.testing.assert_allclose(log_prior(problem, theta), expected, rtol=1e-13)


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
@pytest.mark.parametrize("kind", TYPES)
def test_the_gradient_is_that_of_differences(tmp_path, kind, scale):
    problem = with_prior(tmp_path, kind, TYPES[kind][0], scale=scale)
    priors = objective_priors(problem)
    for p in (0.6, 0.8, 1.7):
        theta = problem.theta_from({"rate": p}, linear=True)
        at = log_prior_at(problem, priors, theta)
        assert at.value == log_prior(problem, theta)

        def along(step, theta=theta):
            return [log_prior(problem, theta + x) for x in step.ravel()]

        found = derivative(lambda step: np.reshape(along(step), step.shape), 0.0, initial_step=0.05)
        np.testing.assert_allclose(at.gradient[0], found.df, rtol=1e-7, atol=1e-9)
        assert at.curvature[0] >= 0
        if kind == "parameterScaleNormal":
            assert at.curvature[0] == pytest.approx(0.6**-2)


@pytest.mark.parametrize("kind", ["normal", "parameterScaleNormal"])
def test_residuals_of_normal_priors_have_their_gradient(tmp_path, kind):
    problem = with_prior(tmp_path, kind, TYPES[kind][0])
    priors = objective_priors(problem)
    theta = problem.theta_from({"rate": 1.7}, linear=True)
    values, jacobian = prior_residuals(problem, priors, theta)
    at = log_prior_at(problem, priors, theta)
    np.testing.assert_allclose(-values @ jacobian, at.gradient, rtol=1e-13)
    np.testing.assert_allclose(np.diag(jacobian.T @ jacobian), at.curvature, rtol=1e-13)


def test_priors_that_are_no_squares_have_no_residuals(tmp_path):
    problem = with_prior(tmp_path, "laplace", TYPES["laplace"][0])
    with pytest.raises(ProblemError, match="rate has a laplace one"):
        prior_residuals(problem, objective_priors(problem), problem.nominal_theta)


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
@pytest.mark.parametrize("kind", TYPES)
def test_petabs_own_density_differs_by_the_jacobian_of_the_scale_only(tmp_path, kind, scale):
    text, _ = TYPES[kind]
    problem = with_prior(tmp_path, kind, text, scale=scale)
    theirs = Prior(kind, tuple(map(float, text.split(";"))), None, transformation=scale)
    for p in (0.5, 0.8, 1.7):
        theta = problem.theta_from({"rate": p}, linear=True)
        slope = linear_slope(problem.linear(theta), problem.scales)[0]
        jacobian = np.log(slope) if kind.startswith("parameterScale") else 0.0
        expected = np.log(theirs.pdf(problem.linear(theta)[0])) + jacobian
        np.testing.assert_allclose(log_prior(problem, theta), expected, rtol=1e-12, atol=1e-13)


def test_no_prior_is_none_and_no_number(tmp_path):
    assert log_prior(load_problem(), load_problem().nominal_theta) is None
    problem = with_prior(tmp_path / "none", "", "", column=False)
    assert objective_priors(problem) == ()
    empty = with_prior(tmp_path / "empty", "", "")
    assert log_prior(empty, empty.nominal_theta) is None


def test_a_prior_without_parameters_lies_within_the_bounds(tmp_path):
    problem = with_prior(tmp_path, "parameterScaleUniform", "")
    np.testing.assert_allclose(log_prior(problem, problem.nominal_theta), -np.log(5))
    assert log_prior(problem, problem.upper_theta + 1) == -np.inf


def test_bounds_do_not_truncate_other_priors(tmp_path):
    problem = with_prior(tmp_path, "parameterScaleNormal", "0;1")
    beyond = problem.upper_theta + 1
    np.testing.assert_allclose(log_prior(problem, beyond), stats.norm.logpdf(beyond[0]))
    assert np.isnan(log_prior(problem, np.array([np.nan])))


@pytest.mark.parametrize(
    ("kind", "parameters", "sentence"),
    [
        ("gamma", "1;2", "unknown type 'gamma'"),
        ("normal", "", "two numbers with a semicolon"),
        ("normal", "1", "two numbers with a semicolon"),
        ("normal", "1;2;3", "two numbers with a semicolon"),
        ("normal", "1;0", "scale must be above 0"),
        ("laplace", "1;nan", "scale must be above 0"),
        ("uniform", "2;1", "end must be above the beginning"),
        ("uniform", "-inf;1", "end must be above"),
    ],
)
def test_an_unusable_prior_gets_a_sentence(tmp_path, kind, parameters, sentence):
    with pytest.raises(ProblemError, match=sentence):
        with_prior(tmp_path, kind, parameters)


@pytest.mark.collection
@pytest.mark.parametrize("problem_id", ["Bachmann_MSB2011", "Schwen_PONE2014"])
@pytest.mark.usefixtures("collection")
def test_problems_of_the_collection_with_priors(problem_id):
    problem = load_problem(problem_id)
    priors = objective_priors(problem)
    assert {prior.type for prior in priors} == {"parameterScaleNormal"}
    nominal = dict(zip(problem.parameter_ids, problem.nominal_theta, strict=True))
    expected = sum(stats.norm.logpdf(nominal[p.parameter], p.location, p.scale) for p in priors)
    np.testing.assert_allclose(log_prior(problem, problem.nominal_theta), expected, rtol=1e-12)
