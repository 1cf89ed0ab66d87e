"""The precision page in a real browser: the verdict, the first page's warning, both themes."""

import os
import re
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from amijax.audit.jobs import audited, stored_audit
from amijax.auto import settle
from amijax.paths import collection_dir
from amijax.precision import study_precision
from amijax.precision.pieces import PIECE_NAMES
from amijax.result_store import ResultStore
from amijax.sharing.links import State, link_address
from amijax.simulation.settings import SolverChoice
from pages import change_scheme, idle, no_traceback, resize

pytestmark = pytest.mark.browser

STORY = ".st-key-story"


def study_here(objective):
    """Study the nominal point as a page does, which finds the pieces in the cache folder then.

    The page itself studies at low priority: on a busy machine hardly ever.
    """
    theta = objective.problem.nominal_theta
    study_precision(settle(objective, theta, SolverChoice()).objective, theta)


@pytest.fixture(scope="module")
def misleading(objective_of):
    """A problem and the verdict that must be read: Crauste's or, without the collection, ours."""
    found = "Robertson_Stiff", "float32 input", "7 of 7 gradient entries"
    if collection_dir() is not None:
        found = "Crauste_CellSystems2017", "the solver's tolerance", "12 of 12 gradient entries"
    study_here(objective_of(found[0]))
    return found


@pytest.fixture(scope="module")
def server(server, misleading):  # noqa: ARG001 - compiled beforehand
    return server


def test_the_verdict_can_be_read_at_a_glance(server, new_page, misleading):
    problem, limit, entries = misleading
    page = new_page(f"{server}/precision?problem={problem}")
    page.locator(STORY).wait_for()
    idle(page)
    metric = page.locator("[data-testid='stMetric']").last.inner_text()
    assert limit in metric
    assert entries in metric
    resize(page, 2560)  # the sentences stand to the right of the numbers
    table = page.locator(".st-key-verdict_table")
    table.scroll_into_view_if_needed()  # a grid that is out of sight has no cells
    table.locator("table[role='grid'] td").first.wait_for(state="attached")
    cells = table.locator("table[role='grid'] td").all_text_contents()
    assert cells.count(limit) >= int(entries.split()[0])
    if "Crauste" in problem:
        page.get_by_text("AMICI and float64 JAX agree in 15.9 digits").wait_for()
        # How wrong depends on the solver's steps, which the compiler's version changes.
        times = re.findall(r"float64 itself is off by (\d+) times its size", " ".join(cells))
        assert len(times) == 12
        assert all(20 < int(factor) < 100 for factor in times)
    no_traceback(page)


def test_the_first_page_leads_there(server, new_page, misleading, objective_of):
    problem, *_ = misleading
    theta = objective_of(problem).problem.nominal_theta
    objective = settle(objective_of(problem), theta, SolverChoice()).objective
    stored_audit(objective, theta) or audited(objective, theta)  # the page finds it
    page = new_page(f"{server}/?problem={problem}")
    if "Crauste" in problem:
        page.get_by_text("12 of 12 gradient entries are wrong").wait_for()
    else:
        page.get_by_text("llh confirmed by libRoadRunner").wait_for()
    page.get_by_role("link", name="Precision").click()
    page.locator(STORY).wait_for()
    assert problem in page.locator("body").inner_text()
    no_traceback(page)


def test_panels_react_in_both_themes(server, new_page, misleading):
    problem, *_ = misleading
    page = new_page(f"{server}/precision?problem={problem}", "dark")
    page.locator(STORY).wait_for()
    for scheme in ("dark", "light"):
        change_scheme(page, scheme)
        for chart in ("budget", "digits", "bits", "tolerances", "curvature"):
            page.locator(f".st-key-{chart}_chart .main-svg").first.wait_for()
        no_traceback(page)
    # The study comes from the disk with the page: no run of the script replaces what is clicked.
    idle(page)
    page.get_by_text("all up to a stage").click()
    page.locator(".st-key-budget_chart").get_by_text("… to transform").first.wait_for()
    idle(page)
    page.locator(".st-key-x64 label").first.click()
    page.locator(".st-key-digits_chart").get_by_text("float32 is confirmed").first.wait_for()
    no_traceback(page)


def test_a_study_can_be_cancelled_and_resumed(server, new_page, conversion, tmp_path):
    problem, elsewhere = conversion.problem, conversion.problem.nominal_theta + 0.125
    objective = settle(conversion, elsewhere, SolverChoice()).objective
    study_precision(objective, elsewhere)
    positions = np.arange(problem.n_parameters)
    kept = ResultStore.of("precision", objective, elsewhere, positions).folder
    aside = shutil.move(kept, tmp_path / "study")  # so that there is no study at this point
    state = State(problem.problem_id, elsewhere, page="precision")
    with held_after_its_first_piece(kept):
        page = new_page(link_address(server, state, problem))
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancelling").wait_for()
    page.get_by_text("The study was cancelled").wait_for()
    shutil.copytree(aside, kept, dirs_exist_ok=True)
    page.get_by_role("button", name="Go on").click()
    page.locator(STORY).wait_for()
    page.get_by_text("E · Curvature").wait_for()
    no_traceback(page)


@contextmanager
def held_after_its_first_piece(folder):
    """Have the study that is kept in a folder wait at its second piece, as on a slow disk.

    It takes about a second otherwise, and would be done before a slow browser presses a button.
    """
    second = folder / f"{PIECE_NAMES[1]}.json"
    folder.mkdir(parents=True)
    os.mkfifo(second)  # who reads it waits for one who writes
    writer = os.open(second, os.O_RDWR)  # opens whether somebody waits or not
    try:
        yield
    finally:
        second.unlink()
        os.close(writer)  # the reader finds nothing, and the study computes the piece
