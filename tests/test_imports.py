"""Who may import whom: read from all modules, and measured in fresh interpreters."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "amijax"

# Folders and top-level modules, from the lowest layer up: each may import what is in its own layer
# or a lower one, without circles. Imports in functions count, and so do those for types only. What
# `amijax` itself loads on first use is above all.
LAYERS = (
    (
        "_version", "background", "bit_patterns", "cores", "differences", "digit_stack", "digits",
        "fair_queue", "files", "json_values", "logs", "paths", "precisions", "processes", "scales",
        "versions", "host_objective", "host_calls", "host_measurements", "html_tables",
        "notebook_html",
    ),
    ("problems",),
    ("models",),
    ("simulation",),
    ("objective", "measured_objective"),
    (
        "jax_setup", "jax_internals", "scaling", "jax_theta", "jax_derivatives", "jax_objective",
        "jax_simulator", "jax_prior", "jax_bounds",
        "cluster",
        "diagnosis",
    ),
    ("comparison", "headline", "result_store"),
    ("audit",),
    ("tuning",),
    ("auto",),
    ("precision", "whatif", "checks", "sharing"),
    ("lesson", "fit", "identifiability"),
    ("figures",),
    ("cli", "ui"),
    ("__main__",),
    ("amijax",),
)  # fmt: skip

# Those that may import less than their layer: JAX's side, for example, is handed its objective.
ONLY = {
    "scaling": {"scales"},
    "host_objective": {"scales"},
    "host_calls": {"scales"},
    "host_measurements": {"scales"},
    "jax_prior": {"problems", "scales", "scaling", "jax_theta"},
    "jax_bounds": {"problems", "scales"},
    "jax_simulator": {
        "scales",
        "scaling",
        "jax_internals",
        "jax_theta",
        "jax_derivatives",
        "host_calls",
        "host_measurements",
    },
    "jax_theta": set(),
    "jax_derivatives": {"scales", "jax_internals"},
    "jax_objective": {
        "scales",
        "scaling",
        "jax_internals",
        "jax_theta",
        "jax_derivatives",
        "host_objective",
        "host_calls",
    },
    "jax_internals": set(),
    "jax_setup": set(),
    "cli": {*sum(LAYERS[:13], ()), "cli"},  # no pages
    "__main__": {"cli"},
}

# What a public class does by what is built on it: imported on first use, inside a function.
# `AmiciObjective(problem, digits=4)` asks for a search, which evaluates objectives.
LATE = {("amijax.objective", "amijax.tuning.found")}

# Where a foreign package is imported, inside functions as well. What nothing from `objective`
# down may import is not among theirs.
HOMES = {
    "streamlit": ("ui",),
    "plotly": ("figures",),
    "distributed": ("cluster",),
    "dask": ("cluster",),
    "jax": (
        "jax_setup",
        "jax_internals",
        "scaling",
        "jax_theta",
        "jax_derivatives",
        "jax_objective",
        "jax_simulator",
        "jax_prior",
        "jax_bounds",
        "precision",
        "audit",
    ),
    "jaxlib": (),
    "click": ("cli",),
    "amici": ("models", "simulation", "whatif", "audit"),  # ... whose witness is its JAX export
    "diffrax": ("audit",),
    "optimistix": ("audit",),
    "libsbml": ("problems", "models", "audit"),
    "roadrunner": ("audit",),
    "requests": ("problems",),
    "pooch": ("problems",),
    "fides": ("fit",),
    "pypesto": ("fit",),
    "h5py": ("fit",),
}

# Modules named `*_internals` alone name what a foreign library does not promise, and
# `test_internals.py` has the contracts: private names, and these in spite of their names.
INTERNAL_MODULES = ("jax.experimental", "amici.sim.sundials.amici")
INTERNAL_ATTRIBUTES = ("this", "thisown", "dlclose", "from_address")
INTERNAL_EXPRESSIONS = ("sundials.amici",)  # the generated module behind the public one
# Public in spite of the underscore: their documentation has them.
DOCUMENTED = ("_replace", "_asdict", "_fields", "_make", "_exit")

# Folder or module -> the heavy packages that importing it may load; the longest match counts.
HEAVY = (
    "jax",
    "streamlit",
    "plotly",
    "amici",
    "petab",
    "distributed",
    "diffrax",
    "equinox",
    "fides",
    "pypesto",
    "h5py",
)
_ENGINE = ("amici", "petab")
_BOTH = (*_ENGINE, "jax")
MAY_LOAD = {
    "amijax": (),
    "amijax.auto": _ENGINE,
    "amijax.diagnosis": _ENGINE,
    "amijax.measured_objective": _ENGINE,
    "amijax.objective": _ENGINE,
    "amijax.comparison": _BOTH,
    "amijax.headline": _BOTH,
    "amijax.result_store": _ENGINE,
    "amijax.audit": _ENGINE,
    "amijax.fit": _ENGINE,
    "amijax.identifiability": _ENGINE,
    "amijax.tuning": _ENGINE,
    "amijax.audit.function": _BOTH,
    "amijax.audit.jax_export": _BOTH,
    "amijax.audit.jax_export_internals": (),  # nothing before it is needed
    "amijax.audit.jax_export_process": ("petab",),
    "amijax.audit.roadrunner": ("petab",),
    "amijax.audit.roadrunner_process": ("petab",),
    "amijax.scaling": ("jax",),
    "amijax.jax_internals": ("jax",),
    "amijax.jax_theta": ("jax",),
    "amijax.jax_derivatives": ("jax",),
    "amijax.jax_objective": ("jax",),
    "amijax.jax_simulator": ("jax",),
    "amijax.jax_prior": ("petab", "jax"),
    "amijax.jax_bounds": ("petab", "jax"),
    "amijax.jax_setup": ("jax",),
    "amijax.problems": ("petab",),
    "amijax.models": ("petab",),
    "amijax.models.amici_internals": (),  # compile workers start CMake before they load
    "amijax.models.build": (),
    "amijax.models.cache": (),
    "amijax.models.library": _ENGINE,
    "amijax.models.worker": (),
    "amijax.simulation": _ENGINE,
    "amijax.simulation.failures": (),
    "amijax.simulation.settings": (),
    "amijax.simulation.worker": (),  # as the worker that it goes on from
    "amijax.simulation.trial": ("amici",),  # people wait for its start
    "amijax.cluster.dispatch": (*_ENGINE, "distributed"),  # a scheduler imports `worker` only
    "amijax.cluster.tasks": ("distributed",),
    "amijax.precision": _BOTH,
    "amijax.whatif": _ENGINE,
    "amijax.whatif.prediction": _BOTH,
    "amijax.checks": _BOTH,
    "amijax.sharing": ("petab",),
    "amijax.sharing.exports": _BOTH,
    "amijax.lesson": _BOTH,
    "amijax.figures": (*_BOTH, "plotly"),
    "amijax.cli": ("petab",),  # a command that only lists waits for no engine
    "amijax.ui": (*_BOTH, "streamlit", "plotly"),
}

# What takes a second to import and is not needed before the parameter table is shown.
NOT_FOR_THE_TABLE = ("jax", "jaxlib", "amici", "xarray", "amijax.figures", "cattrs")
# What no first page needs, however far it gets.
NOT_FOR_THE_FIRST_PAGE = (
    "scipy.differentiate", "scipy.optimize", "scipy.stats", "significantdigits", "distributed",
    "matplotlib", "seaborn", "petab.v1.visualize", "plotly.express", "requests", "pooch",
    "jax.experimental.sparse", "amijax.checks.check", "amijax.sharing.script",
    "amijax.sharing.exports",
)  # fmt: skip


class Import(NamedTuple):
    """A name that a module imports, with the module that has it in front."""

    module: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.name}"


def trees() -> dict[str, ast.Module]:
    """All modules of the package, and its stub, which names what loads on first use."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py*")):
        if path.suffix in (".py", ".pyi"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            found[name] = ast.Module([*found[name].body, *tree.body]) if name in found else tree
    return found


TREES = trees()


def imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    """All imports, those in functions and those for types included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            # The only relative imports are the stub's.
            base = ".".join(filter(None, ("amijax" if node.level else "", node.module)))
            for alias in node.names:
                yield Import(module, node.lineno, f"{base}.{alias.name}")


IMPORTS = [each for module, tree in TREES.items() for each in imports_of(module, tree)]


def target(name: str) -> str:
    """The module of the package that has an imported name, or is it."""
    while name not in TREES:
        name = name.rpartition(".")[0]
    return name


EVERY_OWN = [(each, target(each.name)) for each in IMPORTS if each.name.split(".")[0] == "amijax"]
OWN = [(each, module) for each, module in EVERY_OWN if (each.module, module) not in LATE]


def room(module: str) -> str:
    """The folder or top-level module."""
    return module.split(".")[1] if "." in module else module


def circle(edges: list[tuple[str, str]]) -> list[str]:
    """A circle of a directed graph, empty without one."""
    graph: dict[str, set[str]] = defaultdict(set)
    for one, other in edges:
        if one != other:
            graph[one].add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_no_circle_of_modules():
    assert circle([(each.module, module) for each, module in OWN]) == []


def test_no_circle_of_folders():
    assert circle([(room(each.module), room(module)) for each, module in OWN]) == []


def test_a_circle_is_found():
    assert circle([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])
    assert room("amijax") == "amijax"
    assert room("amijax.objective") == "objective"
    assert room("amijax.models.worker") == "models"


def test_each_folder_and_module_has_its_layer():
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == sorted({room(module) for module in TREES})


def test_imports_go_down_the_layers():
    layer = {name: i for i, names in enumerate(LAYERS) for name in names}
    wrong = []
    for each, module in OWN:
        one, other = room(each.module), room(module)
        allowed = other in ONLY[one] if one in ONLY else layer[other] <= layer[one]
        if one != other and not allowed:
            wrong.append(str(each))
    assert wrong == []


def test_what_is_imported_late_is_imported_inside_functions():
    found = {(each.module, module) for each, module in EVERY_OWN} - {
        (each.module, module) for each, module in OWN
    }
    assert found == LATE
    for module, late in LATE:
        at_import = [n for n in TREES[module].body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {each.name for each in imports_of(module, ast.Module(at_import, []))}
        assert not any(name.startswith(late) for name in names)


def test_pages_import_the_ui_only():
    for path in (ROOT / "app.py", *(ROOT / "pages").glob("*.py")):
        for each in imports_of(path.name, ast.parse(path.read_text(encoding="utf-8"))):
            assert each.name.startswith(("streamlit", "amijax.ui.")), each


@pytest.mark.parametrize("package", HOMES)
def test_a_foreign_package_stays_in_its_places(package):
    found = [each for each in IMPORTS if each.name.split(".")[0] == package]
    assert [str(each) for each in found if room(each.module) not in HOMES[package]] == []


def has_internals(module: str) -> bool:
    return module.endswith("_internals")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_foreign_internals_are_imported_in_one_place():
    wrong = [
        str(each)
        for each in IMPORTS
        if not has_internals(each.module)
        and each.name.split(".")[0] not in ("amijax", "__future__")
        and (
            any(map(is_private, each.name.split(".")))
            or any(f"{each.name}.".startswith(f"{name}.") for name in INTERNAL_MODULES)
        )
    ]
    assert wrong == []


def own_names(tree: ast.Module) -> set[str]:
    """Names that a module defines, at any depth."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def known_names(module: str) -> set[str]:
    """Names that a module or one that it imports defines: those of its base classes, too."""
    imported = {other for each, other in OWN if each.module == module}
    return set().union(*(own_names(TREES[name]) for name in {module, *imported}))


def internals_in(tree: ast.Module, own: set[str]) -> Iterator[ast.Attribute]:
    """Attributes that are private and not among our own, or are known to be internals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (
            (is_private(node.attr) and node.attr not in own and node.attr not in DOCUMENTED)
            or node.attr in INTERNAL_ATTRIBUTES
            or ast.unparse(node) in INTERNAL_EXPRESSIONS
        ):
            yield node


def test_foreign_internals_are_used_in_one_place():
    wrong = [
        f"{module}:{node.lineno} uses .{node.attr}"
        for module, tree in TREES.items()
        if not has_internals(module)
        for node in internals_in(tree, known_names(module))
    ]
    assert wrong == []


def test_our_modules_keep_their_private_names():
    wrong = [
        str(each)
        for each, module in OWN
        if each.name != module and is_private(each.name.rpartition(".")[2])
    ]
    assert wrong == []


def test_internals_are_seen():
    lines = ("os._exit(0)", "self._a = x.this", "self._a._b", "library._handle", "y._replace(z=1)")
    tree = ast.parse("\n".join(lines))
    seen = [node.attr for node in internals_in(tree, own_names(tree))]
    assert seen == ["this", "_b", "_handle"]
    tree = ast.parse("sundials.amici.x")
    assert [node.attr for node in internals_in(tree, set())] == ["amici"]


def allowed(module: str) -> tuple[str, ...]:
    while module not in MAY_LOAD:
        module = module.rpartition(".")[0]
    return MAY_LOAD[module]


# Modules that may load the same are imported in one fresh interpreter.
_GROUPS: dict[tuple[str, ...], list[str]] = defaultdict(list)
for _module in TREES:
    if _module != "amijax.__main__":  # it runs the command line
        _GROUPS[tuple(sorted(allowed(_module)))].append(_module)


@pytest.mark.parametrize("may_load", _GROUPS, ids=lambda names: "+".join(names) or "nothing heavy")
def test_a_module_loads_no_more_than_it_may(may_load):
    for optional in {"distributed", "streamlit", "plotly"} & set(may_load):
        pytest.importorskip(optional, reason=f"{optional} is not installed")
    code = (
        "import importlib, json, sys\n"
        "loaded = {}\n"
        f"for module in {_GROUPS[may_load]}:\n"
        "    importlib.import_module(module)\n"
        f"    for name in {HEAVY}:\n"
        "        if name in sys.modules:\n"
        "            loaded.setdefault(name, module)\n"
        "print(json.dumps(loaded))"
    )
    first_by = json.loads(in_fresh_interpreter(code))
    assert {name: module for name, module in first_by.items() if name not in may_load} == {}


def test_each_rule_is_needed():
    for name in MAY_LOAD:
        assert name in TREES, name
        assert name == "amijax" or MAY_LOAD[name] != allowed(name.rpartition(".")[0]), name


def test_public_names_load():
    import amijax

    for name in amijax.__all__:
        assert getattr(amijax, name) is not None


def test_the_first_table_waits_for_no_engine():
    code = (
        "import sys\n"
        "from amijax.ui import compile_panel, links, page, parameters\n"
        f"print(*(n for n in {NOT_FOR_THE_TABLE} if n in sys.modules))"
    )
    assert in_fresh_interpreter(code).split() == []


def test_the_first_page_loads_nothing_that_only_others_need(boehm):  # noqa: ARG001
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "page = AppTest.from_file('app.py', default_timeout=120).run()\n"
        "assert not page.exception, page.exception\n"
        "assert len(page.get('plotly_chart')) > 0\n"
        f"print(*(n for n in {NOT_FOR_THE_FIRST_PAGE} if n in sys.modules))"
    )
    assert in_fresh_interpreter(code).split() == []


def in_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout
