"""A bit is flipped by a click, and the point moves to the last bit."""

import re
from urllib.parse import unquote

import pytest

from amijax.auto import settle
from amijax.bit_patterns import flip_bit
from amijax.comparison import compare_precisions
from amijax.precision import study_precision
from amijax.simulation.settings import SolverChoice
from amijax.ui.digit_view import most_different
from pages import becomes, idle, no_traceback, resize, until

pytestmark = pytest.mark.browser

WIDTHS = (360, 768, 1440, 2560)
# Boxes that reach beyond the window, or whose digit does not fit.
CUT = """() => [...document.querySelectorAll(".st-key-bits_of_parameter *")]
  .map((e) => e.shadowRoot).filter((r) => r)
  .flatMap((r) => [...r.querySelectorAll("[data-bit]")])
  .filter((e) => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.dataset.bit)"""


@pytest.fixture(scope="module")
def server(server, conversion):
    theta = conversion.problem.nominal_theta
    study_precision(settle(conversion, theta, SolverChoice()).objective, theta)
    return server


def test_a_bit_is_flipped(server, new_page, conversion):
    problem = conversion.problem
    name = most_different(compare_precisions(conversion, problem.nominal_theta))
    page = new_page(f"{server}/precision?problem={problem.problem_id}")
    page.locator(".st-key-bits_of_parameter summary").click()
    theta = float(problem.nominal_theta[problem.parameter_ids.index(name)])
    for position in (20, 63):  # a bit that float32 keeps, and the last one, which it loses
        box = page.locator(f"[data-bit='float64-{position}']")
        box.evaluate("box => { box.isKept = true; }")
        box.click()
        theta = flip_bit(theta, position)
        until(page, lambda theta=theta: theta_of(page, name) == theta)
        # A box that is replaced while it is pressed would miss the click.
        assert box.evaluate("box => box.isKept")
    idle(page)
    press_while_the_page_moves(page, page.locator("[data-bit='float64-63']"))
    theta = flip_bit(theta, 63)
    until(page, lambda: theta_of(page, name) == theta)
    idle(page)
    becomes(page, page.locator("[data-bit]").count, 64 + 32)
    for width in WIDTHS:
        resize(page, width)
        becomes(page, lambda: page.evaluate(CUT), [], width)
    no_traceback(page)


def press_while_the_page_moves(page, box):
    """Press on a box, have something appear above it, and release."""
    box.scroll_into_view_if_needed()
    place = box.bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.locator(".st-key-bits_of_parameter").evaluate("e => { e.style.marginTop = '90px'; }")
    until(page, lambda: box.bounding_box()["y"] > place["y"] + 50)
    page.mouse.up()


def theta_of(page, name):
    """The parameter's value that the page's address names."""
    found = re.search(rf"{name}:([^,~&]+)", unquote(page.url))
    return float(found[1]) if found else None
