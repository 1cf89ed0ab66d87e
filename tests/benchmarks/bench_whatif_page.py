"""From releasing a slider to the redrawn what-if page, against a page that computes nothing.

    python tests/benchmarks/bench_whatif_page.py [--moves 25]

Both pages have the same number of elements (`blank_page.py`) and run in servers and tabs of their
own in one headless Chromium; moves are interleaved, medians reported. A move ends when the first
metric shows another number, the chart has been drawn anew, and the script has stopped.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parents[2]
WAIT = """([before, chart]) => {
  const metric = document.querySelector('[data-testid=stMetricValue]');
  const app = document.querySelector("[data-testid='stApp']");
  const plot = document.querySelector(`${chart} .js-plotly-plot`);
  return metric && metric.innerText !== before && plot && plot !== window.amijaxOldPlot
    && plot.querySelector('.scatterlayer .trace') && app.dataset.testScriptState === 'notRunning';
}"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def serve(script: str) -> tuple[subprocess.Popen, str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
        cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    address = f"http://localhost:{port}"
    for _ in range(150):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
            break
        except OSError:
            time.sleep(0.2)
    return process, address


def move(page, slider: str, chart: str) -> float:
    """Seconds from pressing the key to the page being redrawn."""
    page.bring_to_front()
    page.locator(slider).focus()
    before = page.locator("[data-testid='stMetricValue']").first.inner_text()
    page.evaluate(
        "chart => { window.amijaxOldPlot = document.querySelector(`${chart} .js-plotly-plot`); }",
        chart,
    )
    start = time.perf_counter()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(WAIT, arg=[before, chart], polling="raf", timeout=20_000)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=25)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    servers = [serve("app.py"), serve("tests/benchmarks/blank_page.py")]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            context = browser.new_context(viewport={"width": 1440, "height": 1100})
            ours, blank = context.new_page(), context.new_page()
            pages = {
                "what if": (
                    ours, ".st-key-slider_Boehm_JProteomeRes2014_k_phos input",
                    ".st-key-trajectories_chart",
                ),
                "blank": (blank, ".st-key-slider_f input", ".st-key-chart"),
            }  # fmt: skip
            ours.goto(servers[0][1] + "/whatif")
            blank.goto(servers[1][1])
            seconds: dict[str, list[float]] = {name: [] for name in pages}
            for page, _, chart in pages.values():
                page.bring_to_front()
                page.locator(f"{chart} .js-plotly-plot").wait_for(timeout=120_000)
                page.wait_for_timeout(2000)
            for i in range(options.moves + 3):
                for name, (page, slider, chart) in pages.items():
                    taken = move(page, slider, chart)
                    page.wait_for_timeout(150)
                    if i >= 3:  # the first few warm up
                        seconds[name].append(taken)
            browser.close()
    finally:
        for process, _ in servers:
            process.terminate()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(
            f"{name:8} median {medians[name] * 1e3:6.0f} ms, "
            f"from {min(values) * 1e3:.0f} to {max(values) * 1e3:.0f} ms"
        )
    print(f"ratio    {medians['what if'] / medians['blank']:.2f}")


if __name__ == "__main__":
    main()
