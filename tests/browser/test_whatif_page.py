"""The what-if page in a real browser: slider, zoom, snapshot, link, script, both themes."""

import json
import subprocess
import sys

import pytest
from script_models import script_model_folder

from pages import change_scheme, idle, no_traceback, rerun, until

pytestmark = pytest.mark.browser

CHART = ".st-key-trajectories_chart"
BOEHM = "Boehm_JProteomeRes2014"
# Whether the page hears of a zoom by now: `relayout` in amijax/ui/zoom.py.
LISTENS = """chart => document.querySelector(`${chart} .js-plotly-plot`)
  ?._ev?.listeners('plotly_relayout').some((listener) => listener.name === 'relayout')"""


@pytest.fixture(scope="module")
def server(server, boehm):  # noqa: ARG001 - compiled beforehand
    return server


def llh(page):
    return page.locator("[data-testid='stMetricValue']").first.inner_text()


def ready(page):
    page.locator(f"{CHART} .main-svg").first.wait_for()
    idle(page)


def move_slider(page, parameter, share, problem=BOEHM):
    """Click on a slider at a share of its length; wait until llh has changed."""
    before = llh(page)
    track = page.locator(f".st-key-slider_{problem}_{parameter} [role=group] > div").first
    box = track.bounding_box()
    place = {"x": share * box["width"], "y": box["height"] / 2}
    rerun(page, lambda: track.click(position=place))
    until(page, lambda: llh(page) != before)


def show(page, view):
    choice = page.locator(".st-key-whatif_view").get_by_text(view, exact=True)
    rerun(page, choice.click)


def test_a_slider_moves_llh_and_keeps_the_zoom(server, new_page):
    page = new_page(f"{server}/whatif")
    ready(page)
    ticks = f"{CHART} .xtick text"
    whole = page.locator(ticks).all_text_contents()
    page.wait_for_function(LISTENS, arg=CHART)
    box = page.locator(f"{CHART} .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 160, steps=5)
    rerun(page, page.mouse.up)
    zoomed = page.locator(ticks).all_text_contents()
    assert zoomed != whole
    move_slider(page, "k_phos", 0.89)
    page.get_by_text("has left the linear range").wait_for()
    until(page, lambda: page.locator(ticks).all_text_contents() == zoomed)
    no_traceback(page)


def test_a_link_opened_elsewhere_shows_the_same_numbers(server, new_page):
    page = new_page(f"{server}/whatif?x64=false&rtol=1e-9")
    ready(page)
    move_slider(page, "k_phos", 0.91)
    page.locator(".st-key-link_popover button").click()
    address = page.locator(".st-key-link code").inner_text()
    assert address.startswith(f"{server}/whatif?")
    assert "k_phos:" in address
    other = new_page(address.strip())
    ready(other)
    assert llh(other) == llh(page)
    assert "1e-09" in other.locator(".st-key-solver").inner_html()
    assert other.locator(".st-key-x64 input").is_checked() is False
    no_traceback(other)


def test_snapshots_are_compared_and_returned_to(server, new_page):
    page = new_page(f"{server}/whatif")
    ready(page)
    show(page, "Snapshots")
    start = llh(page)
    name = page.locator(".st-key-snapshot_name input")
    name.fill("start")
    rerun(page, lambda: name.press("Enter"))
    rerun(page, page.get_by_role("button", name="Keep this state").click)
    page.locator(".st-key-snapshot_return button").wait_for()
    move_slider(page, "k_phos", 0.9)
    rerun(page, page.get_by_role("button", name="Keep this state").click)
    page.get_by_text("Compare two").wait_for()
    page.locator(".st-key-snapshots_chart .main-svg").first.wait_for()
    rerun(page, page.get_by_role("button", name="Return to it").click)
    until(page, lambda: llh(page) == start)
    no_traceback(page)


def test_the_exported_script_runs_by_itself(server, new_page, conversion, tmp_path):
    page = new_page(f"{server}/whatif?problem=Conversion_Reaction")
    ready(page)
    move_slider(page, "k1", 0.4, "Conversion_Reaction")
    show(page, "Export")
    path, state = tmp_path / "exported.py", tmp_path / "state.json"
    for key, target in (("export_script", path), ("export_json", state)):
        with page.expect_download() as download:
            page.locator(f".st-key-{key} button").click()
        download.value.save_as(target)
    done = subprocess.run(
        [sys.executable, "-I", path, "--model", script_model_folder(conversion)],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True,
    )  # fmt: skip
    exported = json.loads(state.read_text())
    assert exported["theta"][0] != exported["linear"][0]
    expected = {"llh": exported["amici"]["llh"]}
    expected |= dict(zip(exported["parameters"], exported["amici"]["gradient"], strict=True))
    printed = {
        row[0]: row[1:3] for line in done.stdout.splitlines() if len(row := line.split()) > 3
    }
    for name, value in expected.items():
        for text in printed[name]:  # of AMICI and of JAX
            assert float(text) == pytest.approx(value, rel=1e-9)


def test_every_view_in_both_themes(server, new_page):
    page = new_page(f"{server}/whatif", "dark")
    ready(page)
    move_slider(page, "k_phos", 0.91)
    for view, chart in (
        ("Prediction", "prediction_chart"),
        ("Slices", "slices_chart"),
        ("Shares of llh", "residuals_chart"),
        ("Trajectories", "trajectories_chart"),
    ):
        show(page, view)
        for scheme in ("dark", "light"):
            change_scheme(page, scheme)
            page.locator(f".st-key-{chart} .main-svg").first.wait_for()
            no_traceback(page)


def test_a_malformed_link_is_a_sentence(server, new_page):
    page = new_page(f"{server}/whatif?theta=k_phos:1e999,%3Cscript%3E")
    ready(page)
    page.get_by_text("All parameters are at their nominal values").first.wait_for()
    no_traceback(page)
