"""The cache of compiled models: what decides about the key, damage, loading, what is refused."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from petab_files import RATE, tiny_problem

from amijax.models import cache as model_cache
from amijax.models import source as model_source
from amijax.models.lookup import DamagedModelError, find_model, get_model, model_key
from amijax.problems import ProblemError

EXPLOIT = 'x"[system("touch {}")*0] == 0 ? "a" : "b'


@pytest.fixture
def copied_cache(tmp_path, monkeypatch):
    """A problem and its model in a cache of its own, copied from the tests' shared cache."""
    problem = tiny_problem(tmp_path / "problem")
    shared = get_model(problem)
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    shutil.copytree(shared.path, tmp_path / "cache" / "models" / shared.key)
    return problem


def in_fresh_process(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "problem" / "tiny.yaml")],
        capture_output=True, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_key_depends_on_content_and_versions_but_not_on_names(tmp_path, monkeypatch):
    key = model_key(tiny_problem(tmp_path / "a"))
    named = tiny_problem(tmp_path / "b", species_name="other", observable_name="other")
    assert model_key(named) == key
    assert model_key(tiny_problem(tmp_path / "c", observable="2*A")) != key
    monkeypatch.setattr(model_source, "version", lambda _: "0.0")
    assert model_key(tiny_problem(tmp_path / "d")) != key


def test_a_found_model_loads_fresh_instances_from_one_library(tmp_path):
    problem = tiny_problem(tmp_path)
    model = get_model(problem)
    assert find_model(problem) == model
    # A cache that outlives runs may hold models from before there were trials.
    assert {*model.seconds, "trial"} == {*model_cache.PHASES, "total"}
    first, second = model.load(), model.load()
    assert first is not second
    assert first.module is second.module
    own = model_source.model_source(problem).plan.own_ids
    assert [own[name] for name in first.get_free_parameter_ids()] == ["kd"]
    assert [own[name] for name in first.get_state_ids()] == ["A"]


def damage(problem, how: str) -> None:
    folder = find_model(problem).path
    if how == "truncated library":
        library = next(folder.glob("*.so"))
        os.truncate(library, library.stat().st_size // 2)
    elif how == "no manifest":
        (folder / "manifest.json").unlink()
    elif how == "manifest cut":
        os.truncate(folder / "manifest.json", 40)
    elif how == "missing file":
        next(folder.glob("*.so")).unlink()
    elif how == "altered file":
        file = next(folder.glob("*.so"))
        file.write_bytes(file.read_bytes().replace(b"AMICI", b"amici"))


@pytest.mark.parametrize(
    "how", ["truncated library", "no manifest", "manifest cut", "missing file", "altered file"]
)
def test_a_damaged_entry_counts_as_none(copied_cache, how):
    assert find_model(copied_cache) is not None
    damage(copied_cache, how)
    assert find_model(copied_cache) is None


def test_a_damaged_entry_is_rebuilt_and_loads_in_the_process_that_saw_it(copied_cache, tmp_path):
    damage(copied_cache, "truncated library")
    code = (
        "import sys, amijax.models.lookup as m, amijax.models.cache as c\n"
        "from amijax.problems import load_problem\n"
        "problem = load_problem(sys.argv[1]); key = m.model_key(problem)\n"
        "entry = c.CompiledModel(key, c.ModelFolders.of(key).entry, 'model.so', {})\n"
        "try: entry.load()\n"
        "except m.DamagedModelError: print('damaged')\n"
        "print(*m.get_model(problem).load().get_state_ids())\n"
    )
    out = in_fresh_process(code, tmp_path)
    assert out.startswith("damaged")
    assert out.splitlines()[-1] == "s_0"


def test_loading_a_damaged_entry_says_so(copied_cache):
    model = find_model(copied_cache)
    damage(copied_cache, "altered file")
    unloaded = model_cache.CompiledModel("other", model.path, model.library, {})
    with pytest.raises(DamagedModelError, match="Compile it again"):
        unloaded.load()


def test_a_name_that_is_code_is_never_run(tmp_path, monkeypatch):
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    marker = tmp_path / "marker"
    name = EXPLOIT.format(marker)
    problem = tiny_problem(
        tmp_path / "problem",
        species_name=name.replace('"', "&quot;"),
        observable_name=name.replace('"', "'"),
    )
    assert name in problem.petab_problem.model.sbml_model.getSpecies("A").getName()
    model = get_model(problem)
    model.load().get_state_names()
    assert not marker.exists()
    assert not any(b"system(" in file for file in model_source.model_source(problem).files.values())


@pytest.mark.parametrize(
    "text",
    [
        '<ci> A"[system("x")] </ci>',
        "<apply><ci> exec </ci><cn> 1 </cn></apply>",
        "<semantics><ci> A </ci></semantics>",
        '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time"> t"x '
        "</csymbol>",
    ],
)
def test_a_formula_that_is_code_is_refused(tmp_path, text):
    with pytest.raises(ProblemError, match=r"formula|valid SBML"):  # some on opening already
        get_model(tiny_problem(tmp_path, rate=text))


@pytest.mark.parametrize("column", ["observable", "noise"])
def test_a_table_formula_that_is_python_is_refused(tmp_path, column):
    marker = tmp_path / "marker"
    code = f"__import__('os').system('touch {marker}')"
    with pytest.raises(ProblemError):
        get_model(tiny_problem(tmp_path / "problem", **{column: code}))
    assert not marker.exists()


def test_ids_never_reach_the_generator(tmp_path):
    code = 'k"; system("x")'
    problem = tiny_problem(tmp_path)
    problem.petab_problem.parameter_df.index = [code]
    problem = replace(problem, parameter_ids=(code,))
    for file in model_source.model_source(problem).files.values():
        for word in (b"system", b"kd", b"obs_A", b"c0"):
            assert word not in file


def test_functions_of_the_model_are_expanded(tmp_path):
    function = (
        '<listOfFunctionDefinitions><functionDefinition id="exec">'
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><lambda><bvar><ci> x </ci></bvar>'
        "<ci> x </ci></lambda></math></functionDefinition></listOfFunctionDefinitions>"
    )
    rate = f"<apply><ci> exec </ci>{RATE}</apply>"
    problem = tiny_problem(tmp_path, functions=function, rate=rate)
    assert problem.petab_problem.model.sbml_model.getNumFunctionDefinitions() == 0
    assert b"exec" not in model_source.model_source(problem).files["model.xml"]
