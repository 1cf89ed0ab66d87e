"""docs/howto/posteriors.md runs as it stands, and its samplers find the closed form's posterior."""

import re
from pathlib import Path

import closed_form
import numpy as np
import pytest
from scipy import optimize, stats

pytestmark = pytest.mark.clients

TEXT = (Path(__file__).parents[1] / "docs" / "howto" / "posteriors.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
# In standard deviations, and relative. 500 draws with an effective number of 150 or more: the error
# of a mean is 0.08 then, and three times that is allowed.
MEAN, SPREAD = 0.25, 0.25


def needed(*modules):
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed")


def run(block):
    """What a block defines."""
    names = {}
    exec(compile(block, "posteriors.md", "exec"), names)
    return names


def posterior_moments(problem):
    """Means and standard deviations by importance sampling of the closed form.

    The proposal is Student's t about the maximum; 2**12 quasi-random points leave some percent.
    """
    table = problem.measurements
    theta = optimize.minimize(
        lambda x: tuple(-each for each in closed_form.llh_and_gradient(x, table)),
        problem.nominal_theta, jac=True, method="trust-exact",
        hess=lambda x: -closed_form.hessian(x, table), options={"gtol": 1e-6},
    ).x  # fmt: skip
    root = np.linalg.cholesky(np.linalg.inv(-closed_form.hessian(theta, table)))
    n, degrees = theta.size, 5.0
    uniform = stats.qmc.Sobol(n + 1, seed=1).random(2**12)
    scale = np.sqrt(degrees / stats.chi2(degrees).ppf(uniform[:, n]))[:, None]
    z = stats.norm.ppf(uniform[:, :n]) * scale
    points = theta + z @ root.T
    proposal = -0.5 * (degrees + n) * np.log1p((z**2).sum(axis=1) / degrees)
    inside = ((points >= problem.lower_theta) & (points <= problem.upper_theta)).all(axis=1)
    llh = np.full(len(points), -np.inf)
    llh[inside] = llh_of_many(points[inside], table)
    weights = np.exp(llh - proposal - (llh - proposal).max())
    weights /= weights.sum()
    mean = weights @ points
    return mean, np.sqrt(weights @ (points - mean) ** 2)


def llh_of_many(points, table):
    return np.array([closed_form.llh_and_gradient(point, table)[0] for point in points])


def test_there_are_blocks():
    assert len(BLOCKS) == 3


def test_least_squares_and_a_likelihood_of_ones_own(conversion):
    needed("optimistix")
    names = run(BLOCKS[0])
    _, gradient = closed_form.llh_and_gradient(
        names["found"].value, conversion.problem.measurements
    )
    assert np.abs(gradient).max() < 0.05  # at the solver's default tolerances


def test_nuts_finds_the_closed_forms_posterior(conversion):
    needed("blackjax", "numpyro")
    names = run(BLOCKS[1])
    mean, spread = posterior_moments(conversion.problem)
    for draws in (names["of_blackjax"], names["of_numpyro"]):
        found = np.asarray(draws)
        assert found.shape == (300, 6)
        assert (np.abs(found.mean(axis=0) - mean) < MEAN * spread).all()
        assert (np.abs(found.std(axis=0) / spread - 1) < SPREAD).all()


@pytest.mark.usefixtures("boehm")
def test_nuts_runs_on_boehm():
    needed("blackjax", "numpyro")
    names = run(BLOCKS[2])
    assert np.isfinite(names["posterior"](names["theta"]))
    start = names["bounds"].to_theta(names["start"])
    # It moved, and to where the posterior is: llh falls by about half a unit for a parameter.
    assert not np.allclose(names["theta"], start)
    assert names["posterior"](names["theta"]) > names["posterior"](start) - 20
