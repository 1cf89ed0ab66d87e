"""Helpers for tests that drive a page."""


def idle(page):
    """Wait until the script is not running."""
    page.wait_for_selector(
        "[data-testid='stApp'][data-test-script-state='notRunning']", timeout=120_000
    )
