"""JAX's side on an analytic objective: transformations, precision, number of calls, failures."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import AnalyticObjective

from amijax.jax_derivatives import SecondDerivativeError
from amijax.jax_objective import JaxObjective
from amijax.jax_theta import PrecisionError

THETA = np.array([0.3, -0.7, 0.2])
TOLERANCE = {
    np.float64: 1e-14,
    np.float32: 1e-5,
}  # some units in the last place, amplified by 1 - p
DTYPES = list(TOLERANCE)


@pytest.fixture
def host():
    return AnalyticObjective()


@pytest.fixture
def objective(host):
    return JaxObjective(host)


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_costs_one_evaluation_without_gradient(objective, host, dtype):
    value = objective(THETA.astype(dtype))
    assert value.dtype == dtype
    np.testing.assert_allclose(value, host.evaluate(THETA).llh, rtol=TOLERANCE[dtype])
    assert (host.without_gradient, host.with_gradient) == (1, 1)  # the one with: this test's own


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_value_and_grad_costs_one_evaluation(objective, host, dtype, wrap):
    value, gradient = wrap(jax.value_and_grad(objective))(THETA.astype(dtype))
    assert (host.without_gradient, host.with_gradient) == (0, 1)
    assert value.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(gradient, host.closed_form(THETA), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_jvp(objective, host, dtype):
    tangent = np.array([1.0, -2.0, 0.5])
    _, derivative = jax.jvp(objective, (jnp.asarray(THETA, dtype),), (jnp.asarray(tangent, dtype),))
    assert derivative.dtype == dtype
    np.testing.assert_allclose(derivative, host.closed_form(THETA) @ tangent, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_vmap_of_value_and_gradient(objective, host, dtype):
    thetas = THETA + np.linspace(-0.1, 0.1, 4)[:, None]
    values, gradients = jax.vmap(jax.value_and_grad(objective))(jnp.asarray(thetas, dtype))
    assert values.dtype == gradients.dtype == dtype
    np.testing.assert_allclose(
        gradients, [host.closed_form(theta) for theta in thetas], rtol=TOLERANCE[dtype]
    )
    np.testing.assert_allclose(
        values, [host.evaluate(theta).llh for theta in thetas], rtol=TOLERANCE[dtype]
    )


class Batched(AnalyticObjective):
    """An analytic objective with batches; remembers their sizes."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def evaluate_batch(self, thetas, gradient=True):
        assert isinstance(thetas, np.ndarray)
        assert thetas.dtype == np.float64
        self.batches.append(len(thetas))
        return tuple(AnalyticObjective.evaluate(self, theta, gradient) for theta in thetas)

    def evaluate(self, theta, gradient=True):
        raise AssertionError(f"a batch is wanted, not {theta} alone (gradient: {gradient})")


GRID = THETA + np.linspace(-0.1, 0.1, 12)[:, None]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("shape", [(12,), (4, 3), (2, 2, 3)], ids=str)
def test_vmap_is_one_batch_and_equals_single_calls(objective, dtype, wrap, shape):
    """Value, gradient, value with gradient and jvp; nested as deep as one likes."""
    host = Batched()
    batched = JaxObjective(host)
    thetas = jnp.asarray(GRID.reshape(*shape, 3), dtype)
    tangents = jnp.flip(thetas, -1)

    def jvp(of):
        return lambda theta, tangent: jax.jvp(of, (theta,), (tangent,))

    for transform, arguments in (
        (lambda of: of, (thetas,)),
        (jax.grad, (thetas,)),
        (jax.value_and_grad, (thetas,)),
        (jvp, (thetas, tangents)),
    ):
        host.batches.clear()
        function = transform(batched)
        for _ in shape:
            function = jax.vmap(function)
        found = jax.tree.leaves(wrap(function)(*arguments))
        assert host.batches == [12]
        flat = [argument.reshape(12, 3) for argument in arguments]
        single = wrap(transform(objective))
        expected = [jax.tree.leaves(single(*row)) for row in zip(*flat, strict=True)]
        for k, leaf in enumerate(found):
            assert leaf.dtype == dtype
            wanted = np.array([row[k] for row in expected])
            np.testing.assert_array_equal(leaf, wanted.reshape(leaf.shape))


def test_vmap_over_other_axes_and_arguments():
    host = Batched()
    batched = JaxObjective(host)
    columns = jax.vmap(batched, in_axes=1)(GRID.T)
    np.testing.assert_array_equal(columns, jax.vmap(batched)(GRID))
    assert host.batches == [12, 12]
    shifts = np.array([0.0, 0.1])
    found = jax.vmap(lambda shift: jax.vmap(lambda t: batched(t + shift))(GRID))(shifts)
    assert found.shape == (2, 12)
    assert host.batches == [12, 12, 24]
    assert jax.vmap(jax.grad(batched))(np.zeros((0, 3))).shape == (0, 3)


def test_a_failure_in_a_batch_is_nan_for_its_point_only():
    host = Batched()
    thetas = GRID.copy()
    thetas[5, 0] = 2e6
    batched = JaxObjective(host)
    values, gradients = jax.vmap(jax.value_and_grad(batched))(thetas)
    assert np.flatnonzero(np.isnan(values)).tolist() == [5]
    assert np.flatnonzero(np.isnan(gradients).any(1)).tolist() == [5]
    assert [e.failure for e in batched.failures] == ["p[0] is too large"]


def test_a_batch_that_raises_gives_nan_not_an_exception(monkeypatch):
    host = Batched()
    monkeypatch.setattr(host, "evaluate_batch", lambda *_, **__: 1 / 0)
    batched = JaxObjective(host)
    assert np.isnan(jax.vmap(jax.grad(batched))(GRID)).all()
    assert isinstance(batched.failures[0].failure, ZeroDivisionError)


def test_composes_with_other_jax_functions(objective, host):
    gradient = jax.grad(lambda theta: -2 * objective(theta) + (theta**2).sum())(THETA)
    np.testing.assert_allclose(gradient, -2 * host.closed_form(THETA) + 2 * THETA, rtol=1e-14)


@pytest.mark.parametrize(
    "second", [jax.hessian, lambda f: jax.grad(lambda t: jax.grad(f)(t).sum())]
)
def test_second_derivative_is_a_clear_error(objective, second):
    with pytest.raises(SecondDerivativeError, match="first derivatives only"):
        second(objective)(THETA)


@pytest.mark.parametrize("dtype", DTYPES)
def test_evaluate_equals_the_transformations_bit_for_bit(objective, dtype):
    theta = THETA.astype(dtype)
    evaluation = objective.evaluate(theta)
    value, gradient = jax.jit(jax.value_and_grad(objective))(theta)
    np.testing.assert_array_equal(evaluation.llh, value)
    np.testing.assert_array_equal(evaluation.gradient, gradient)
    assert evaluation.host.gradient is not None
    assert evaluation.compile_seconds > 0
    without = objective.evaluate(theta, gradient=False)
    assert without.gradient is None
    assert without.llh.dtype == dtype


def test_a_failure_is_nan_and_a_record(objective):
    theta = np.array([2e6, 0.0, 0.0])
    evaluation = objective.evaluate(theta)
    assert np.isnan(evaluation.llh)
    assert np.isnan(evaluation.gradient).all()
    assert evaluation.host.failure == "p[0] is too large"
    assert np.isnan(jax.grad(objective)(theta)).all()
    assert [e.failure for e in objective.failures] == ["p[0] is too large"] * 2


def test_an_objective_that_raises_gives_nan_not_an_exception(objective, host, monkeypatch):
    monkeypatch.setattr(host, "evaluate", lambda *_, **__: 1 / 0)
    evaluation = objective.evaluate(THETA)
    assert np.isnan(evaluation.llh)
    assert evaluation.host is None
    assert isinstance(objective.failures[0].failure, ZeroDivisionError)


class Stoppable(AnalyticObjective):
    def evaluate_unless(self, theta, gradient, check):
        check()
        return self.evaluate(theta, gradient)


class Edited(BaseException):
    """As Streamlit's own, which ends a script."""


@pytest.mark.parametrize("gradient", [False, True])
def test_an_evaluation_can_be_ended_by_what_its_check_raises(gradient):
    host = Stoppable()
    objective = JaxObjective(host)
    theta = THETA.astype(np.float32)

    def edited():
        raise Edited

    with pytest.raises(Edited):
        objective.evaluate(theta, gradient, check=edited)
    assert (host.with_gradient, host.without_gradient) == (0, 0)
    assert not objective.failures  # nothing failed
    checks = []
    found = objective.evaluate(theta, gradient, check=lambda: checks.append(1))
    assert checks
    assert found.llh == objective.evaluate(theta, gradient).llh
    assert not objective._calls._calls


@pytest.mark.parametrize("theta", [np.zeros(2), np.zeros((1, 3))])
def test_wrong_shape(objective, theta):
    with pytest.raises(ValueError, match="shape"):
        objective(theta)


@pytest.mark.parametrize("dtype", [np.int32, np.float16])
def test_other_dtypes_are_refused(objective, dtype):
    with pytest.raises(TypeError, match="float32 or float64"):
        objective(THETA.astype(dtype))


MIXED = """
import sys, numpy as np, jax
sys.path[:0] = {paths!r}
from analytic import AnalyticObjective
from amijax.jax_objective import JaxObjective
from amijax.jax_theta import PrecisionError
objective = JaxObjective(AnalyticObjective())
thetas = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
out = [objective.evaluate(theta) for theta in thetas]
np.savez({out!r}, llh=[e.llh for e in out], gradient=[e.gradient for e in out])
try:
    objective(thetas[0].astype(np.float64))
except PrecisionError as error:
    assert "jax_enable_x64" in str(error)
else:
    raise SystemExit("no error for float64 without 64-bit mode")
"""


def test_float32_equals_a_32_bit_process_bit_for_bit(objective, tmp_path):
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    out = str(tmp_path / "out.npz")
    subprocess.run(
        [sys.executable, "-c", MIXED.format(paths=paths, out=out)],
        check=True,
        env={**os.environ, "JAX_ENABLE_X64": "0"},
    )
    reference = np.load(out)
    thetas = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    for theta, llh, gradient in zip(thetas, reference["llh"], reference["gradient"], strict=True):
        evaluation = objective.evaluate(theta)
        assert llh.dtype == evaluation.llh.dtype == np.float32
        np.testing.assert_array_equal(evaluation.llh, llh)
        np.testing.assert_array_equal(evaluation.gradient, gradient)


def test_threads_of_mixed_precision_get_what_one_thread_gets(objective):
    thetas = np.random.default_rng(1).normal(size=(25, 3))
    expected = {d: [objective.evaluate(t.astype(d)) for t in thetas] for d in DTYPES}
    call = {d: jax.jit(jax.value_and_grad(objective)) for d in DTYPES}

    def work(seed):
        order = np.random.default_rng(seed).integers(0, len(thetas), 500)
        wrong = 0
        for k, i in enumerate(order):
            dtype = DTYPES[(k + seed) % 2]
            value, gradient = call[dtype](thetas[i].astype(dtype))
            wanted = expected[dtype][i]
            wrong += (
                value.dtype != dtype or value != wanted.llh or (gradient != wanted.gradient).any()
            )
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0


def test_precision_error_is_a_value_error():
    assert issubclass(PrecisionError, ValueError)
