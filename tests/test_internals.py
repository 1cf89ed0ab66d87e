"""Contracts with what foreign libraries do not promise: each fails with what would break.

The sentence is the one that the function itself has under "When it changes".
"""

import ctypes
import gc
import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import amici.sim.sundials as sundials
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from amijax import get_model, load_problem
from amijax.audit.jax_export_internals import exported_llh, exported_model
from amijax.jax_internals import host_callback
from amijax.models import amici_internals
from amijax.models.ctypes_internals import unloader
from amijax.models.source import model_source
from amijax.ui.streamlit_internals import is_history_navigation, own_query, script_threads

ROOT = Path(__file__).parents[1]


def what_breaks(function) -> str:
    """The sentence of a function's docstring that begins with "When it changes"."""
    documentation = inspect.cleandoc(function.__doc__)
    match = re.search(r"^When it changes: (.+?\.)$(?=\n\n|\Z)", documentation, re.M | re.S)
    assert match is not None, f"{function.__name__} does not say what breaks when it changes"
    return " ".join(match[1].split())


@contextmanager
def contract(function) -> Iterator[None]:
    """Fail with the function's sentence, whatever goes wrong."""
    try:
        yield
    except Exception as error:
        pytest.fail(f"{function.__name__}: {what_breaks(function)} ({error!r})")


def functions() -> dict[str, object]:
    """All public functions of the internals modules."""
    return {
        name: member
        for path in (ROOT / "amijax").rglob("*_internals.py")
        for module in [import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))]
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if member.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.mark.parametrize("name", functions())
def test_each_function_has_a_link_a_sentence_and_a_contract(name):
    function = functions()[name]
    assert re.search(r"Upstream: https://\S+", inspect.cleandoc(function.__doc__))
    assert what_breaks(function)
    assert f"with contract({name})" in Path(__file__).read_text().replace("amici_internals.", "")


def test_a_broken_contract_says_what_breaks():
    with pytest.raises(pytest.fail.Exception, match="no model can be built"):  # noqa: SIM117
        with contract(amici_internals.cmake_prefixes):
            raise FileNotFoundError
    with pytest.raises(pytest.fail.Exception, match="nothing can be simulated"):  # noqa: SIM117
        with contract(amici_internals.run_simulations):
            raise AssertionError


def test_cmake_prefixes():
    with contract(amici_internals.cmake_prefixes):
        installation, openblas = amici_internals.cmake_prefixes()
        assert (installation / "lib" / "cmake" / "Amici" / "AmiciConfig.cmake").is_file()
        assert list(installation.rglob("lib/**/libamici*")) or sys.platform == "win32"
        assert openblas.parent.is_dir()  # the folder itself is there where AMICI brought OpenBLAS


# What follows needs a model, but no AmiciObjective: it would fail first, with another sentence.


@pytest.fixture(scope="module")
def compiled():
    return get_model(load_problem("Conversion_Reaction"))


@pytest.fixture
def model(compiled):
    with contract(amici_internals.put_model):
        return compiled.load()


@pytest.fixture
def simulation(model):
    """A model, its solver with sensitivities, and two ExpData with measurements."""
    solver = model.create_solver()
    solver.set_sensitivity_order(sundials.SensitivityOrder.first)
    edatas = []
    for start in (0.0, 1.0):
        edata = sundials.ExpData(model)
        edata.set_timepoints([start, start + 1, start + 3])
        n = 3 * len(model.get_observable_ids())
        edata.set_measurements(np.linspace(0.1, 0.9, n))
        edata.set_noise_scales(np.full(n, 0.1))
        edatas.append(edata)
    return model, solver, edatas


def test_run_simulations(simulation):
    with contract(amici_internals.run_simulations):
        ours = amici_internals.run_simulations(*simulation, failfast=True, num_threads=2)
        for one, other in zip(ours, sundials.run_simulations(*simulation), strict=True):
            assert one.status == other.status == 0
            assert one.llh < 0
            assert one.llh == other.llh
            np.testing.assert_array_equal(np.array(one.sllh), other.sllh)
            np.testing.assert_array_equal(np.array(one.x).reshape(other.x.shape), other.x)


def test_numbers_in_memory(simulation):
    model, solver, edatas = simulation
    results = sundials.run_simulations(model, solver, edatas)
    with contract(amici_internals.numbers_in_memory):
        for rdata in (view._swigptr for view in results):
            for vector in (rdata.y, rdata.x, rdata.ts, rdata.sllh, rdata.sx):
                assert len(vector) > 0
                found = amici_internals.numbers_in_memory(vector)
                np.testing.assert_array_equal(found, list(vector))
        values = [1.5, float("nan"), float("inf"), -2.0]
        for n in range(5):
            found = amici_internals.numbers_in_memory(sundials.DoubleVector(values[:n]))
            np.testing.assert_array_equal(found, values[:n])


def test_put_model(model):
    # A unique_ptr is the address of what it has: here that of another model, for a moment.
    with contract(amici_internals.put_model):
        pointer = sundials.ModelPtr(None)
        assert pointer.get() is None
        own = ctypes.c_void_p.from_address(int(model.this)).value
        assert own is not None

        def factory(address: int) -> int:
            place = ctypes.c_void_p.from_address(address)
            assert place.value is None
            place.value = own
            try:
                assert pointer.get_free_parameter_ids() == model.get_free_parameter_ids()
            finally:
                place.value = None
            return 1

        assert amici_internals.put_model(pointer, factory)
        assert not amici_internals.put_model(pointer, lambda _address: 0)


class _Probe:
    """Notes its name when it is destroyed, and what a library is asked for."""

    def __init__(self, name: str, gone: list[str]) -> None:
        self.name, self.gone = name, gone

    def __del__(self) -> None:
        self.gone.append(self.name)


def test_keep_library(model):
    solver = model.create_solver()
    gone: list[str] = []
    owner = SimpleNamespace(this=_Probe("C++ object", gone))
    with contract(amici_internals.keep_library):
        for native in (model, solver):  # `this` first: the C++ object, which owns itself
            assert list(vars(native)) == ["this", "module"]
            assert native.module is model.module
            assert native.this.own()
        clone = sundials.ModelPtr.clone(model)
        assert clone.module is model.module
        amici_internals.keep_library(owner, _Probe("library", gone))
        del owner
        gc.collect()
        assert gone == ["C++ object", "library"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_unloader(tmp_path, compiled):
    copy = Path(shutil.copy(compiled.path / compiled.library, tmp_path / "copy.so"))
    with contract(unloader):
        library = ctypes.CDLL(str(copy))
        assert str(copy) in Path("/proc/self/maps").read_text()
        unload = unloader(library)
        del library
        gc.collect()
        assert str(copy) in Path("/proc/self/maps").read_text()
        unload()
        assert str(copy) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_host_callback(dtype):
    seen = []

    def sum_and_double(out, argument):
        seen.append((argument.shape, argument.dtype, [(o.shape, o.dtype) for o in out]))
        out[0][...] = argument.sum(axis=-1)
        out[1][...] = 2 * argument

    def total(out, argument):
        out[0][...] = argument.sum(axis=-1)

    scalar, vector = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((3,), dtype)
    points = np.arange(6, dtype=dtype).reshape(2, 3)
    with contract(host_callback):
        both = jax.jit(host_callback(sum_and_double, (scalar, vector)))
        value, doubled = both(jnp.asarray(points[0]))
        assert value.dtype == doubled.dtype == dtype
        assert float(value) == 3
        np.testing.assert_array_equal(doubled, 2 * points[0])
        values, doubles = jax.jit(jax.vmap(both))(jnp.asarray(points))
        np.testing.assert_array_equal(values, [3, 12])
        np.testing.assert_array_equal(doubles, 2 * points)
        assert seen == [
            ((3,), dtype, [((), dtype), ((3,), dtype)]),
            ((2, 3), dtype, [((2,), dtype), ((2, 3), dtype)]),
        ]
        assert float(jax.jit(host_callback(total, scalar))(jnp.asarray(points[1]))) == 12


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The conversion reaction as AMICI exports it to JAX."""
    files = model_source(load_problem("Conversion_Reaction")).files
    with contract(exported_model):
        return exported_model(files, tmp_path_factory.mktemp("exported"))


def test_exported_model(exported):
    with contract(exported_model):
        assert exported.n_events == 0
        assert len(exported.parameter_ids) == len(exported.parameters)
        assert len(exported.observable_ids) == 2
        assert len(exported.state_ids) == 2


def test_exported_llh(exported):
    def llh(sigma, last_counts):
        return exported_llh(
            exported, exported.parameters, np.array([0.0, 1.0]), np.full(2, 0.3), np.zeros(2, int),
            sigma, jnp.array([True, last_counts]), 1e-6, 1e-9, 0.1, 10.0,
        )  # fmt: skip

    compiled = jax.jit(llh)
    with contract(exported_llh):
        at_start = [float(compiled(np.array([sigma, 1.0]), False)) for sigma in (0.5, 1.0, 2.0)]
        # Normal noise: llh = c - log(sigma) - (residual / sigma)^2 / 2, with the numbers given.
        squares = [
            2 * (at_start[i] - at_start[1] + np.log(sigma)) / (1 - sigma**-2)
            for i, sigma in ((0, 0.5), (2, 2.0))
        ]
        np.testing.assert_allclose(squares[0], squares[1], rtol=1e-9)
        assert squares[0] > 0
        # A sigma that is no number is the model's formula; a second measurement adds to llh.
        assert np.isfinite(compiled(np.full(2, np.nan), True))
        assert float(compiled(np.ones(2), True)) < at_start[1]


def test_is_history_navigation():
    with contract(is_history_navigation):
        assert is_history_navigation() is False  # outside of a page
        assert ScriptRunContext.__dataclass_fields__["is_history_navigation"].default is False


def _tell_query(found):
    import streamlit as st

    from amijax.ui.streamlit_internals import own_query

    found.append(own_query())
    st.query_params.from_dict({"problem": "a b", "empty": ""})
    found.append(own_query())


def test_own_query():
    with contract(own_query):
        assert own_query() == {}  # outside of a page
        found: list[dict[str, str]] = []
        app = AppTest.from_function(_tell_query, args=(found,))
        app.query_params["theta"] = ["k1:-0.5", "k1:-0.6"]
        app.query_params["embed"] = "true"
        app.run()
        assert found == [{"theta": "k1:-0.6"}, {"problem": "a b", "empty": ""}]


def _tell_threads(found):
    import threading

    from amijax.ui.streamlit_internals import script_threads

    found.append(threading.current_thread() in script_threads())


def test_script_threads():
    with contract(script_threads):
        found: list[bool] = []
        AppTest.from_function(_tell_threads, args=(found,)).run()
        assert found == [True]
