"""From `streamlit run app.py` to the first table, with models compiled, in a real Chromium.

    python tests/benchmarks/bench_cold_start.py [--runs 5] [--beside CHECKOUT ...]

Each run starts a server of its own and opens its page in a fresh browser context as soon as the
server answers; the runs of the first page and of a page that only shows a table
(`hello_page.py`) take turns, and so do the first pages of other checkouts, such as a worktree of an
older commit. Seconds since the server's start, medians.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
from common import ROOT, browser, chromium_option, json_option, new_page, number_option, server
from playwright.sync_api import Browser

PHASES = {
    "server answers": "",
    "browser has loaded Streamlit": "[data-testid='stApp']",
    "first element": "[data-testid='stMarkdown']",
    "first table": "[data-testid='stDataFrame'] canvas",
    # The metric is what older commits and the page of only a table have.
    "results": "[data-testid='stMetricValue'], .st-key-gradient_chart .js-plotly-plot",
    "script is done": "[data-testid='stApp'][data-test-script-state='notRunning']",
}


def start(running: Browser, checkout: Path, script: str) -> dict[str, float]:
    """Seconds from the server's start to the end of each phase."""
    seconds = {}
    started = time.perf_counter()
    with server(script, checkout) as address:
        seconds["server answers"] = time.perf_counter() - started
        page = new_page(running, address, wait_until="commit")
        for phase, selector in PHASES.items():
            if selector:
                page.wait_for_function(
                    "selector => document.querySelector(selector)",
                    arg=selector, polling="raf", timeout=120_000,
                )  # fmt: skip
                seconds[phase] = time.perf_counter() - started
        page.context.close()
    return seconds


@click.command()
@number_option("--runs", 5, "Starts of each page.")
@click.option(
    "--beside",
    "checkouts",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Another checkout, whose first page is started, too; with the same Python.",
)
@chromium_option
@json_option
def main(runs: int, checkouts: tuple[Path, ...], chromium: str, json_file: Path | None) -> None:
    """Print the medians of all pages."""
    pages = {"first page": (ROOT, "app.py"), "hello": (ROOT, "tests/benchmarks/hello_page.py")}
    pages |= {checkout.name: (checkout, "app.py") for checkout in checkouts}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in pages}
    with browser(chromium) as running:
        for i in range(runs + 1):
            for name, page in pages.items():
                seconds = start(running, *page)
                if i:  # the first compiles, and fills the caches of the file system
                    taken[name].append(seconds)
    click.echo(f"{'seconds since the start':30}" + "".join(f"{name:>12}" for name in pages))
    medians: dict[str, Any] = {}
    for phase in PHASES:
        medians[phase] = {
            name: statistics.median(seconds[phase] for seconds in taken[name]) for name in pages
        }
        click.echo(f"{phase:30}" + "".join(f"{t:12.2f}" for t in medians[phase].values()))
    if json_file:
        json_file.write_text(json.dumps({"median": medians, "runs": taken}))


if __name__ == "__main__":
    main()
