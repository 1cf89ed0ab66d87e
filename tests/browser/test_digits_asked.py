"""Digits asked for on the first page: a wrong gradient, a search, and the settings in use."""

import re
from shutil import rmtree

import pytest

from amijax.paths import cache_dir
from pages import idle, no_traceback, rerun, until

pytestmark = pytest.mark.browser

LINE, MEND = ".st-key-digits_and_cost", ".st-key-mend"
MODE = ".st-key-solver_mode"


@pytest.fixture(scope="module")
def server(server, objective_of):
    objective_of("Harvested_Stock")  # compiled beforehand
    rmtree(cache_dir() / "tuning", ignore_errors=True)  # searches of earlier runs
    return server


def test_a_wrong_gradient_gets_settings_that_mend_it(server, new_page):
    page = new_page(f"{server}/?problem=Harvested_Stock&x64=true")
    line, mend = page.locator(LINE), page.locator(MEND)
    line.get_by_text("These settings give 0.").wait_for()
    mend.get_by_role("button", name="Find settings with 4 digits").click()
    # Four digits can't be had: rounding theta alone costs more.
    promise = line.get_by_text("The settings found for 4 digits of the gradient")
    promise.wait_for()
    idle(page)
    confirmed, measured = map(
        float, re.findall(r"(\d\.\d)(?: digits|\))", promise.inner_text())[:2]
    )
    assert 0 < confirmed < measured < 4
    assert measured > 2
    until(page, lambda: re.search(r"[?&]rtol=[\d.]+e-1\d", page.url))
    page.locator(".st-key-audit_line").wait_for()
    page.locator(".st-key-solver summary").first.click()
    chosen = page.locator(f"{MODE} [aria-checked=true]")
    until(page, lambda: chosen.all_inner_texts() == ["digits of the gradient"])
    rerun(page, page.locator(MODE).get_by_text("AMICI's defaults").click)
    line.get_by_text("These settings give 0.").wait_for()
    until(page, lambda: "rtol=" not in page.url)
    use = mend.get_by_role("button", name="Use settings with")  # known now: one click
    use.wait_for()
    rerun(page, use.click)
    promise.wait_for()
    no_traceback(page)
