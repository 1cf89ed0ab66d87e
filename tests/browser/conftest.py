"""A fresh server on a free port, and a real headless Chromium."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from server_log import troubles
from waiting import until

from pages import PATIENCE_MS, RECORD_CANVAS, RECORD_RUNS, STAND_STILL, idle

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


_NET = ("http", "https", "ws", "wss")

# How many times slower the browser shall be than it is, the server not: a test that hopes to see
# something before it is over then fails.
SLOWDOWN = float(os.environ.get("AMIJAX_BROWSER_SLOWDOWN", "1"))

# Ends a server whose tests are ended from outside, as by pytest's limit for a test that hangs.
_WITH_US = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def _n_sessions(address):
    """The number of pages that are connected to a server."""
    metrics = f"{address}/_stcore/metrics?families=active_sessions"
    with urllib.request.urlopen(metrics, timeout=10) as answer:
        return int(re.search(rb"^active_sessions (\d+)", answer.read(), re.MULTILINE)[1])


@pytest.fixture(scope="session")
def start_server(tmp_path_factory):
    """Function that starts a server with some environment and returns its address.

    In the end, after all browser tests, it looks into the servers' logs.
    """
    running = {}
    folder = tmp_path_factory.mktemp("logs")

    def start(**environment):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        options = {"server.port": port, "logger.messageFormat": _LOG_FORMAT}
        with (folder / f"{len(running)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*_WITH_US, sys.executable, "-m", "streamlit", "run", "app.py",
                 *[f"--{name}={value}" for name, value in options.items()]],
                cwd=REPOSITORY, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        address = f"http://localhost:{port}"
        running[address] = process

        def answers():
            assert process.poll() is None, "the server stopped"
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=10).close()
            except OSError:
                return False
            return True

        until(answers)
        return address

    yield start
    for address, process in running.items():
        # One that is stopped while a page is closed asks a closed connection for more, and says so.
        until(lambda a=address, p=process: p.poll() is not None or _n_sessions(a) == 0)
    for process in running.values():
        process.terminate()  # it ends what it compiles
    for process in running.values():
        process.wait()
    found = [t for path in sorted(folder.iterdir()) for t in troubles(path.read_text())]
    assert not found, "the servers' logs hold trouble:\n" + "\n...\n".join(found[:10])


@pytest.fixture(scope="session")
def server(start_server):
    """A server that finds the tests' compiled models; all tests that need no own one share it.

    Modules have what they need compiled and computed first, in a fixture of the same name.
    """
    return start_server()


@pytest.fixture(scope="session")
def chromium():
    """A browser; skips where Playwright or Chromium is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--no-first-run", *[f"--disable-{name}" for name in quiet]],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(chromium):
    """What the pages of all tests share: the browser then compiles the page's scripts once."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1100})
    context.set_default_timeout(PATIENCE_MS)
    for script in (RECORD_CANVAS, RECORD_RUNS, STAND_STILL):
        context.add_init_script(f"({script})()")
    yield context
    context.close()


@pytest.fixture
def new_page(context):
    """Function that opens an address in a new tab and waits for the script.

    Nothing that the test does there may ask another host than this one, and the browser remembers
    nothing of it.
    """
    pages, foreign = [], []

    def asked(request):
        if urlsplit(request.url).hostname != "localhost" and urlsplit(request.url).scheme in _NET:
            foreign.append(request.url)

    def open_page(address, scheme="light"):
        page = context.new_page()
        pages.append(page)
        page.emulate_media(color_scheme=scheme)
        if SLOWDOWN != 1:
            devtools = context.new_cdp_session(page)
            devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        page.goto(address)
        idle(page)
        return page

    context.on("request", asked)
    yield open_page
    for page in pages:
        page.evaluate("localStorage.clear()")
        page.close()
    context.clear_cookies()
    context.remove_listener("request", asked)
    assert not foreign
