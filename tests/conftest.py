"""Shared set-up: JAX's settings, a cache of compiled models, and what may be skipped."""

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
NEIGHBOUR = REPOSITORY.parent / "shared" / "benchmark-collection"
V2_CASES = "petab-v2-cases"  # beside the collection, if AMIJAX_V2_CASES names no other folder


def pytest_configure(config: pytest.Config) -> None:
    # Models compile in 10-20 s each: tests share a cache folder that outlives the run.
    cache = config.rootpath / ".pytest_cache" / "amijax"
    os.environ.setdefault("AMIJAX_CACHE_DIR", str(cache))
    if "AMIJAX_COLLECTION" not in os.environ and NEIGHBOUR.is_dir():
        os.environ["AMIJAX_COLLECTION"] = str(NEIGHBOUR)
    if not hasattr(config, "workerinput"):  # once, also where pytest-xdist starts several
        # What was computed in an earlier run would hide what the code does now.
        for kind in ("precision", "audits", "tuning", "fits"):
            shutil.rmtree(cache / kind, ignore_errors=True)
    from amijax.jax_setup import set_up_jax

    set_up_jax()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Turn skips into failures for the markers that AMIJAX_REQUIRE names (as CI does)."""
    outcome = yield
    report = outcome.get_result()
    required = set(os.environ.get("AMIJAX_REQUIRE", "").replace(",", " ").split())
    if report.skipped and not hasattr(report, "wasxfail"):
        markers = {marker.name for marker in item.iter_markers()}
        missing = required & ({"browser"} if "browser" in markers else markers)
        if missing:
            report.outcome = "failed"
            report.longrepr = f"skipped, but AMIJAX_REQUIRE asks for {', '.join(missing)}"


@pytest.fixture(scope="session")
def collection() -> Path:
    """The benchmark collection's folder of problems; skips where there is none."""
    from amijax.paths import collection_dir

    folder = collection_dir()
    if folder is None:
        pytest.skip("no benchmark collection: set AMIJAX_COLLECTION to its folder")
    return folder


@pytest.fixture(scope="session")
def v2_cases() -> Path:
    """The folder of cases of the PEtab test suite v2.0.0; skips where there is none."""
    from amijax.paths import collection_dir

    named, beside = os.environ.get("AMIJAX_V2_CASES"), collection_dir()
    for folder in () if named or beside is None else (beside.parent, beside.parent.parent):
        if (folder / V2_CASES).is_dir():
            named = str(folder / V2_CASES)
    if named is None:
        pytest.skip("no cases of the PEtab test suite: set AMIJAX_V2_CASES to their folder")
    return Path(named)


@pytest.fixture(scope="session")
def objective_of():
    """Function from a problem's id to its `AmiciObjective`, compiled once."""
    from functools import cache

    from amijax import AmiciObjective, load_problem

    return cache(lambda problem_id: AmiciObjective(load_problem(problem_id)))


@pytest.fixture(scope="session")
def boehm(objective_of):
    """The Boehm problem's objective."""
    return objective_of("Boehm_JProteomeRes2014")


@pytest.fixture(scope="session")
def conversion(objective_of):
    """The conversion reaction's objective."""
    return objective_of("Conversion_Reaction")
