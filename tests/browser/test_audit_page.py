"""The audit in a real browser: the first page's line, and the page entry by entry."""

import pytest

from pages import change_scheme, no_traceback, table, until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(server, conversion):  # noqa: ARG001 - compiled beforehand
    return server


def test_the_first_page_s_line_leads_to_every_entry_in_both_themes(server, new_page):
    page = new_page(server + "/?problem=Conversion_Reaction", "dark")
    line = page.locator(".st-key-audit_line")
    line.get_by_text("llh confirmed by").wait_for()
    line.get_by_role("link", name="Entry by entry").click()
    until(page, lambda: "k1" in table(page, "audit_table_grid"))
    rows = table(page, "audit_table_grid")
    assert {row["verdict"] for row in rows.values()} == {"right"}
    for scheme in ("dark", "light"):
        change_scheme(page, scheme)
        page.locator(".st-key-audit_chart .main-svg").first.wait_for()
        no_traceback(page)
