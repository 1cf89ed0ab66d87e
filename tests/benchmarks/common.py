"""What the benchmark scripts share: their command line, the repository on the path, servers.

Importing it makes `amijax` importable from the repository. Its name sorts before `peers`, which
needs that.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

_START_SECONDS = 60.0
_END_SECONDS = 70.0  # a server that ends waits a minute at most for what it computes

json_option = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="File for all that was measured."
)
chromium_option = click.option("--chromium", default="/usr/bin/chromium", show_default=True)


def problems_argument(default: Iterable[str]) -> Callable:
    """Problems by id or path; the default if none is named."""
    return click.argument(
        "problems", nargs=-1, callback=lambda _context, _argument, given: given or tuple(default)
    )


def seconds_option(default: float, what: str) -> Callable:
    """How long to measure, for each of what the text says."""
    return click.option("--seconds", default=default, show_default=True, help=f"Budget {what}.")


def number_option(name: str, default: int, what: str) -> Callable:
    """How many of something."""
    return click.option(name, default=default, show_default=True, help=what)


@contextmanager
def server(script: str, checkout: Path = ROOT, *options: str) -> Iterator[str]:
    """A Streamlit server for a script, its path from the checkout; its address once it answers.

    Options are Streamlit's, such as `--server.maxUploadSize=1`.

    Raises:
        ClickException: it does not start.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), *options],
        cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )  # fmt: skip
    address = f"http://localhost:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                late = time.perf_counter() - started > _START_SECONDS
                if late or process.poll() is not None:
                    raise click.ClickException(f"The server of {script} did not start.") from None
                time.sleep(0.02)
        yield address
    finally:
        process.terminate()
        process.wait(_END_SECONDS)


@contextmanager
def browser(chromium: str) -> Iterator:
    """A headless Chromium of Playwright's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


def new_page(running, address: str, **options):
    """A page of the usual size in a fresh context, at an address."""
    page = running.new_context(viewport={"width": 1440, "height": 1100}).new_page()
    page.goto(address, **options)
    return page


def print_medians(seconds: dict[str, list[float]]) -> None:
    """Two series of durations in ms, and the ratio of the first one's median to the second's."""
    width = max(map(len, seconds))
    for name, values in seconds.items():
        print(
            f"{name:{width}} median {statistics.median(values) * 1e3:6.0f} ms, "
            f"from {min(values) * 1e3:.0f} to {max(values) * 1e3:.0f} ms"
        )
    one, other = map(statistics.median, seconds.values())
    print(f"{'ratio':{width}} {one / other:.2f}")
