"""The page of all problems: a check that survives leaving, and an upload, in a real browser."""

import pytest

from amijax.checks.check import known_results
from amijax.problems import list_problems
from pages import click_row, idle, rerun, until

pytestmark = pytest.mark.browser

TABLE = ".st-key-problems_table_wide"


@pytest.fixture(scope="module")
def server(server, conversion):  # noqa: ARG001 - compiled beforehand
    return server


def test_a_check_goes_on_while_other_pages_are_visited(server, new_page):
    page = new_page(server + "/collection")
    before = known_results().get("Conversion_Reaction")
    page.locator(f"{TABLE} td").first.wait_for(state="attached")
    idle(page)
    row = [info.problem_id for info in list_problems()].index("Conversion_Reaction")
    rerun(page, lambda: click_row(page, TABLE, row, 16))
    page.get_by_role("button", name="Check the chosen (1)").click()
    page.get_by_text("Checking Conversion_Reaction").wait_for()
    page.get_by_role("link", name="About").click()
    page.get_by_text("About amijax").wait_for()
    until(page, lambda: known_results().get("Conversion_Reaction") != before)
    page.get_by_role("link", name="Problems").click()
    page.get_by_text("The latest run checked 1").wait_for()
    assert page.locator("[data-testid='stException']").count() == 0


def test_a_hostile_upload_is_refused_with_a_sentence(server, new_page, tmp_path):
    yaml = tmp_path / "problem.yaml"
    yaml.write_text(
        "format_version: 1\nparameter_file: ../../etc/passwd\nproblems:\n"
        "- condition_files: [c.tsv]\n  measurement_files: [m.tsv]\n"
        "  observable_files: [o.tsv]\n  sbml_files: [m.xml]\n"
    )
    page = new_page(server + "/collection")
    page.locator(".st-key-upload input").set_input_files([str(yaml)])
    page.get_by_text("Not opened.").wait_for()
    assert page.locator("[data-testid='stException']").count() == 0
