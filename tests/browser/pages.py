"""Helpers for tests that drive a page: they wait for what happens on it."""

# What never happens ends a test here, before pytest's own limit ends the run.
PATIENCE_MS = 90_000

# Counts the script runs that ended, from the state that Streamlit shows in the page.
_COUNT_RUNS = """() => {
  if (window.amijaxRuns === undefined) {
    window.amijaxRuns = 0;
    new MutationObserver((changes) => {
      window.amijaxRuns += changes.filter((change) => change.oldValue === 'running').length;
    }).observe(document.documentElement, {
      subtree: true, attributeOldValue: true, attributeFilter: ['data-test-script-state'],
    });
  }
  return window.amijaxRuns;
}"""


def idle(page):
    """Wait until the script is not running."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")


def rerun(page, action):
    """Do something that makes the script run, and wait until it has run.

    `idle` alone may look before the run has begun.
    """
    idle(page)
    before = page.evaluate(_COUNT_RUNS)
    action()
    page.wait_for_function("before => window.amijaxRuns > before", arg=before)
    idle(page)


def until(page, condition):
    """Wait for something that is read from the page; return it."""
    for _ in range(PATIENCE_MS // 100):
        if value := condition():
            return value
        page.wait_for_timeout(100)
    raise AssertionError("did not happen")


def cells(page, selector):
    """The texts of a data grid's cells, from its accessible table."""
    return page.evaluate(
        "selector => [...document.querySelectorAll(`${selector} table[role='grid'] tr`)]"
        ".map(row => [...row.querySelectorAll('th, td')].map(cell => cell.textContent))",
        selector,
    )


def table(page, key):
    """A data grid's cells by row header and column."""
    rows = cells(page, f".st-key-{key}")
    return {row[0]: dict(zip(rows[0], row, strict=False)) for row in rows[1:]}


def edit_cell(page, selector, column, row, text):
    """Type into a cell of a data grid (counted from 0), once the script has come to rest."""
    idle(page)
    # The grid is a canvas; the cells of its accessible table take focus and keys.
    cell = page.locator(f"{selector} #glide-cell-{column}-{row}")
    cell.wait_for(state="attached")

    def is_selected():
        cell.focus()  # a grid that had no focus gives it to its first cell instead
        return cell.get_attribute("aria-selected") == "true"

    until(page, is_selected)
    cell.press("Enter")
    editor = page.locator("#portal textarea")
    editor.fill(text)
    rerun(page, lambda: editor.press("Enter"))
    until(page, lambda: cell.text_content() == text)


def no_traceback(page):
    """There is no exception on the page."""
    assert page.locator("[data-testid='stException']").count() == 0
    assert "Traceback" not in page.locator("body").inner_text()
