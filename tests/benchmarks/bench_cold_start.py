"""From `streamlit run app.py` to the first table, with models compiled, in a real Chromium.

    python tests/benchmarks/bench_cold_start.py [--runs 5]

Each run starts a server of its own and opens its page in a fresh browser context as soon as the
server answers; the runs of the first page and of a page that only shows a table
(`hello_page.py`) take turns. Seconds since the server's start, medians.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import click
from bench_whatif_page import REPOSITORY, free_port
from playwright.sync_api import Browser, sync_playwright

PHASES = {
    "server answers": "",
    "browser has loaded Streamlit": "[data-testid='stApp']",
    "first element": "[data-testid='stMarkdown']",
    "first table": "[data-testid='stDataFrame'] canvas",
    "results": "[data-testid='stMetricValue']",
    "script is done": "[data-testid='stApp'][data-test-script-state='notRunning']",
}


def start(browser: Browser, script: str) -> dict[str, float]:
    """Seconds from the server's start to the end of each phase."""
    port = free_port()
    address = f"http://localhost:{port}"
    seconds = {}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
        cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - started > 60:
                    raise click.ClickException("The server did not start.") from None
                time.sleep(0.02)
        seconds["server answers"] = time.perf_counter() - started
        context = browser.new_context(viewport={"width": 1440, "height": 1100})
        page = context.new_page()
        page.goto(address, wait_until="commit")
        for phase, selector in PHASES.items():
            if selector:
                page.wait_for_function(
                    "selector => document.querySelector(selector)",
                    arg=selector, polling="raf", timeout=120_000,
                )  # fmt: skip
                seconds[phase] = time.perf_counter() - started
        context.close()
    finally:
        process.terminate()
        process.wait(10)
    return seconds


@click.command()
@click.option("--runs", default=5, show_default=True)
@click.option("--chromium", default="/usr/bin/chromium", show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(runs: int, chromium: str, json_file: Path | None) -> None:
    """Print the medians of both pages."""
    pages = {"first page": "app.py", "hello": "tests/benchmarks/hello_page.py"}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in pages}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for i in range(runs + 1):
            for name, script in pages.items():
                seconds = start(browser, script)
                if i:  # the first fills the caches of the file system
                    taken[name].append(seconds)
        browser.close()
    click.echo(f"{'seconds since the start':30}{'first page':>11}{'hello':>8}")
    medians: dict[str, Any] = {}
    for phase in PHASES:
        medians[phase] = {
            name: statistics.median(seconds[phase] for seconds in taken[name]) for name in pages
        }
        ours, hello = medians[phase].values()
        click.echo(f"{phase:30}{ours:11.2f}{hello:8.2f}")
    if json_file:
        json_file.write_text(json.dumps({"median": medians, "runs": taken}))


if __name__ == "__main__":
    main()
