"""A JaxObjective among things of JAX and Python: copies, pytrees, meshes, names, interrupts."""

import copy
import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from collections import namedtuple
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import AnalyticObjective

from amijax import HostErrorWarning, JaxObjective

THETA = np.array([0.3, -0.7, 0.2])
PATHS = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]


class Named(AnalyticObjective):
    parameter_ids = ("alpha", "beta", "k_gamma")


@pytest.fixture
def host():
    return Named()


@pytest.fixture
def objective(host):
    return JaxObjective(host)


def run_script(script, *arguments, **environment):
    """Run Python code in a process of its own, where this package and the tests can be imported."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


COPIES = {
    "pickle": lambda f: pickle.loads(pickle.dumps(f)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "cloudpickle": lambda f: pickle.loads(cloudpickled(lambda theta: f(theta))),
}


def cloudpickled(function):
    return pytest.importorskip("cloudpickle", reason="cloudpickle is not installed").dumps(function)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.clients] * (name == "cloudpickle"))
             for name in COPIES],
)  # fmt: skip
def test_a_copy_computes_the_same(objective, name):
    copied = COPIES[name](objective)
    assert copied(THETA) == objective(THETA)
    np.testing.assert_array_equal(jax.grad(copied)(THETA), jax.grad(objective)(THETA))


def test_a_copy_keeps_options_and_has_failures_of_its_own(host):
    objective = JaxObjective(host, on_failure="reject", value="with_gradient")
    assert objective(np.array([2e6, 0.0, 0.0])) == -np.inf
    copied = pickle.loads(pickle.dumps(objective))
    assert not copied.failures
    assert copied(np.array([2e6, 0.0, 0.0])) == -np.inf
    assert copied.objective.with_gradient == 2
    assert len(objective.failures) == 1


def test_amici_s_objective_comes_along(conversion):
    theta = conversion.problem.nominal_theta
    objective = JaxObjective(conversion)
    copied = pickle.loads(pickle.dumps(objective))
    np.testing.assert_array_equal(jax.grad(copied)(theta), jax.grad(objective)(theta))


def test_it_is_an_argument_of_a_jitted_function(objective):
    traced = []

    @jax.jit
    def value(f, theta):
        traced.append(f)
        return f(theta)

    assert value(objective, THETA) == objective(THETA)
    assert value(objective, THETA + 0.1) == objective(THETA + 0.1)
    assert len(traced) == 1
    copied = copy.copy(objective)  # another function to JAX, with failures of its own
    assert copied != objective
    assert value(copied, THETA) == objective(THETA)
    assert len(traced) == 2
    assert jax.tree.leaves(objective) == []


class Penalised(eqx.Module):
    llh: JaxObjective
    weight: jax.Array

    def __call__(self, theta):
        return self.llh(theta) - self.weight * (theta**2).sum()


def test_an_equinox_module_holds_it(objective, host):
    module = Penalised(objective, jnp.asarray(0.5))
    np.testing.assert_allclose(jax.grad(module)(THETA), host.closed_form(THETA) - THETA, rtol=1e-14)
    by_weight = eqx.filter_jit(eqx.filter_grad(lambda m: m(jnp.asarray(THETA))))(module)
    np.testing.assert_allclose(by_weight.weight, -(THETA**2).sum(), rtol=1e-14)
    assert by_weight.llh is objective
    assert jax.jit(lambda m, t: m(t))(module, THETA) == module(THETA)


SHARDED = """
import jax, numpy as np
from functools import partial
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
jax.config.update("jax_enable_x64", True)
from analytic import AnalyticObjective
from amijax import JaxObjective

class Batched(AnalyticObjective):
    sizes = []
    def evaluate_batch(self, thetas, gradient=True):
        self.sizes.append(len(thetas))
        return [self.evaluate(theta, gradient) for theta in thetas]

host = Batched()
f = JaxObjective(host)
assert len(jax.devices()) == 2
thetas = np.random.default_rng(0).normal(size=(4, 3))
transformed = {
    "value": jax.vmap(f),
    "gradient": jax.vmap(jax.grad(f)),
    "both": jax.vmap(jax.value_and_grad(f)),
    "jvp": jax.vmap(lambda t: jax.jvp(f, (t,), (t,))[1]),
}
expected = {name: jax.jit(function)(thetas) for name, function in transformed.items()}

def check(name, function, argument, sizes):
    host.sizes.clear()
    found = function(argument)
    jax.tree.map(np.testing.assert_array_equal, found, expected[name])
    assert host.sizes == sizes, (name, host.sizes)
    assert {leaf.sharding.spec[0] for leaf in jax.tree.leaves(found)} <= {"x"}, name

for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((2,), ("x",), axis_types=(kind,))
    sharded = jax.device_put(thetas, NamedSharding(mesh, P("x")))
    for name, function in transformed.items():
        for check_vma in (True, False):
            split = jax.shard_map(
                function, mesh=mesh, in_specs=P("x"), out_specs=P("x"), check_vma=check_vma
            )
            check(name, jax.jit(split), sharded, [2, 2])
            if kind is AxisType.Auto:
                check(name, split, thetas, [2, 2])
        if kind is AxisType.Explicit:
            check(name, jax.jit(function), sharded, [4, 4])  # each device has all points
print("done")
"""


def test_it_is_spread_over_meshes():
    """Devices share the points inside `shard_map` only; `jit` alone gives all to each."""
    done = run_script(SHARDED, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert done.stdout == "done\n", done.stderr


def test_value_and_gradient_apart_are_one_call_if_values_come_with_gradients(host):
    """XLA makes two equal calls into one; `f` by itself has another value, and call."""
    for value, calls in (("alone", (1, 1)), ("with_gradient", (0, 1))):
        objective = JaxObjective(host, value=value)
        both = jax.jit(lambda t, f=objective: (f(t), jax.grad(f)(t))).lower(THETA).compile()
        host.without_gradient = host.with_gradient = 0
        found, gradient = both(THETA)
        assert (host.without_gradient, host.with_gradient) == calls
        np.testing.assert_array_equal(gradient, jax.grad(objective)(THETA))
        assert found == objective(THETA)
    host.with_gradient = 0
    jax.jit(lambda t: (objective(t), jax.value_and_grad(objective)(t), jax.grad(objective)(t)))(
        THETA
    )
    assert host.with_gradient == 1


def test_a_host_that_raises_is_warned_about_once_for_each_kind(objective, host, monkeypatch):
    monkeypatch.setattr(host, "evaluate", lambda *_, **__: 1 / 0)
    with pytest.warns(HostErrorWarning, match="raised ZeroDivisionError: division by zero"):
        assert np.isnan(objective(THETA))
    assert np.isnan(jax.jit(jax.grad(objective))(THETA)).all()  # a warning would be an error
    monkeypatch.setattr(host, "evaluate", lambda *_, **__: {}["k"])
    with pytest.warns(HostErrorWarning, match="KeyError"):
        assert np.isnan(objective(THETA))
    assert [type(e.failure).__name__ for e in objective.failures] == [
        "ZeroDivisionError", "ZeroDivisionError", "KeyError",
    ]  # fmt: skip


def test_a_warning_that_is_an_error_does_not_leave_the_callback(
    objective, host, monkeypatch, caplog
):
    monkeypatch.setattr(host, "evaluate", lambda *_, **__: 1 / 0)
    with warnings.catch_warnings(), caplog.at_level(logging.ERROR):
        warnings.simplefilter("error")
        assert np.isnan(objective(THETA))
    assert "raised ZeroDivisionError" in caplog.text


def by_id(theta):
    return dict(zip(Named.parameter_ids, theta, strict=True))


class Rates(eqx.Module):
    beta: jax.Array
    k_gamma: jax.Array


Theta = namedtuple("Theta", Named.parameter_ids)
FORMS = {
    "dict": by_id,
    "other order": lambda theta: dict(reversed(by_id(theta).items())),
    "nested": lambda theta: {"x": {"beta": theta[1], "alpha": theta[0]}, "k_gamma": theta[2]},
    "named tuple": lambda theta: Theta(*theta),
    "module in a list": lambda theta: [{"alpha": theta[0]}, Rates(theta[1], theta[2])],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
def test_theta_by_parameter_id(objective, form, dtype):
    theta = THETA.astype(dtype)
    tree = FORMS[form](theta)
    value, gradient = jax.jit(jax.value_and_grad(objective))(tree)
    expected, array = jax.jit(jax.value_and_grad(objective))(theta)
    assert value == expected == jax.value_and_grad(objective)(tree)[0]
    assert value.dtype == dtype
    wanted = FORMS[form](np.asarray(array))
    assert jax.tree.structure(gradient) == jax.tree.structure(wanted)
    for found, entry in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
        assert found.dtype == dtype
        assert found == entry
    assert objective(tree) == objective(theta)
    assert objective.evaluate(tree).llh == objective.evaluate(theta).llh
    points = jax.tree.map(lambda x: jnp.stack([x, x + 1]), tree)
    np.testing.assert_array_equal(
        jax.vmap(objective)(points), jax.vmap(objective)(np.stack([theta, theta + 1]))
    )


@pytest.mark.parametrize("form", ["numbers", "one strong", "arrays"])
def test_python_s_numbers_take_the_others_dtype(objective, form):
    theta = {"alpha": 0.5, "beta": 1.0, "k_gamma": 0}
    if form != "numbers":
        kind = np.float32 if form == "one strong" else partial(jnp.asarray, dtype=jnp.float32)
        theta["beta"] = kind(1.0)
    expected = np.float64 if form == "numbers" else np.float32
    assert objective(theta).dtype == expected
    assert jax.jit(objective)(theta).dtype == expected


def test_a_sequence_of_numbers_is_an_array(objective):
    assert objective(list(THETA)) == objective(THETA)
    gradient = jax.grad(objective)(list(THETA))
    np.testing.assert_array_equal(gradient, jax.grad(objective)(THETA))


WRONG = {
    "unknown": ({"alpha": 0.0, "beta": 0.0, "k_gama": 0.0}, ValueError,
                r"'k_gama' is no estimated .*did you mean 'k_gamma'\?.*'k_gamma' is missing"),
    "missing": ({"alpha": 0.0}, ValueError, "'beta', 'k_gamma' are missing"),
    "twice": ({"a": by_id(THETA), "b": {"alpha": 0.0}}, ValueError, "'alpha' is there more than"),
    "arrays": ({"alpha": np.zeros(2), "beta": 0.0, "k_gamma": 0.0}, ValueError, "single number"),
    "none": ({"alpha": None, "beta": 0.0, "k_gamma": 0.0}, ValueError, "'alpha' has no value"),
    "positions": ({"alpha": 0.0, "rest": [0.0, 0.0]}, ValueError, "position only"),
    "dtypes": ({"alpha": np.float32(0), "beta": np.float64(0), "k_gamma": 0.0}, TypeError,
               "several dtypes"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.grad], ids=["eager", "jit", "grad"])
def test_what_is_wrong_with_ids_is_said(objective, case, wrap):
    theta, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        wrap(objective)(theta)


def test_an_objective_without_ids_takes_no_names():
    with pytest.raises(TypeError, match="parameter_ids"):
        JaxObjective(AnalyticObjective())(by_id(THETA))


def test_amici_s_objective_has_ids(conversion):
    theta = conversion.problem.nominal_theta
    named = dict(zip(conversion.parameter_ids, theta, strict=True))
    objective = JaxObjective(conversion)
    gradient = jax.grad(objective)(named)
    assert [gradient[name] for name in named] == list(jax.grad(objective)(theta))


class Interrupted(AnalyticObjective):
    """Ctrl-C comes while it evaluates."""

    at = 1

    def evaluate(self, theta, gradient=True):
        self.at -= 1
        if self.at == 0:
            signal.raise_signal(signal.SIGINT)
        return super().evaluate(theta, gradient)


@pytest.mark.parametrize("call", ["value", "evaluate", "grad", "after"])
def test_ctrl_c_while_we_wait_is_a_keyboard_interrupt(call):
    host = Interrupted()
    objective = JaxObjective(host)
    calls = {
        "value": lambda: objective(THETA),
        "evaluate": lambda: objective.evaluate(THETA),
        "grad": lambda: jax.grad(objective)(THETA),
        "after": lambda: (objective(THETA), objective(THETA)),
    }
    host.at = 2 if call == "after" else 1
    with pytest.raises(KeyboardInterrupt):
        calls[call]()
    assert np.isfinite(objective(THETA))  # and it goes on working


INTERRUPTED = """
from threading import Event
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from amijax import JaxObjective
from test_jax_citizen import Interrupted

host = Interrupted()
f = JaxObjective(host)
step = lambda theta, _: (theta + 1e-3 * jax.grad(f)(theta), None)
loop = jax.jit(lambda theta: jax.lax.scan(step, theta, length=20)[0])
host.at = -1
loop(np.zeros(3))
outcome = []
for _ in range(2):
    host.at = 5
    try:
        try:
            loop(np.zeros(3))
        except Exception as error:
            outcome.append(type(error).__name__)
            Event().wait(60)  # until the signal comes
    except KeyboardInterrupt:
        outcome.append("KeyboardInterrupt")
        assert host.at == 0  # nothing was simulated after it
print(outcome[-1])
"""


def test_ctrl_c_in_a_jitted_loop_is_not_swallowed():
    done = run_script(INTERRUPTED)
    assert done.stdout == "KeyboardInterrupt\n", done.stderr
