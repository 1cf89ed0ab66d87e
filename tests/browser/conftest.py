"""A fresh server on a free port, and a real headless Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from waiting import until

from pages import PATIENCE_MS, RECORD_CANVAS, idle

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.fixture(scope="session")
def start_server():
    """Function that starts a server with some environment and returns its address."""
    running = []

    def start(**environment):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
        )
        running.append(process)
        address = f"http://localhost:{port}"

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
    for process in running:
        process.terminate()  # it ends what it compiles
    for process in running:
        process.wait()


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


@pytest.fixture
def new_page(chromium):
    """Function that opens an address in a fresh browser context and waits for the script."""
    contexts = []

    def open_page(address, scheme="light"):
        context = chromium.new_context(
            viewport={"width": 1440, "height": 1100}, color_scheme=scheme
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(f"({RECORD_CANVAS})()")
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        idle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
