"""Compiled models in memory: how many stay, what keeps one, and that the others are gone."""

import copy
import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from petab_files import RATE, tiny_problem

from amijax.models.lookup import get_model
from amijax.objective import AmiciObjective
from amijax.problems import load_problem

ROOT = Path(__file__).parents[1]
EMBEDDED = ("Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff")

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")


def is_mapped(model) -> bool:
    return str(model.path) in Path("/proc/self/maps").read_text()


@pytest.fixture
def model_library(monkeypatch):
    """The module with a limit of one, empty but for what other tests still use."""
    from amijax.models import library as model_library

    monkeypatch.setenv(model_library.LIMIT_VARIABLE, "1")
    return model_library


@pytest.fixture
def other(model_library):  # noqa: ARG001
    """Function that loads the tiny model, which pushes the previous model out."""
    from amijax.models.cache import CompiledModel

    count = iter(range(100))

    def load(folder):
        model = get_model(tiny_problem(folder / "other"))
        # Other tests may have it loaded: a key of our own is a library that is used anew.
        CompiledModel(f"other {next(count)}", model.path, model.library, {}).load()

    return load


@pytest.fixture
def private(tmp_path):
    """A model that no other test has loaded."""
    rate = RATE.replace("-1", "-2")
    problem = tiny_problem(tmp_path / "private", rate=rate)
    return problem, get_model(problem)


def test_a_model_that_nothing_uses_leaves_memory_and_comes_back(private, other, tmp_path):
    problem, model = private
    objective = AmiciObjective(problem, model=model)
    llh, gradient = objective.llh_and_gradient(problem.nominal_theta)
    assert is_mapped(model)
    del objective
    gc.collect()
    assert is_mapped(model)  # the latest one stays, for the next time
    other(tmp_path)
    assert not is_mapped(model)
    again = AmiciObjective(problem, model=model).llh_and_gradient(problem.nominal_theta)
    assert again[0] == llh
    np.testing.assert_array_equal(again[1], gradient)


@pytest.mark.parametrize("kept", ["objective", "clone", "solver", "deep copy"])
def test_what_needs_a_library_keeps_it(private, other, model_library, tmp_path, kept):
    problem, model = private
    user = {
        "objective": lambda: AmiciObjective(problem, model=model),
        "clone": lambda: model.load().clone(),
        "solver": lambda: model.load().create_solver(),
        "deep copy": lambda: copy.deepcopy(model.load()),
    }[kept]()
    other(tmp_path)
    gc.collect()
    other(tmp_path)
    assert is_mapped(model)
    assert model.key in model_library.loaded_keys()
    if kept == "objective":
        assert np.isfinite(user.llh(problem.nominal_theta))
    elif kept == "solver":
        assert user.get_relative_tolerance() > 0
    else:
        assert list(user.get_free_parameter_ids()) == ["p_0"]
    del user
    gc.collect()
    assert model.key not in model_library.loaded_keys()
    assert not is_mapped(model)


def test_results_outlive_the_library(private, other, tmp_path):
    problem, model = private
    objective = AmiciObjective(problem, model=model)
    theta = np.array(problem.nominal_theta)
    rdata = objective.simulator.everything(theta, gradient=True)[0]
    llh = objective.llh_and_gradient(theta)[0]
    del objective
    gc.collect()
    other(tmp_path)
    assert not is_mapped(model)
    assert rdata.llh == llh
    assert len(rdata.x) > 0
    del rdata
    gc.collect()


def test_many_models_in_one_process_by_turns():
    code = (
        "import gc\n"
        "import numpy as np\n"
        "from amijax import AmiciObjective, load_problem\n"
        "from amijax.models.library import loaded_keys\n"
        f"problems = [load_problem(i) for i in {EMBEDDED}]\n"
        "results = {}\n"
        "for _ in range(20):\n"
        "    for problem in problems:\n"
        "        objective = AmiciObjective(problem)\n"
        "        value = objective.llh_and_gradient(problem.nominal_theta)[0]\n"
        "        assert results.setdefault(problem.problem_id, value) == value\n"
        "        del objective\n"
        "        gc.collect()\n"
        "        assert len(loaded_keys()) <= 2, loaded_keys()\n"
        "lines = [line for line in open('/proc/self/maps') if '/models/' in line]\n"
        "print(len({line.split()[-1] for line in lines}))\n"
    )
    for problem_id in EMBEDDED:
        get_model(load_problem(problem_id))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "AMIJAX_LOADED_MODELS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"


def test_a_loaded_model_says_that_it_is_not_pickled(private):
    loaded = private[1].load()
    with pytest.raises(TypeError, match="CompiledModel"):
        pickle.dumps(loaded)
    assert pickle.loads(pickle.dumps(private[1])) == private[1]


def test_a_library_without_a_model_is_no_model(model_library):
    import _ctypes

    from amijax.models.cache import DamagedModelError, load_model

    with pytest.raises(DamagedModelError, match="can't be loaded"):
        load_model("no model", Path(_ctypes.__file__))
    assert "no model" not in model_library.loaded_keys()
