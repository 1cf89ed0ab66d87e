"""Noise models against SciPy's distributions and against their own definition."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from petab_files import write_decay

from amijax import ProblemError, load_problem
from amijax.models.noise_model import NoiseModel
from amijax.models.source import model_source

MODELS = [NoiseModel(t, d) for t in ("lin", "log", "log10") for d in ("normal", "laplace")]


def reference(model, m, y, sigma):
    """Log-density from SciPy: of t(m) about t(y), times dt/dm."""
    kind = {"normal": scipy.stats.norm, "laplace": scipy.stats.laplace}[model.distribution]
    transform = {"lin": lambda x: x, "log": np.log, "log10": np.log10}[model.transformation]
    slope = {"lin": 1.0, "log": 1.0 / m, "log10": 1.0 / (m * np.log(10.0))}[model.transformation]
    return kind.logpdf(transform(m), transform(y), sigma) + np.log(slope)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_density(model):
    rng = np.random.default_rng(1)
    m, y, sigma = rng.uniform(0.1, 10, (3, 50))
    np.testing.assert_allclose(model.llh(m, y, sigma), reference(model, m, y, sigma), rtol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_density_integrates_to_one_and_the_band_holds_its_share(model):
    y, sigma = np.array(2.0), np.array(0.1)
    low, high = (float(end) for end in model.band(y, sigma))
    ends = (-np.inf, 2.0, np.inf) if model.transformation == "lin" else (0.0, 2.0, np.inf)

    def density(m):
        return float(np.exp(model.llh(np.array(m), y, sigma))) if m != 0 else 0.0

    total = sum(
        scipy.integrate.quad(density, a, b, limit=200)[0]
        for a, b in ((ends[0], low), (low, 2.0), (2.0, high), (high, ends[2]))
    )
    assert total == pytest.approx(1.0, abs=1e-6)  # quad's own error
    inside = sum(scipy.integrate.quad(density, a, b)[0] for a, b in ((low, 2.0), (2.0, high)))
    share = {"normal": 0.6826894921, "laplace": 1 - np.exp(-1)}[model.distribution]
    assert inside == pytest.approx(share, abs=1e-6)
    np.testing.assert_allclose(model.residual(np.array([low, high]), y, sigma), [-1, 1])


def test_no_logarithm_is_data():
    model = NoiseModel("log10")
    ones = np.ones(2)
    assert not np.isfinite(model.llh(np.array([-1.0, 0.0]), ones, ones)).any()
    assert not np.isfinite(model.residual(ones, np.array([-1.0, 0.0]), ones)).any()


def test_the_observable_table_decides(tmp_path):
    path = write_decay(tmp_path, transformation="log10", distribution="laplace")
    (observable,) = model_source(load_problem(path)).plan.observables
    assert NoiseModel.named(observable.distribution) == NoiseModel("log10", "laplace")
    (observable, _) = model_source(load_problem("Conversion_Reaction")).plan.observables
    assert NoiseModel.named(observable.distribution) == NoiseModel()
    with pytest.raises(ProblemError, match="binomial"):
        load_problem(write_decay(tmp_path / "other", distribution="binomial"))


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_the_slope_is_that_of_the_residual(model):
    y = np.array([0.3, 2.0, 11.0])
    ahead, behind = (-model.residual(np.ones(3), y * (1 + h), np.ones(3)) for h in (1e-6, -1e-6))
    # Central differences: truncation is 1e-12, rounding 1e-10.
    np.testing.assert_allclose(model.slope(y), (ahead - behind) / (2e-6 * y), rtol=1e-9)
