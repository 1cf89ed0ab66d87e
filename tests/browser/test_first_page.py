"""The first page as a user meets it: fresh server, cold cache, real browser."""

import re

import pytest

from pages import edit_cell, no_traceback, table, until

pytestmark = pytest.mark.browser

CHART = ".st-key-gradient_chart"
PARAMETERS = "[class*='st-key-parameters_']"


@pytest.fixture(scope="module")
def cold_server(start_server, tmp_path_factory):
    """A server whose cache has no model."""
    return start_server(AMIJAX_CACHE_DIR=str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def server(start_server, boehm):  # noqa: ARG001 - the model is in the cache of the tests
    """A server that finds the tests' compiled models."""
    return start_server()


def type_value(page, row, text):
    """Type into the value column of the parameter table's row (0 is the first)."""
    edit_cell(page, PARAMETERS, 2, row, text)


def test_compile_edit_toggle(cold_server, new_page):
    page = new_page(cold_server)
    page.get_by_text("Compiling Boehm_JProteomeRes2014").wait_for()
    page.reload()  # a reloaded page finds the running compile again
    page.get_by_text("Compiling Boehm_JProteomeRes2014").wait_for()
    page.locator(CHART).wait_for()
    no_traceback(page)
    llh = until(page, lambda: table(page, "llh_table").get("llh"))
    assert llh["amici"].startswith("-138.22")
    before = until(page, lambda: table(page, "gradient_table").get("k_phos"))
    assert float(before["rel_diff"]) == 0

    page.locator(".st-key-x64 label").first.click()
    row = until(page, lambda: changed(page, "k_phos", before))
    assert row["amici"] == before["amici"]
    assert abs(float(row["rel_diff"])) > 1e-4
    assert "float32" in page.locator("[data-testid='stMetric']").all_inner_texts()[1]

    type_value(page, 5, "4")
    row = until(page, lambda: changed(page, "k_phos", row))
    assert float(row["theta"]) == 4
    assert row["amici"] != before["amici"]
    assert "1 of 9 parameters differ" in page.locator("body").inner_text()
    no_traceback(page)


def test_cancel_and_compile_again(start_server, tmp_path, new_page):
    page = new_page(start_server(AMIJAX_CACHE_DIR=str(tmp_path)) + "/?problem=Conversion_Reaction")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("was cancelled").wait_for()
    type_value(page, 0, "-0.5")  # parameters can be edited without a model
    page.get_by_role("button", name="Compile").click()
    page.locator(CHART).wait_for()
    until(page, lambda: table(page, "gradient_table").get("k1", {}).get("theta") == "-0.5")
    no_traceback(page)


def changed(page, parameter, before):
    row = table(page, "gradient_table").get(parameter)
    return row if row and row != before else None


def test_an_unusable_value_gets_a_sentence(server, new_page):
    page = new_page(server)
    page.locator(CHART).wait_for()
    type_value(page, 5, "many")
    page.get_by_text("is not a number").wait_for()
    no_traceback(page)


def test_reset_of_one_parameter(server, new_page):
    page = new_page(server)
    page.locator(CHART).wait_for()
    before = until(page, lambda: table(page, "gradient_table").get("k_phos"))
    type_value(page, 5, "4")
    until(page, lambda: changed(page, "k_phos", before))
    page.locator(".st-key-nominal button").first.click()
    until(page, lambda: table(page, "gradient_table").get("k_phos") == before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/", "/about", "/?x64=false"])
def test_pages_open_cold_in_both_themes(server, new_page, scheme, address):
    page = new_page(server + address, scheme)
    page.locator(".st-key-problem").wait_for()
    if "about" in address:
        page.get_by_text("About amijax").wait_for()
    else:
        page.locator(CHART).wait_for()
    no_traceback(page)
    colour = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
    assert brightness > 600 if scheme == "light" else brightness < 150


@pytest.mark.collection
def test_113_parameters_are_readable(server, new_page, collection):  # noqa: ARG001
    from amijax import get_model, load_problem

    get_model(load_problem("Bachmann_MSB2011"))
    page = new_page(server + "/?problem=Bachmann_MSB2011&sensitivities=forward")
    page.locator(CHART).wait_for()
    no_traceback(page)
    until(page, lambda: page.locator(f"{CHART} .ytick").count() == 113)


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
