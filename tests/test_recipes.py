"""Objectives as plain data: pickled, sent to other processes, rebuilt there, equal bit for bit."""

import copy
import io
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from petab_files import write_decay

from amijax import AmiciObjective, SolverSettings, load_problem, open_bundle
from amijax import objective as recipes_module
from amijax.problems import ProblemError
from amijax.problems.recipe import ProblemRecipe


def assert_equal(one, other, theta):
    """Two objectives give the same, bit for bit."""
    for gradient in (True, False):
        mine, theirs = one.evaluate(theta, gradient), other.evaluate(theta, gradient)
        np.testing.assert_array_equal(mine.llh, theirs.llh)
        if gradient:
            np.testing.assert_array_equal(mine.gradient, theirs.gradient)
        assert mine.solver == theirs.solver


class Recorder(pickle.Unpickler):
    """Notes the modules of everything that a pickle is made of."""

    def find_class(self, module, name):
        self.modules = {*getattr(self, "modules", ()), module}
        return super().find_class(module, name)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, as another machine has it, but for models (compiling takes long)."""
    from amijax.paths import cache_dir

    models = cache_dir().absolute() / "models"
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(models)
    monkeypatch.setattr(recipes_module, "_ready", type(recipes_module._ready)())
    return tmp_path / "cache"


def decay(folder):
    return AmiciObjective(load_problem(write_decay(folder)))


def test_a_pickle_is_small_plain_data_and_gives_the_same(boehm):
    data = pickle.dumps(boehm)
    assert len(data) < 10_000  # the files of the problem, packed; 4.4 kB today
    recorder = Recorder(io.BytesIO(data))
    recorder.load()
    assert recorder.modules <= {
        *("amijax.objective", "amijax.problems.recipe", "amijax.simulation.settings"),
        *("builtins", "copyreg"),
    }
    rebuilt = pickle.loads(data)
    assert rebuilt is not boehm
    assert rebuilt.model == boehm.model
    assert_equal(rebuilt, boehm, boehm.problem.nominal_theta)


def test_settings_cores_and_chosen_entries_travel_along(boehm):
    objective = boehm.with_solver(SolverSettings(rtol=1e-9, max_steps=20_000))
    objective = objective.with_gradient_of([1, 5]).with_num_threads(2)
    rebuilt = pickle.loads(pickle.dumps(objective))
    assert rebuilt.solver == objective.solver
    assert rebuilt.num_threads == 2
    theta = boehm.problem.nominal_theta + 0.05
    assert np.flatnonzero(rebuilt.evaluate(theta).gradient).tolist() == [1, 5]
    assert_equal(rebuilt, objective, theta)


def test_no_entry_chosen_is_not_all_of_them(boehm):
    rebuilt = pickle.loads(pickle.dumps(boehm.with_gradient_of([])))
    assert not rebuilt.evaluate(boehm.problem.nominal_theta).gradient.any()


def test_a_recipe_is_one_s_own_again(boehm):
    rebuilt = pickle.loads(pickle.dumps(boehm))
    assert rebuilt.recipe() == boehm.recipe()
    assert_equal(pickle.loads(pickle.dumps(rebuilt)), boehm, boehm.problem.nominal_theta)


def test_the_original_s_files_are_not_needed_any_more(tmp_path, cache):
    objective = decay(tmp_path / "problem")
    data = pickle.dumps(objective)
    (tmp_path / "problem").rename(tmp_path / "gone")
    rebuilt = pickle.loads(data)
    assert cache in rebuilt.problem.source.parents
    assert_equal(rebuilt, objective, objective.problem.nominal_theta)


def test_files_in_neighbouring_folders_stay_inside_the_recipe_s(tmp_path, cache):
    path = write_decay(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "model.xml").rename(tmp_path / "a" / "model.xml")
    (tmp_path / "a" / "b" / "parameters.tsv").rename(tmp_path / "parameters.tsv")
    text = path.read_text().replace("model.xml", "../model.xml")
    path.write_text(text.replace("parameters.tsv", "../../parameters.tsv"))
    objective = AmiciObjective(load_problem(path))
    rebuilt = pickle.loads(pickle.dumps(objective))
    assert_equal(rebuilt, objective, objective.problem.nominal_theta)
    folder = cache / "recipes" / objective.problem.digest
    assert sorted(file.name for file in folder.rglob("*.*")) == sorted(
        ["decay.yaml", "model.xml"]
        + [f"{name}.tsv" for name in ("conditions", "measurements", "observables", "parameters")]
    )
    assert list((cache / "recipes").iterdir()) == [folder]


def test_an_upload_travels(tmp_path, cache):
    path = write_decay(tmp_path)
    bundle = open_bundle({file.name: file.read_bytes() for file in path.parent.glob("*.*")})
    objective = AmiciObjective(bundle.problem)
    rebuilt = pickle.loads(pickle.dumps(objective))
    assert cache / "recipes" in rebuilt.problem.source.parents
    assert rebuilt.problem.problem_id == bundle.problem.problem_id
    assert_equal(rebuilt, objective, objective.problem.nominal_theta)


def test_files_that_changed_are_not_sent(tmp_path):
    problem_folder = tmp_path / "problem"
    objective = decay(problem_folder)
    table = problem_folder / "measurements.tsv"
    table.write_text(table.read_text().replace("1.31", "1.41"))
    with pytest.raises(ProblemError, match=r"changed since it was opened.* Open the problem"):
        pickle.dumps(objective)
    table.unlink()
    with pytest.raises(ProblemError, match=r"measurements\.tsv, which is not there.*Put them back"):
        pickle.dumps(objective)


@pytest.mark.parametrize("damage", ["changed", "missing", "empty"])
def test_a_damaged_copy_is_written_again(tmp_path, cache, damage):
    objective = decay(tmp_path / "problem")
    recipe = objective.recipe().problem
    copy_of = recipe.open().source.parent
    if damage == "changed":
        (copy_of / "measurements.tsv").write_text("nothing")
    elif damage == "missing":
        (copy_of / "model.xml").unlink()
    else:
        for file in copy_of.iterdir():
            file.unlink()
    assert recipe.open().digest == objective.problem.digest
    assert [folder.name for folder in (cache / "recipes").iterdir()] == [recipe.digest]


def test_copies_are_kept_in_bounded_number(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("amijax.problems.recipe._KEPT", 2)
    from amijax.problems.recipe import ProblemRecipe

    recipes = [
        ProblemRecipe.of(load_problem(write_decay(tmp_path / str(i), nominal=0.5 + 0.1 * i)))
        for i in range(4)
    ]
    for recipe in recipes:
        recipe.open()
    kept = {folder.name for folder in (cache / "recipes").iterdir()}
    assert len(kept) == 2
    assert recipes[-1].digest in kept


def test_a_cache_folder_that_can_t_be_written_gets_a_sentence(boehm, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    recipe = boehm.recipe().problem
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ProblemError, match="Name another cache folder in AMIJAX_CACHE_DIR"):
        recipe.open()


def test_a_process_prepares_a_problem_once(boehm, cache, monkeypatch):
    assert cache
    prepared = []
    original = ProblemRecipe.open
    monkeypatch.setattr(
        ProblemRecipe, "open", lambda recipe: prepared.append(recipe) or original(recipe)
    )
    data = [
        pickle.dumps(boehm.with_solver(SolverSettings(rtol=rtol))) for rtol in (1e-8, 1e-9, 1e-10)
    ]
    with ThreadPoolExecutor(6) as pool:
        rebuilt = list(pool.map(pickle.loads, data * 2))
    assert len(prepared) == 1
    assert [objective.solver.rtol for objective in rebuilt] == [1e-8, 1e-9, 1e-10] * 2


def test_a_preparation_that_failed_is_tried_again(boehm, cache, monkeypatch):
    assert cache
    data = pickle.dumps(boehm)
    (cache / "file").write_text("no folder")
    with monkeypatch.context() as broken:
        broken.setenv("AMIJAX_CACHE_DIR", str(cache / "file"))
        with pytest.raises(ProblemError, match="can't be written"):
            pickle.loads(data)
    assert_equal(pickle.loads(data), boehm, boehm.problem.nominal_theta)


def test_copies_in_memory_work_as_well(boehm):
    assert_equal(copy.deepcopy(boehm), boehm, boehm.problem.nominal_theta)


def test_a_pool_of_processes_takes_objectives(conversion):
    thetas = conversion.problem.nominal_theta + np.linspace(-0.1, 0.1, 4)[:, None]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(conversion.llh_and_gradient, thetas))
    for (llh, gradient), theta in zip(found, thetas, strict=True):
        expected = conversion.llh_and_gradient(theta)
        assert llh == expected[0]
        np.testing.assert_array_equal(gradient, expected[1])


def test_a_switched_off_repair_travels_along(objective_of):
    """A pool's or cluster's workers must compute the same wrong numbers, not right ones."""
    repaired = objective_of("Constant_Ligand")
    unrepaired = AmiciObjective(load_problem("Constant_Ligand", repair=False))
    theta = unrepaired.problem.nominal_theta
    elsewhere = pickle.loads(pickle.dumps(unrepaired))
    assert not elsewhere.problem.repair
    assert elsewhere.model.key == unrepaired.model.key != repaired.model.key
    gradients = [o.llh_and_gradient(theta)[1] for o in (elsewhere, unrepaired, repaired)]
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert gradients[0][2] == 0 != gradients[2][2]
