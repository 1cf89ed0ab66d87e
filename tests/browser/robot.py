"""A robot that clicks through all pages at random and looks whether the numbers are right.

By hand, for longer, against a server that runs and finds the same cache folder:
`python tests/browser/robot.py http://localhost:8501 --seconds 1800 --seed 7`
"""

import argparse
import math
import random
import sys
import time
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Error, sync_playwright

if __name__ == "__main__":  # else pytest's settings have these folders
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from amijax import AmiciObjective, load_problem
from amijax.auto import settle
from amijax.comparison import compare
from amijax.sharing.links import asks_for_no_repair, read_link
from pages import (
    PATIENCE_MS,
    RECORD_RUNS,
    html_table,
    idle,
    no_traceback,
    type_value,
)

PROBLEMS = (
    "Boehm_JProteomeRes2014", "Conversion_Reaction", "Robertson_Stiff", "Harvested_Stock",
    "Constant_Ligand", "Inhibited_Conversion", "Infused_Tracer",
)  # fmt: skip
LINKS = ("AMICI against JAX", "Lesson", "What if", "Precision", "Audit", "Problems", "About")
TEXTS = ("", "1e-9", "1e-6", "5", "200000", "abc", "-1", "99999999999999999999", "1.5", "nan")
VALUES = ("0", "-1", "0.5", "1.25", "4.2", "1e3", "abc", "", "-2.75")
# What may be clicked besides: not what opens a file dialog or takes minutes.
WIDGETS = "[data-testid='stMain'] :is(.stButton button, .stCheckbox label, .stRadio label, " \
    ".stButtonGroup button, .stExpander summary, .stTabs button)"  # fmt: skip
NEVER = ("Check ", "Audit all", "Ask AMICI", "Compute (")
TABLES = ("llh", "gradient")
SHOWN_DIGITS = 1e-4  # relative; the tables show six digits
SHORT = 5_000  # ms; what is gone by then was drawn anew, which is no mistake
TABS = 2


class Robot:
    """Does things in the tabs of a browser and looks at what comes of them."""

    def __init__(self, new_page, server, seed):
        """Open the first page.

        Args:
            new_page: function from an address to a page of a browser that shows it.
            server: address of the dashboard.
            seed: of the choices.
        """
        self.new_page, self.server = new_page, server
        self.random = random.Random(seed)
        self.seed = seed
        self.steps = []
        self.compared = 0
        self.pages = [new_page(f"{server}/?problem={self.random.choice(PROBLEMS)}")]
        self.page = self.pages[0]

    def run(self, seconds):
        """Go on for some time; fail with the seed and the steps that led to a mistake."""
        actions = [self.turn_page] * 4 + [self.click] * 6 + [self.edit] * 4 + [
            self.pick, self.toggle_precision, self.solver, self.reload, self.back, self.forward,
            self.other_tab, self.random_point,
        ]  # fmt: skip
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            action = self.random.choice(actions)
            try:
                try:
                    self.steps.append(action.__name__)
                    action()
                except Error as error:  # drawn anew meanwhile
                    self.steps[-1] += f" (missed: {str(error).splitlines()[0][:60]})"
                self.look()
            except Exception as error:
                steps = "\n".join(f"{i:4} {step}" for i, step in enumerate(self.steps))
                raise AssertionError(f"seed {self.seed}, after\n{steps}\n{error}") from error

    def note(self, what):
        """Say more about the step under way."""
        self.steps[-1] += f" {what}"

    def turn_page(self):
        link = self.random.choice(LINKS)
        self.note(link)
        self.page.get_by_role("link", name=link, exact=True).first.click(timeout=SHORT)

    def click(self):
        """Click any widget of the page."""
        shown = self.page.locator(WIDGETS)
        usable = [i for i, text in enumerate(shown.all_inner_texts()) if not text.startswith(NEVER)]
        if usable:
            i = self.random.choice(usable)
            self.note(f"{i} {shown.nth(i).inner_text(timeout=SHORT)[:30]!r}")
            shown.nth(i).click(timeout=SHORT)

    def edit(self):
        """Type into the parameter table of the first page."""
        grid = self.page.locator("[class*='st-key-parameters_'] .dvn-scroller")
        if grid.count() != 1 or not grid.is_visible():
            return
        row, text = self.random.randrange(3), self.random.choice(VALUES)
        self.note(f"row {row} {text!r}")
        self.page.set_default_timeout(SHORT)
        try:
            type_value(self.page, row, text)
        finally:
            self.page.set_default_timeout(PATIENCE_MS)

    def random_point(self):
        self.page.locator(".st-key-random button").first.click(timeout=SHORT)

    def pick(self):
        problem = self.random.choice(PROBLEMS)
        self.note(problem)
        self.page.locator(".st-key-problem input").click(timeout=SHORT)
        self.page.get_by_role("option", name=problem).click(timeout=SHORT)

    def toggle_precision(self):
        self.page.locator(".st-key-x64 label").first.click(timeout=SHORT)

    def solver(self):
        """Type into a solver setting."""
        key = self.random.choice(("rtol", "atol", "max_steps", "time_limit"))
        text = self.random.choice(TEXTS)
        self.note(f"{key} {text!r}")
        field = self.page.locator(f".st-key-{key} input")
        if not field.is_visible():
            self.page.locator(".st-key-solver summary").first.click(timeout=SHORT)
        field.fill(text, timeout=SHORT)
        field.press("Enter", timeout=SHORT)

    def reload(self):
        self.page.reload()

    def back(self):
        if self.page.evaluate("history.length") > 3:
            self.page.go_back()
        if not self.page.url.startswith(self.server):
            self.page.go_forward()

    def forward(self):
        self.page.go_forward()

    def other_tab(self):
        """Go to another tab, a new one where there are few."""
        if len(self.pages) < TABS:
            self.pages.append(self.new_page(self.page.url))
        self.page = self.pages[(self.pages.index(self.page) + 1) % len(self.pages)]
        self.page.bring_to_front()

    def look(self):
        """Nothing broke, and what the first page's tables say is what the library computes."""
        idle(self.page)
        no_traceback(self.page)
        for _ in range(50):  # until a page is seen that did not change meanwhile
            address = self.page.url
            llh, gradient = (html_table(self.page, f"{name}_table") for name in TABLES)
            idle(self.page)
            self.page.wait_for_timeout(100)
            same = [html_table(self.page, f"{name}_table") for name in TABLES]
            if [self.page.url, *same] == [address, llh, gradient]:
                break
        else:
            raise AssertionError("the page does not come to rest")
        if urlsplit(address).path == "/" and "llh" in llh:
            self.compare(address, llh["llh"], gradient)

    def compare(self, address, llh, gradient):
        """Hold what is shown against the library at the state that the address names."""
        query = {key: values[-1] for key, values in parse_qs(urlsplit(address).query).items()}
        expected = computed(*sorted(query.items()))
        pairs = [("llh", llh, expected.llh_amici, expected.llh_jax)]
        for i, name in enumerate(expected.parameter_ids):
            entry = expected.gradient_amici[i], expected.gradient_jax[i]
            pairs.append((name, gradient[name], *entry))
        for name, shown, amici, jax in pairs:
            for side, value in (("amici", amici), ("jax", jax)):
                text = shown[side]["text"]
                if text == "not run" or (text == "—" and not math.isfinite(value)):
                    continue
                number = float(text.replace("\N{MINUS SIGN}", "-"))
                assert math.isclose(number, value, rel_tol=SHOWN_DIGITS), (
                    f"{address}: {name} of {side} is shown as {text}, the library has {value}"
                )
        self.compared += 1


@cache
def objective_of(problem, repair):
    return AmiciObjective(load_problem(problem, repair=repair))


@cache
def computed(*query):
    """The library's comparison at the state that an address names."""
    asked = dict(query)
    objective = objective_of(asked["problem"], not asks_for_no_repair(asked))
    state = read_link(asked, objective.problem)
    settled = settle(objective, state.theta, state.choice)
    return compare(settled.objective, state.theta, state.precision, amici=settled.evaluation)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    from amijax.jax_setup import set_up_jax

    set_up_jax()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport={"width": 1440, "height": 1100})
        context.add_init_script(f"({RECORD_RUNS})()")

        def new_page(address):
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            idle(page)
            return page

        robot = Robot(new_page, asked.server.rstrip("/"), asked.seed)
        robot.run(asked.seconds)
        print(f"{len(robot.steps)} steps, {robot.compared} comparisons, seed {asked.seed}")


if __name__ == "__main__":
    main()
