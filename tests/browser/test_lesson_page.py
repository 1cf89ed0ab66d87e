"""The lesson in a real browser: by keyboard from first step to last, and on a projector."""

import pytest

from amijax.lesson import STEPS
from amijax.problems import list_problems
from pages import change_scheme, idle, no_traceback, nothing_is_cut, resize, until

pytestmark = pytest.mark.browser

HEADING = ".st-key-lesson h4"
SIZES = ((1280, 720), (1920, 1080))


@pytest.fixture(scope="module")
def server(server, objective_of):
    for info in list_problems():
        if info.source == "embedded":
            objective_of(info.problem_id)
    return server


def at_step(page, step):
    """Wait until a step is drawn with its question, and asks for the prediction."""
    page.locator(HEADING, has_text=f"{step.number} · ").first.wait_for()
    page.locator(".st-key-lesson_show button").wait_for()
    idle(page)


def give_up(page):
    """Ask for the answer without a prediction, and wait until all of it is drawn."""
    page.locator(".st-key-lesson_show button").click()
    page.locator(".st-key-lesson_claim").wait_for()
    idle(page)


def test_from_first_to_last_by_keyboard_with_nothing_cut_in_both_themes(server, new_page):
    page = new_page(f"{server}/lesson?step=1&projector=true", "dark")
    for step in STEPS:
        at_step(page, step)
        assert not page.locator("[data-testid='stSidebar']").is_visible()
        assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") > 20
        give_up(page)
        for scheme, (width, height) in zip(("dark", "light"), SIZES, strict=True):
            change_scheme(page, scheme)
            resize(page, width, height)
            nothing_is_cut(page, width)
            wide = "document.querySelector('[data-testid=stMain]')"
            page.wait_for_function(f"{wide}.scrollWidth <= {wide}.clientWidth")
        no_traceback(page)
        page.keyboard.press("ArrowRight")
    assert f"step={len(STEPS)}" in page.url
    page.keyboard.press("ArrowLeft")
    page.locator(HEADING, has_text=f"{len(STEPS) - 1} · ").first.wait_for()
    page.keyboard.press("p")
    page.locator("[data-testid='stSidebar']").wait_for()
    until(page, lambda: "projector" not in page.url)


def test_a_number_key_predicts_and_the_next_step_begins_at_its_top(server, new_page):
    page = new_page(f"{server}/lesson?step=1")
    at_step(page, STEPS[0])
    page.keyboard.press("2")
    page.locator(".st-key-lesson_claim").wait_for()
    idle(page)
    main = "document.querySelector('[data-testid=stMain]')"
    page.evaluate(f"{main}.scrollTo(0, 600)")
    page.keyboard.press("ArrowRight")
    at_step(page, STEPS[1])
    until(page, lambda: page.evaluate(f"{main}.scrollTop") == 0)


def test_keys_in_a_field_are_the_field_s(server, new_page):
    page = new_page(f"{server}/lesson?step=4")
    at_step(page, STEPS[3])
    field = page.get_by_label("Value", exact=True)
    field.fill("3.5")
    for key in ("ArrowLeft", "ArrowRight", "Home", "ArrowRight", "ArrowRight", "1", "p"):
        field.press(key)
    assert field.input_value() == "3.1p5"
    field.press("Enter")
    page.get_by_text("is not a number").wait_for()
    idle(page)
    assert page.locator(HEADING).first.inner_text().startswith("4 · ")
    assert page.locator(".st-key-lesson_claim").count() == 0
    assert "projector" not in page.url


def test_the_lesson_is_in_the_navigation_and_comes_back_with_the_browser_s_back(server, new_page):
    page = new_page(server)
    page.get_by_role("link", name="Lesson").click()
    at_step(page, STEPS[0])
    page.locator(".st-key-lesson_step_6 button").first.click()
    at_step(page, STEPS[5])
    page.go_back()
    at_step(page, STEPS[0])
    page.reload()
    at_step(page, STEPS[0])
    no_traceback(page)


def test_step_4_leads_to_precision_and_step_9_to_what_if(server, new_page):
    page = new_page(f"{server}/lesson?step=9")
    at_step(page, STEPS[8])
    page.get_by_role("link", name="This step, with its prediction").click()
    page.get_by_text("Foretold by the gradient").first.wait_for()
    assert "theta=" in page.url
    page.goto(f"{server}/lesson?step=4")
    at_step(page, STEPS[3])
    page.get_by_role("link", name="Curvature foretells every entry").click()
    page.get_by_text("E · Curvature").wait_for()
    no_traceback(page)
