"""The first page as a user meets it: fresh server, cold cache, real browser."""

import re
from urllib.parse import urlencode

import pytest

from amijax.sharing.links import State, link_query
from pages import (
    becomes,
    change_scheme,
    cut_numbers,
    drawn_texts,
    has_scheme,
    html_table,
    idle,
    no_traceback,
    nothing_is_cut,
    rerun,
    resize,
    type_value,
    until,
)

pytestmark = pytest.mark.browser

CHART = ".st-key-gradient_chart"
PARAMETERS = "[class*='st-key-parameters_']"


@pytest.fixture(scope="module")
def cold_server(start_server, tmp_path_factory):
    """A server whose cache has no model."""
    return start_server(AMIJAX_CACHE_DIR=str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def server(server, boehm):  # noqa: ARG001 - compiled beforehand
    return server


def gradient(page, parameter):
    """A row of the gradient table: column to the number behind it."""
    row = html_table(page, "gradient_table").get(parameter, {})
    return {name: cell["value"] and float(cell["value"]) for name, cell in row.items()}


def changed(page, parameter, before):
    row = gradient(page, parameter)
    return row if row and row != before else None


def test_results_leave_a_cell_that_is_being_edited_alone(cold_server, new_page):
    page = new_page(cold_server)
    page.get_by_text("Compiling Boehm_JProteomeRes2014").wait_for()
    page.reload()  # a reloaded page finds the running compile again
    page.get_by_text("Compiling Boehm_JProteomeRes2014").wait_for()
    page.locator(".amijax-summary_table").wait_for()

    grid = page.locator(f"{PARAMETERS} .dvn-scroller")
    place = grid.bounding_box()
    grid.dblclick(position={"x": 240, "y": 35 * 6.5})
    editor = page.locator("#portal textarea")
    editor.fill("4.1977")
    page.locator(CHART).wait_for()
    page.locator(".st-key-next_steps").wait_for()
    assert grid.bounding_box() == place
    assert editor.input_value() == "4.1977"
    rerun(page, lambda: editor.press("Enter"))
    until(page, lambda: gradient(page, "k_phos").get("theta") == 4.1977)
    no_traceback(page)


def test_a_newcomer_is_led_from_float32_to_float64(server, new_page):
    page = new_page(server)
    page.locator(CHART).wait_for()
    llh = until(page, lambda: html_table(page, "llh_table").get("llh"))
    assert llh["amici"]["text"].startswith("-138.22")
    before = until(page, lambda: gradient(page, "k_phos"))
    assert abs(before["rel_diff"]) > 1e-4  # a newcomer's address: float32
    page.get_by_text("In float32 the gradient entry of k_phos differs by").wait_for()

    page.get_by_role("button", name="Switch x64 on").click()
    row = until(page, lambda: changed(page, "k_phos", before))
    assert row["amici"] == before["amici"]
    assert row["rel_diff"] == 0
    until(page, lambda: "x64" not in page.url)  # an address without it means float64
    page.reload()  # the address says float64
    page.get_by_text("In float64 llh and gradient agree").wait_for()

    type_value(page, 5, "4")
    row = until(page, lambda: changed(page, "k_phos", row))
    assert row["theta"] == 4
    assert row["amici"] != before["amici"]
    assert "1 of 9 parameters differ" in page.locator("body").inner_text()
    no_traceback(page)


def test_cancel_and_compile_again(cold_server, new_page):
    page = new_page(cold_server + "/?problem=Conversion_Reaction")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("was cancelled").wait_for()
    type_value(page, 0, "-0.5")  # parameters can be edited without a model
    page.get_by_role("button", name="Compile").click()
    page.locator(CHART).wait_for()
    until(page, lambda: gradient(page, "k1").get("theta") == -0.5)
    no_traceback(page)


def test_an_unusable_value_gets_a_sentence_and_a_parameter_is_reset(server, new_page):
    page = new_page(server)
    page.locator(CHART).wait_for()
    before = until(page, lambda: gradient(page, "k_phos"))
    type_value(page, 5, "many")
    page.get_by_text("is not a number").wait_for()
    no_traceback(page)
    type_value(page, 5, "4")
    until(page, lambda: changed(page, "k_phos", before))
    page.locator(".st-key-nominal button").first.click()
    until(page, lambda: gradient(page, "k_phos") == before)


@pytest.mark.parametrize(
    ("address", "scheme", "other"),
    [
        ("/", "dark", "light"),
        ("/about", "light", "dark"),
        ("/glossary", "dark", "light"),
        ("/?x64=true", "light", "dark"),
    ],
)
def test_pages_open_cold_in_one_theme_and_follow_to_the_other(
    server, new_page, address, scheme, other
):
    page = new_page(server + address, scheme)
    page.locator(".st-key-problem").wait_for()
    if "about" in address:
        page.get_by_text("About amijax").wait_for()
    elif "glossary" in address:
        page.get_by_text("log-likelihood").first.wait_for()
    else:
        page.locator(CHART).wait_for()
    has_scheme(page, scheme)
    change_scheme(page, other)
    no_traceback(page)


@pytest.mark.collection
def test_113_parameters_are_readable(server, new_page, collection):  # noqa: ARG001
    from amijax import get_model, load_problem

    get_model(load_problem("Bachmann_MSB2011"))
    page = new_page(server + "/?problem=Bachmann_MSB2011&sensitivities=forward")
    page.locator(f"{CHART} .annotation").first.wait_for()
    becomes(page, page.locator(f"{CHART} .annotation").count, 113)
    nothing_is_cut(page)
    until(page, lambda: rows_part_by(page, "CISEqc") < 20)
    page.locator(".st-key-order").get_by_role("combobox").click()
    page.get_by_role("option", name="relative difference").click()
    first = until(page, lambda: first_row(page) != "CISEqc" and first_row(page))
    until(page, lambda: rows_part_by(page, first) < 20)
    no_traceback(page)


def first_row(page):
    """The parameter at the top of the gradient table."""
    return next(iter(html_table(page, "gradient_table")), None)


def rows_part_by(page, parameter):
    """Pixels between the first rows of chart and details; many if they are not the parameter's."""
    name = page.locator(f"{CHART} .annotation").first
    row = page.locator(".amijax-details tbody tr").first
    if parameter not in name.text_content() or parameter not in row.text_content():
        return 1000
    chart, details = name.bounding_box(), row.bounding_box()
    return abs(chart["y"] - details["y"])


WIDER_THAN_WINDOW = "document.querySelector('[data-testid=stMain]').scrollWidth > innerWidth"
WIDTHS = (360, 390, 500, 640, 768, 853, 960, 1024, 1280, 1440, 1920, 2560)  # 853: 1280 at 150 %


def test_no_number_is_cut_at_any_width(server, new_page, boehm):
    problem = boehm.problem
    theta = problem.theta_from({"sd_pSTAT5A_rel": -4.123456789012345, "k_phos": -4.87654321})
    llh = boehm.llh_and_gradient(theta)[0]
    assert llh < -1e8  # a large one
    query = link_query(State(problem.problem_id, theta, "float32"), problem)
    page = new_page(f"{server}/?{urlencode(query)}")
    page.locator(CHART).wait_for()
    page.locator(".st-key-digits_entry").get_by_role("combobox").click()
    rerun(page, page.get_by_role("option", name="llh", exact=True).click)
    for width in WIDTHS:
        resize(page, width)
        nothing_is_cut(page, width)
        becomes(page, lambda: page.evaluate(WIDER_THAN_WINDOW), False, width)
        shown = page.locator(".amijax-digits [data-title='AMICI'] .digits")
        assert float(shown.get_attribute("title")) == llh
        text = re.sub(r"\s", "", shown.text_content()).replace("−", "-")
        mantissa, _, power = text.partition("×10")
        assert float(f"{mantissa}e{power or 0}") == llh  # all 17 digits, at every width
    hovered = html_table(page, "llh_table")["llh"]["amici"]
    assert float(hovered["value"]) == llh
    resize(page, 1280)
    until(page, lambda: {"-4.1234568", "-4.8765432"} <= drawn_texts(page))
    resize(page, 250)  # narrower than any telephone: here the test has to see what it looks for
    until(page, lambda: "-4.1234568" in cut_numbers(page))


MATTERS = (
    ".st-key-next_steps",
    ".amijax-summary_table table",
    f"{PARAMETERS} canvas",
    ".amijax-details table",
    f"{CHART} .barlayer",
)


def test_a_laptop_shows_what_matters_without_scrolling(server, new_page):
    page = new_page(server)
    page.locator(f"{CHART} .annotation").first.wait_for()
    idle(page)  # what is said while the rest is computed takes place, too
    resize(page, 1280, 800)

    def outside():
        boxes = {selector: page.locator(selector).first.bounding_box() for selector in MATTERS}
        return {
            selector: box
            for selector, box in boxes.items()
            if box["x"] < 300 or box["x"] + box["width"] > 1280 or box["y"] + box["height"] > 800
        }

    becomes(page, outside, {})
    no_traceback(page)


def test_the_problem_of_an_address_stays_on_other_pages(server, new_page):
    page = new_page(server + "/about?problem=Conversion_Reaction")
    page.get_by_text("About amijax").wait_for()
    page.get_by_role("link", name="What if").click()
    page.get_by_text("What if: Conversion_Reaction").wait_for()
    no_traceback(page)


def test_a_hostile_address_is_the_default(server, new_page):
    page = new_page(server + "/?problem=<script>alert(1)</script>&x64=perhaps")
    page.locator(CHART).wait_for()
    no_traceback(page)
    assert "Boehm_JProteomeRes2014" in page.locator("body").inner_text()
