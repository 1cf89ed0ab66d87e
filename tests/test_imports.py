"""Who may import whom, each module in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "amijax"
HEAVY = ("jax", "streamlit", "plotly", "amici", "petab", "distributed")

# Module -> the heavy packages that it may load. Only ui loads streamlit, only figures plotly;
# nothing from objective downwards loads JAX; JAX's side needs no AMICI and no PEtab.
ALLOWED = {
    "amijax": (),
    "amijax.scales": (),
    "amijax.paths": (),
    "amijax.logs": (),
    "amijax.simulation.failures": (),
    "amijax.problems": ("petab",),
    "amijax.problems.points": ("petab",),
    "amijax.problems.bundle": ("petab",),
    "amijax.problems.priors": ("petab",),
    "amijax.models.lookup": ("petab", "amici"),
    "amijax.models.compilation": ("petab", "amici"),
    "amijax.objective": ("petab", "amici"),
    "amijax.whatif.noise_model": ("petab",),
    "amijax.whatif.trajectories": ("petab", "amici"),
    "amijax.whatif.slices": ("petab", "amici"),
    "amijax.whatif.prediction": ("petab", "amici", "jax"),
    "amijax.sharing.snapshots": ("petab",),
    "amijax.sharing.links": ("petab",),
    "amijax.sharing.script": ("petab",),
    "amijax.cli.script": ("petab",),
    "amijax.sharing.exports": ("petab", "amici", "jax"),
    "amijax.scaling": ("jax",),
    "amijax.jax_objective": ("jax",),
    "amijax.comparison": ("petab", "amici", "jax"),
    "amijax.cli.main": ("petab",),
    "amijax.simulation.evaluation": ("petab", "amici"),
    "amijax.simulation.batch": ("petab", "amici"),
    "amijax.simulation.run": ("amici",),
    "amijax.cluster.client": (),
    "amijax.cluster.worker": (),
    "amijax.cluster.dispatch": ("petab", "amici", "distributed"),
    "amijax.precision": ("petab", "amici", "jax"),
    "amijax.precision.jobs": ("petab", "amici", "jax"),
    "amijax.precision.float32": ("petab", "amici", "jax"),
    "amijax.figures": ("petab", "amici", "jax", "plotly"),
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


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_loads_no_more_than_it_may(module):
    if "distributed" in ALLOWED[module]:
        pytest.importorskip("distributed", reason="Dask is not installed (tests/requirements.txt)")
    code = f"import sys, {module}; print(*(n for n in {HEAVY} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert set(done.stdout.split()) <= set(ALLOWED[module])


def test_streamlit_and_plotly_stay_in_their_places():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        inside_ui = PACKAGE / "ui" in path.parents
        assert inside_ui or "import streamlit" not in text, path
        assert path.parent.name == "figures" or "plotly.graph_objects" not in text, path


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
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert done.stdout.split() == []


def test_the_first_page_loads_nothing_that_only_others_need(boehm):  # noqa: ARG001
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "page = AppTest.from_file('app.py', default_timeout=120).run()\n"
        "assert not page.exception, page.exception\n"
        "assert len(page.metric) > 0\n"
        f"print(*(n for n in {NOT_FOR_THE_FIRST_PAGE} if n in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
