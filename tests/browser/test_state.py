"""State in a real browser: all pages in turn, reload, back and forward, an upload."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from amijax.ui.page import PAGES as PAGE_LINKS
from pages import html_table, idle, no_traceback, rerun, type_value, until

pytestmark = pytest.mark.browser

EMBEDDED = Path(__file__).parents[2] / "amijax" / "problems" / "embedded"
CHART = ".st-key-gradient_chart"
PAGES = {
    "AMICI against JAX": "Values", "What if": "What if: ", "Precision": "Where the digits go: ",
    "Problems": "Your own problem",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(server, conversion):  # noqa: ARG001 - compiled beforehand
    return server


def state(page):
    """What the sidebar and the address say."""
    idle(page)
    query = {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}
    return {
        "problem": page.locator(".st-key-problem input").first.input_value(),
        "x64": page.locator(".st-key-x64 input").is_checked(),
        "rtol": page.locator(".st-key-rtol input").input_value(),
        **{f"address {key}": query.get(key) for key in ("problem", "theta", "x64", "rtol")},
    }


def settled(page, expected):
    """Wait until sidebar and address say what they should."""
    until(page, lambda: state(page) == expected or None)


def go(page, link):
    """Follow a link of the sidebar."""
    page.get_by_role("link", name=link, exact=True).click()
    page.get_by_text(PAGES[link]).first.wait_for()


def open_solver(page):
    if not page.locator(".st-key-rtol input").is_visible():
        page.locator(".st-key-solver summary").first.click()
        page.locator(".st-key-rtol input").wait_for()


def theta_of(page, parameter="k1"):
    """A parameter in the gradient table, as the number that is shown."""
    row = until(page, lambda: html_table(page, "gradient_table").get(parameter))
    return row["theta"]["text"]


def test_nothing_is_lost_on_other_pages_nor_by_a_reload(server, new_page):
    """More orders of pages are in tests/test_state.py, without a browser."""
    page = new_page(server)  # a newcomer's address: float32
    rerun(page, lambda: pick(page, "Conversion_Reaction"))
    open_solver(page)
    rtol = page.locator(".st-key-rtol input")
    rtol.fill("1e-09")
    rerun(page, lambda: rtol.press("Enter"))
    page.locator(CHART).first.wait_for()
    type_value(page, 0, "-0.5")
    until(page, lambda: "theta=k1" in page.url)
    expected = state(page)
    assert expected["problem"] == expected["address problem"] == "Conversion_Reaction"
    assert expected["address theta"].startswith("k1:-0.5~")
    assert (expected["x64"], expected["rtol"]) == (False, "1e-09")
    for link in ("What if", "Problems", "Precision"):
        go(page, link)
        settled(page, expected)
        no_traceback(page)
    page.reload()
    settled(page, expected)
    go(page, "AMICI against JAX")
    assert float(theta_of(page)) == -0.5


def test_how_a_page_is_looked_at_is_kept_on_the_others(server, new_page):
    page = new_page(server + "/?problem=Conversion_Reaction")
    page.locator(CHART).first.wait_for()
    # The last thing that is drawn above the switch, which was once pressed while the page moved.
    page.locator(".st-key-audit_line").get_by_text("llh confirmed by").wait_for()
    switch = page.locator(".st-key-notebook_convention")
    rerun(page, switch.locator("label").first.click)
    go(page, "What if")
    view = page.locator(".st-key-whatif_view")
    rerun(page, view.get_by_text("Slices").click)
    go(page, "Problems")
    name = page.locator(".st-key-filter input")
    name.fill("event")
    rerun(page, lambda: name.press("Enter"))
    go(page, "AMICI against JAX")
    page.locator(CHART).first.wait_for()
    assert switch.locator("input").is_checked()
    go(page, "What if")
    until(page, lambda: view.locator("[aria-checked=true]").all_inner_texts() == ["Slices"])
    go(page, "Problems")
    until(page, lambda: name.input_value() == "event")
    no_traceback(page)


def pick(page, problem):
    page.locator(".st-key-problem input").click()
    page.get_by_role("option", name=problem).click()


def test_back_undoes_an_edit_and_forward_redoes_it(server, new_page):
    page = new_page(server + "/?problem=Conversion_Reaction")
    page.locator(CHART).first.wait_for()
    nominal = theta_of(page)
    type_value(page, 0, "-0.5")
    until(page, lambda: "theta=k1%3A-0.5~" in page.url)
    type_value(page, 0, "-0.6")
    until(page, lambda: "theta=k1%3A-0.6~" in page.url)
    for step, theta in ((page.go_back, "-0.5"), (page.go_back, nominal),
                        (page.go_forward, "-0.5"), (page.go_forward, "-0.6")):  # fmt: skip
        step()
        until(page, lambda theta=theta: theta_of(page) == theta or None)
    no_traceback(page)


def test_an_upload_survives_a_reload(server, new_page):
    page = new_page(server + "/collection")
    files = [str(path) for path in sorted((EMBEDDED / "Conversion_Reaction").iterdir())]
    page.locator(".st-key-upload input").set_input_files(files)
    page.get_by_text("finds nothing to object to").wait_for()
    page.locator(".st-key-open_problem a").click()
    page.locator(CHART).get_by_text("background_B").first.wait_for()
    type_value(page, 0, "-0.5")
    until(page, lambda: "theta=k1" in page.url)
    before = state(page)
    assert "(upload " in before["problem"]
    page.reload()
    settled(page, before)
    assert float(theta_of(page)) == -0.5
    no_traceback(page)


def test_every_page_asks_no_other_host_and_has_its_own_icon(server, new_page):
    """That no other host is asked, `new_page` sees to."""
    page = new_page(f"{server}/about?problem=Conversion_Reaction")
    icon = page.locator("link[rel~='icon']").first
    sidebar = page.locator("[data-testid='stSidebar']")
    for _, label, _ in PAGE_LINKS:
        rerun(page, sidebar.get_by_role("link", name=label, exact=True).click)
        page.wait_for_function("title => document.title === title", arg=f"{label} · amijax")
        until(page, lambda: icon.get_attribute("href").startswith("data:image/svg+xml"))
    no_traceback(page)
