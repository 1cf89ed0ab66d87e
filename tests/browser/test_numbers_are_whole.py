"""No number on What if, Precision and Audit is cut, whatever the window's width and zoom."""

import pytest

from amijax.audit.jobs import audited, stored_audit
from amijax.auto import settle
from amijax.precision import study_precision
from amijax.simulation.settings import SolverChoice
from pages import (
    becomes,
    click_row,
    drawn_texts,
    no_traceback,
    nothing_is_cut,
    rerun,
    resize,
    until,
)

pytestmark = pytest.mark.browser

PROBLEM = "Conversion_Reaction"
# The width in CSS pixels; the last is a window of 1280 pixels at a zoom of 150 %.
WIDTHS = (360, 768, 1024, 1440, 2560, 853)

HIDDEN = """(selector) => [...document.querySelectorAll(selector)]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map((e) => e.textContent)"""
WIDE_ENOUGH = """() => {
  const plot = document.querySelector(".st-key-trajectories_chart .main-svg");
  return plot && plot.getBoundingClientRect().width >= 600;
}"""


@pytest.fixture(scope="module")
def server(server, conversion):
    theta = conversion.problem.nominal_theta
    objective = settle(conversion, theta, SolverChoice()).objective
    study_precision(objective, theta)
    stored_audit(objective, theta) or audited(objective, theta)
    return server


def whole_at_every_width(page, tables=()):
    """Check every figure and every number of the tables at all widths."""
    shown = set()
    for width in WIDTHS:
        resize(page, width)
        for table in tables:
            page.locator(f".st-key-{table}").scroll_into_view_if_needed()
        nothing_is_cut(page, width, sideways=True)
        shown |= {text for text in drawn_texts(page) if text[-1].isdigit()}
        for table in tables:  # where the grid has no room, its rows are cards
            grid, cards = page.locator(f".st-key-{table}_grid"), page.locator(f".amijax-{table}")
            until(page, lambda grid=grid, cards=cards: grid.is_visible() != cards.is_visible())
    assert shown or not tables  # there were numbers to look at


def what_if_is_usable_on_a_phone(page):
    """Chips and views are all seen, panels keep their width, the figures stay in view."""
    page.set_viewport_size({"width": 390, "height": 700})
    page.wait_for_function(WIDE_ENOUGH)
    for kind in (
        "[data-testid='stMultiSelectTagsContainer']",
        ".st-key-whatif_view [role='radiogroup']",
    ):
        becomes(page, lambda kind=kind: page.evaluate(HIDDEN, kind), [])
    page.locator(".st-key-trajectories_chart_html").scroll_into_view_if_needed()
    figures = page.locator(".st-key-stays_in_view")
    until(page, lambda: 0 <= figures.bounding_box()["y"] < 100)


def test_what_if(server, new_page):
    page = new_page(f"{server}/whatif?problem={PROBLEM}&theta=k1:1e-9")
    page.locator(".st-key-trajectories_chart .main-svg").first.wait_for()
    what_if_is_usable_on_a_phone(page)
    rerun(page, page.locator(".st-key-whatif_view").get_by_text("Shares of llh").click)
    page.locator(".amijax-shares_observable").first.wait_for()
    whole_at_every_width(page, ["shares_observable", "shares_condition"])
    no_traceback(page)


def test_precision(server, new_page):
    page = new_page(f"{server}/precision?problem={PROBLEM}")
    page.locator(".st-key-story").wait_for()
    whole_at_every_width(page, ["verdict_table"])
    no_traceback(page)


def test_problems(server, new_page):
    """Chosen problems' numbers are in the grid where there is room, and else cards."""
    page = new_page(f"{server}/collection")
    wide, narrow = (f".st-key-problems_table_{kind}" for kind in ("wide", "narrow"))
    chosen = page.get_by_role("button", name="Check the chosen (1)")
    page.locator(f"{wide} canvas").first.wait_for()
    rerun(page, lambda: click_row(page, wide, 0, 16))
    chosen.wait_for()
    for width in WIDTHS:
        resize(page, width)
        nothing_is_cut(page, width, sideways=True)
        cards = page.locator(".amijax-chosen_problems td[data-label=llh]")
        becomes(page, cards.is_visible, width < 1200, width)
    resize(page, 360)
    page.locator(f"{narrow} canvas").first.wait_for()
    rerun(page, lambda: click_row(page, narrow, 0, 16))  # not any more
    chosen.wait_for(state="hidden")
    no_traceback(page)


def test_audit(server, new_page):
    page = new_page(f"{server}/audit?problem={PROBLEM}")
    page.locator(".st-key-audit_table canvas").first.wait_for()
    whole_at_every_width(page, ["audit_table"])
    no_traceback(page)
