"""Some dozens of random steps through all pages; `robot.py` goes on for longer by hand."""

import os

import pytest

pytestmark = pytest.mark.browser

SECONDS = float(os.environ.get("AMIJAX_ROBOT_SECONDS", "45"))
SEED = int(os.environ.get("AMIJAX_ROBOT_SEED", "0"))


def test_random_steps_break_nothing(server, new_page, objective_of):
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    from robot import PROBLEMS, Robot

    for problem in PROBLEMS:
        objective_of(problem)  # compiled beforehand
    robot = Robot(new_page, server, SEED)
    robot.run(SECONDS)
    assert robot.compared
