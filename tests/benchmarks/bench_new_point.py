"""From pressing *Random* to the results, with and without Streamlit's garbage collection.

    python tests/benchmarks/bench_new_point.py [--points 25]

Streamlit collects garbage after every run unless `.streamlit/config.toml` says otherwise. Two
servers, in turns, each with a tab in one headless Chromium; medians. A turn is some points, each
asked for as soon as the script has stopped that computed the one before.
"""

import time

import click
from common import ROOT, browser, chromium_option, new_page, number_option, print_medians, server

PROBLEM = "Conversion_Reaction"
SERVERS = {"not collecting": "false", "collecting": "true"}
# The script has run, for another address than before.
DONE = """before => location.href !== before
  && document.querySelector("[data-testid='stApp']").dataset.testScriptState === 'notRunning'"""
AT_REST = """document.querySelector("[data-testid='stApp'][data-test-script-state='notRunning']")"""
A_TURN = 5  # points


def point(page) -> float:
    """Seconds until a new point's results are there and another can be asked for."""
    before = page.evaluate("location.href")
    start = time.perf_counter()
    page.locator(".st-key-random button").first.click()
    page.wait_for_function(DONE, arg=before, polling="raf", timeout=60_000)
    return time.perf_counter() - start


@click.command(help=__doc__.splitlines()[0])
@number_option("--points", 25, "Points of each server.")
@chromium_option
def main(points: int, chromium: str) -> None:
    """Print the medians and their ratio."""
    option = "--runner.postScriptGC={}"
    seconds: dict[str, list[float]] = {name: [] for name in SERVERS}
    with (
        server("app.py", ROOT, option.format(SERVERS["not collecting"])) as quiet,
        server("app.py", ROOT, option.format(SERVERS["collecting"])) as collecting,
        browser(chromium) as running,
    ):
        pages = {}
        for name, address in zip(SERVERS, (quiet, collecting), strict=True):
            pages[name] = new_page(running, f"{address}/?problem={PROBLEM}")
            pages[name].locator(".st-key-gradient_chart").first.wait_for(timeout=120_000)
        for i in range(points // A_TURN + 1):
            for name, page in pages.items():
                page.bring_to_front()
                page.wait_for_function(AT_REST)
                taken = [point(page) for _ in range(A_TURN)]
                if i:  # the first warm up
                    seconds[name] += taken
    print_medians(seconds)


if __name__ == "__main__":
    main()
