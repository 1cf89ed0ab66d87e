"""The page of uncertainty in a real browser: curvature, then profiles that outlive a reload."""

import pytest

from pages import no_traceback

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(start_server, conversion):  # noqa: ARG001 - compiled beforehand
    return start_server()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_profiles_go_on_over_a_reload(server, new_page, scheme):
    page = new_page(server + "/uncertainty?problem=Conversion_Reaction", scheme)
    page.get_by_role("button", name="Curvature", exact=True).click()
    page.locator(".st-key-uncertainty_spectrum_chart .main-svg").first.wait_for()
    no_traceback(page)
    page.get_by_text("Parameters and optimiser").click()
    parameters = page.locator(".st-key-uncertainty_more input[role=combobox]").first
    parameters.fill("k1")
    parameters.press("Enter")
    page.locator(".st-key-uncertainty_more").get_by_text("k1", exact=True).wait_for()
    page.get_by_role("button", name="Profiles", exact=True).click()
    shown = page.locator(".st-key-uncertainty_profiles_chart .main-svg")
    page.get_by_role("button", name="Cancel").or_(shown).first.wait_for()
    page.reload()
    shown.first.wait_for()
    no_traceback(page)
    page.get_by_text("identifiable").first.wait_for()
    page.get_by_role("button", name="Make the optimum the current point").click()
    page.get_by_role("link", name="What if").click()
    page.get_by_text("llh now").wait_for()
    no_traceback(page)
