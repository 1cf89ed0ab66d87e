"""No number on What if, Precision and Audit is cut, whatever the window's width and zoom."""

import pytest

from amijax.audit.jobs import audited
from amijax.auto import settle
from amijax.precision import study_precision
from amijax.simulation.settings import SolverChoice
from pages import idle, no_traceback, rerun

pytestmark = pytest.mark.browser

PROBLEM = "Conversion_Reaction"
# The width in CSS pixels; the last is a window of 1280 pixels at a zoom of 150 %.
WIDTHS = (360, 768, 1024, 1440, 2560, 853)

# Data grids are drawn on a canvas, each cell clipped: remember every text with the room it had.
RECORD = """
window.amijaxDrawn = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
const rect = CanvasRenderingContext2D.prototype.rect;
CanvasRenderingContext2D.prototype.rect = function (x, y, w, h) {
  this.amijaxRoom = [x, x + w];
  return rect.call(this, x, y, w, h);
};
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, most) {
  const width = this.measureText(text).width;
  const left = { right: x - width, end: x - width, center: x - width / 2 }[this.textAlign] ?? x;
  window.amijaxDrawn.push([text, left, left + width, ...(this.amijaxRoom ?? [-1e9, 1e9])]);
  return draw.call(this, text, x, y);
};
"""
NUMBER = r"^[-+−]?(\d|\.)[\d.,]*(e[-+]?\d+)?$"

CUT_FIGURES = """() => [...document.querySelectorAll("[data-testid='stMetricValue'] *")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden')
  .map((e) => e.textContent)"""
OFF_SCREEN = """() => [...document.querySelectorAll("[data-testid='stMetricValue']")]
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map((e) => e.textContent)"""
HIDDEN = """(selector) => [...document.querySelectorAll(selector)]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map((e) => e.textContent)"""
WIDE_ENOUGH = """() => {
  const plot = document.querySelector(".st-key-trajectories_chart .main-svg");
  return plot && plot.getBoundingClientRect().width >= 600;
}"""
# Two frames: what is laid out anew in the first is drawn by the second.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
DRAWN = """(pattern) => window.amijaxDrawn.filter(([text]) => new RegExp(pattern).test(text))"""


@pytest.fixture(scope="module")
def server(start_server, conversion):
    theta = conversion.problem.nominal_theta
    objective = settle(conversion, theta, SolverChoice()).objective
    study_precision(objective, theta)
    audited(objective, theta)
    return start_server()


def whole_at_every_width(page, tables=()):
    """Check every figure and every number of the tables at all widths."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("w => document.documentElement.clientWidth <= w", arg=width)
        page.evaluate(FRAMES)
        assert page.evaluate(CUT_FIGURES) == [], width
        assert page.evaluate(OFF_SCREEN) == [], width
        for table in tables:
            page.locator(f".st-key-{table}").scroll_into_view_if_needed()
            page.evaluate(FRAMES)
        cut = [row for row in page.evaluate(DRAWN, NUMBER) if is_cut(*row[1:])]
        assert not cut, (width, cut)
    assert len(page.evaluate(DRAWN, NUMBER)) > 10


def is_cut(left, right, room_left, room_right):
    """Whether a drawn text reaches beyond its cell."""
    return left < room_left - 1 or right > room_right + 1


def opened(new_page, address):
    page = new_page(address, init_script=RECORD)
    idle(page)
    return page


def what_if_is_usable_on_a_phone(page):
    """Chips and views are all seen, panels keep their width, the figures stay in view."""
    page.set_viewport_size({"width": 390, "height": 700})
    page.wait_for_function(WIDE_ENOUGH)
    assert page.evaluate(HIDDEN, "[data-testid='stMultiSelectTagsContainer']") == []
    assert page.evaluate(HIDDEN, ".st-key-whatif_view [role='radiogroup']") == []
    page.locator(".st-key-trajectories_chart_html").scroll_into_view_if_needed()
    top = page.locator(".st-key-stays_in_view").bounding_box()["y"]
    assert 0 <= top < 100


def test_what_if(server, new_page):
    page = opened(new_page, f"{server}/whatif?problem={PROBLEM}&theta=k1:1e-9")
    page.locator(".st-key-trajectories_chart .main-svg").first.wait_for()
    what_if_is_usable_on_a_phone(page)
    rerun(page, page.locator(".st-key-whatif_view").get_by_text("Shares of llh").click)
    page.locator(".st-key-shares_observable canvas").first.wait_for()
    whole_at_every_width(page, ["shares_observable", "shares_condition"])
    no_traceback(page)


def test_precision(server, new_page):
    page = opened(new_page, f"{server}/precision?problem={PROBLEM}")
    page.locator(".st-key-story").wait_for()
    whole_at_every_width(page, ["verdict_table"])
    no_traceback(page)


def test_audit(server, new_page):
    page = opened(new_page, f"{server}/audit?problem={PROBLEM}")
    page.locator(".st-key-audit_table canvas").first.wait_for()
    whole_at_every_width(page, ["audit_table"])
    no_traceback(page)
