"""What the curvature says of parameters, against closed forms and problems made to be uncertain."""

import json

import closed_form
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from petab_files import write_decay
from uncertain_problem import uncertain_objective

from amijax import AmiciObjective, SolverSettings, identify, load_problem
from amijax.cli.main import main
from amijax.identifiability.directions import in_words
from amijax.identifiability.findings import local_findings
from amijax.identifiability.spectrum import spectrum_of


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory):
    return uncertain_objective(tmp_path_factory.mktemp("uncertain"))


@pytest.fixture(scope="module")
def uncertain_result(uncertain):
    return identify(uncertain)


@pytest.fixture(scope="module")
def conversion_optimum(conversion):
    from scipy.optimize import minimize

    measurements = conversion.problem.measurements

    def negative(theta):
        llh, gradient = closed_form.llh_and_gradient(theta, measurements)
        return -llh, -gradient

    start = conversion.problem.nominal_theta
    found = minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-7})
    return found.x


def test_standard_errors_are_the_closed_forms(conversion, conversion_optimum):
    found = identify(conversion, conversion_optimum)
    exact = -closed_form.hessian(conversion_optimum, conversion.problem.measurements)
    covariance = np.linalg.inv(exact)
    errors = np.sqrt(np.diag(covariance))
    # The closed form's Hessian is of differences, too: 1e-8 of its largest entry.
    assert_allclose(found.standard_errors, errors, rtol=1e-5)
    assert_allclose(found.correlations, covariance / np.outer(errors, errors), atol=1e-5)
    assert found.rank == 6
    assert found.is_optimum
    assert found.directions == ()
    half = found.intervals[:, 1] - conversion_optimum
    assert_allclose(half, 1.959964 * errors, rtol=1e-5)
    # Linear scale: ends by the scale, errors by its derivative.
    assert_allclose(found.intervals_linear[:, 0], closed_form.unscale(found.intervals[:, 0]))
    slope = closed_form.derivative_of_unscale(conversion_optimum)
    assert_allclose(found.standard_errors_linear, errors * slope, rtol=1e-5)


def test_a_point_that_is_no_optimum_is_said_to_be_none(conversion):
    found = identify(conversion)
    assert found.expected_gain > 1
    assert "not-optimum" in [each.code for each in local_findings(found)]


def test_noise_of_eigenvalues_holds(conversion, conversion_optimum):
    """Against the closed form, whose own errors are far smaller."""
    found = identify(conversion, conversion_optimum)
    exact = -closed_form.hessian(conversion_optimum, conversion.problem.measurements)
    values = np.linalg.eigvalsh(exact * np.outer(found.units, found.units))[::-1]
    slack = 1e-9 * values.max()
    assert (np.abs(values - found.eigenvalues) <= found.eigenvalue_noise + slack).all()


def test_a_product_that_alone_is_determined_is_found(uncertain, uncertain_result):
    found = uncertain_result
    (flat,) = [each for each in found.directions if each.kind == "flat"]
    assert set(flat.parameters) == {"a0", "s"}
    assert "only with" in flat.sentence
    assert "the product" in flat.sentence
    # At nominal, which is no optimum, llh may curve upwards along vmax with km.
    lost = [each for each in found.directions if each.kind in ("flat", "negative")]
    assert found.rank == found.n_parameters - len(lost)
    ids = uncertain.problem.parameter_ids
    a0, s, kd = (ids.index(name) for name in ("a0", "s", "kd"))
    assert flat.components[a0] == pytest.approx(-flat.components[s], rel=1e-3)
    assert np.isinf(found.standard_errors[[a0, s]]).all()
    assert np.isfinite(found.standard_errors[kd])
    assert np.isnan(found.correlations[a0]).all()
    # Nobody can tell kd's error from a model in which the product is one parameter.
    assert found.standard_errors[kd] == pytest.approx(_error_of_kd(uncertain), rel=1e-3)


def _error_of_kd(objective):
    """From oA = q exp(-kd t) with q and kd only: 1 / sigma^2 sum of products of derivatives."""
    measurements = objective.problem.measurements
    p = dict(zip(objective.problem.parameter_ids, objective.problem.nominal_p, strict=True))
    rows = measurements[measurements["observableId"] == "oA"]
    t, m = rows["time"].to_numpy(), rows["measurement"].to_numpy()
    y = p["s"] * p["a0"] * np.exp(-p["kd"] * t)
    r, ln10, k = m - y, np.log(10), p["kd"]
    # Second derivatives of sum of r^2 / 2 with respect to log10 q and log10 kd
    by_q, by_k = ln10 * y, -ln10 * k * t * y
    qq = by_q @ by_q - r @ (ln10**2 * y)
    kk = by_k @ by_k - r @ (ln10**2 * y * ((k * t) ** 2 - k * t))
    qk = by_q @ by_k - r @ (-(ln10**2) * k * t * y)
    return np.sqrt(np.linalg.inv(np.array([[qq, qk], [qk, kk]]) / 0.1**2)[1, 1])


def test_boehm_has_two_weak_directions(boehm):
    found = identify(boehm)
    assert [each.sentence.split(":")[0] for each in found.directions] == [
        "k_imp_homo alone",
        "k_exp_hetero alone",
    ]
    assert {each.kind for each in found.directions} == {"weak"}
    assert found.rank == 9
    assert found.is_optimum
    k = boehm.problem.parameter_ids.index("k_exp_hetero")
    assert found.at_bounds[k] == -1
    assert_allclose(found.standard_errors, boehm.hessian(found.theta).standard_errors, rtol=1e-9)


def test_entries_that_are_noise_don_t_count():
    """An eigenvalue of 1e-3 stands above errors of 1e-5 and not above errors of 1e-1."""
    matrix = np.diag([4.0, 1e-3])
    assert spectrum_of(matrix, np.full((2, 2), 1e-5)).rank == 2
    found = spectrum_of(matrix, np.full((2, 2), 1e-1))
    assert found.rank == 1
    assert found.floor > 1e-3


def test_noise_bounds_what_random_errors_do():
    random = np.random.default_rng(5)
    scale = np.array([1e3, 1.0, 1e-3, 1e-6])
    base = random.standard_normal((4, 4))
    matrix = (base @ base.T + 4 * np.eye(4)) * np.outer(scale, scale)
    error = 1e-6 * np.abs(matrix)
    found = spectrum_of(matrix, error)
    for _ in range(200):
        moved = np.triu(random.uniform(-1, 1, (4, 4)) * error)
        moved = moved + np.triu(moved, 1).T
        values = np.linalg.eigvalsh(matrix + moved)[::-1]
        assert (np.abs(values - found.eigenvalues) <= found.noise).all()


def test_unknown_errors_leave_no_rank():
    assert spectrum_of(np.eye(3), np.full((3, 3), np.inf)).rank == 0


def test_a_failure_is_data(boehm):
    failing = boehm.with_solver(SolverSettings(max_steps=5))
    found = identify(failing, np.full(9, np.nan))
    assert found.failure is not None
    assert found.rank == 0
    assert np.isnan(found.standard_errors).all()
    assert [each.code for each in local_findings(found)] == ["failed"]


def test_priors_count(tmp_path):
    """One parameter, llh and normal prior on its scale: the curvatures add up."""
    path = write_decay(tmp_path)
    table = path.parent / "parameters.tsv"
    lines = table.read_text().splitlines()
    lines[0] += "\tobjectivePriorType\tobjectivePriorParameters"
    lines[1] += "\tparameterScaleNormal\t-0.1;0.05"
    table.write_text("\n".join(lines) + "\n")
    objective = AmiciObjective(load_problem(path))
    with_prior, without = identify(objective), identify(objective, priors=False)
    added = with_prior.curvature[0, 0] - without.curvature[0, 0]
    assert added == pytest.approx(1 / 0.05**2, rel=1e-6)
    assert without.log_prior is None
    assert with_prior.log_prior is not None


def test_progress_and_check(conversion):
    class Stop(Exception):
        pass

    seen = []

    def check():
        if seen and seen[-1] > 5:
            raise Stop

    with pytest.raises(Stop):
        identify(conversion, on_progress=seen.append, check=check)
    assert seen == sorted(seen)


def test_approximations_say_what_they_leave_out(conversion):
    found = identify(conversion, method="fisher")
    assert "noise scales" in found.left_out
    assert "approximation" in [each.code for each in local_findings(found)]


def test_words():
    assert in_words(("a",)) == "a alone"
    assert in_words(("a", "b")) == "a only with b"
    assert in_words(("a", "b", "c")) == "a only with b and c"
    assert in_words(tuple("abcdef")) == "a only with b, c, d and 2 more"


def test_command_line_has_the_keys(conversion):  # noqa: ARG001
    done = CliRunner().invoke(main, ["identify", "Conversion_Reaction", "--json"])
    assert done.exit_code == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["n_parameters"] == 6
    assert content["rank"] == 6
    assert sum(value > content["noise"] for value in content["eigenvalues"]) == 6
    assert content["directions"] == []
    first = content["parameters"][0]
    assert first["parameter"] == "k1"
    for key in ("standard_error", "standard_error_linear"):
        assert first[key] > 0
    for key in ("interval", "interval_linear"):
        assert len(first[key]) == 2
    text = CliRunner().invoke(main, ["identify", "Conversion_Reaction", "--method", "ggn"])
    assert text.exit_code == 0
    assert "Rank " in text.stdout
    assert "left out" in text.stdout


def test_command_line_refuses_what_it_can_t_use():
    done = CliRunner().invoke(main, ["identify", "Conversion_Reaction", "--set", "k3=1"])
    assert done.exit_code == 2
    assert "k3" in done.stderr
