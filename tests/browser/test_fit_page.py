"""The fit page in a real browser: a fit that outlives a reload, and what is made of it."""

import pytest

from pages import change_scheme, no_traceback

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(server, conversion):  # noqa: ARG001 - compiled beforehand
    return server


def test_a_fit_goes_on_over_a_reload_and_becomes_the_current_point(server, new_page):
    page = new_page(server + "/fit?problem=Conversion_Reaction", "dark")
    starts = page.locator(".st-key-fit_starts input")
    starts.fill("2")
    starts.press("Enter")
    page.get_by_role("button", name="Fit", exact=True).click()
    running = page.get_by_text("starts are over")
    running.or_(page.get_by_text("best llh", exact=True)).first.wait_for()
    page.reload()
    page.locator(".st-key-fit_waterfall_chart .main-svg").first.wait_for()
    page.get_by_text("48.59").first.wait_for()
    no_traceback(page)
    page.get_by_role("radio", name="Points").or_(page.get_by_role("button", name="Points")).click()
    for scheme in ("dark", "light"):
        change_scheme(page, scheme)
        page.locator(".st-key-fit_points_chart .main-svg").first.wait_for()
        no_traceback(page)
    page.get_by_role("button", name="Make this the current point").click()
    page.get_by_text("of the fit is the current point").wait_for()
    page.get_by_role("link", name="What if").click()
    page.get_by_text("llh now").wait_for()
    no_traceback(page)
