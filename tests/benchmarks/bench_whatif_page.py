"""From releasing a slider to the redrawn what-if page, against a page that computes nothing.

    python tests/benchmarks/bench_whatif_page.py [--moves 25]

Both pages have the same number of elements (`blank_page.py`) and run in servers and tabs of their
own in one headless Chromium; moves are interleaved, medians reported. A move ends when the first
metric shows another number, the chart has been drawn anew, and the script has stopped.
"""

import time

import click
from common import browser, chromium_option, new_page, number_option, print_medians, server

WAIT = """([before, chart]) => {
  const metric = document.querySelector('[data-testid=stMetricValue]');
  const app = document.querySelector("[data-testid='stApp']");
  const plot = document.querySelector(`${chart} .js-plotly-plot`);
  return metric && metric.innerText !== before && plot && plot !== window.amijaxOldPlot
    && plot.querySelector('.scatterlayer .trace') && app.dataset.testScriptState === 'notRunning';
}"""


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


@click.command(help=__doc__.splitlines()[0])
@number_option("--moves", 25, "Moves of each page's slider.")
@chromium_option
def main(moves: int, chromium: str) -> None:
    """Print the medians and their ratio."""
    with (
        server("app.py") as ours,
        server("tests/benchmarks/blank_page.py") as blank,
        browser(chromium) as running,
    ):
        pages = {
            "what if": (
                new_page(running, f"{ours}/whatif"),
                ".st-key-slider_Boehm_JProteomeRes2014_k_phos input",
                ".st-key-trajectories_chart",
            ),
            "blank": (new_page(running, blank), ".st-key-slider_f input", ".st-key-chart"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in pages}
        for page, _, chart in pages.values():
            page.bring_to_front()
            page.locator(f"{chart} .js-plotly-plot").wait_for(timeout=120_000)
            page.wait_for_timeout(2000)
        for i in range(moves + 3):
            for name, (page, slider, chart) in pages.items():
                taken = move(page, slider, chart)
                page.wait_for_timeout(150)
                if i >= 3:  # the first few warm up
                    seconds[name].append(taken)
    print_medians(seconds)


if __name__ == "__main__":
    main()
