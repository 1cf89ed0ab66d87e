"""Helpers for tests that drive a page: they wait for what happens on it."""

# What never happens ends a test here, before pytest's own limit ends the run.
PATIENCE_MS = 90_000
_ROW_PIXELS = 35  # of data grids, their header included

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


def click_row(page, selector, row, x):
    """Click into a row of a data grid (0 is the first below the header), x pixels from its left."""
    place = {"x": x, "y": _ROW_PIXELS * (row + 1.5)}
    grid = page.locator(f"{selector} .dvn-scroller")
    grid.hover(position=place)
    # Where the mouse comes in, the grid is drawn anew and misses what happens meanwhile.
    page.wait_for_function(
        "selector => getComputedStyle(document.querySelector("
        "`${selector} [data-testid='stElementToolbar']`)).opacity === '1'",
        arg=selector,
    )
    grid.click(position=place)


def edit_cell(page, selector, column, row, text):
    """Type into a cell of a data grid (counted from 0), once the script has come to rest."""
    idle(page)

    # The grid is a canvas; its accessible table says which cell is selected.
    def cell(i):
        return page.locator(f"{selector} #glide-cell-{i}-{row}")

    cell(column).wait_for(state="attached")
    click_row(page, selector, row, 40)
    for i in range(column + 1):
        if i:
            page.keyboard.press("ArrowRight")
        until(page, lambda i=i: cell(i).get_attribute("aria-selected") == "true")
    page.keyboard.press("Enter")
    editor = page.locator("#portal textarea")
    editor.fill(text)
    rerun(page, lambda: editor.press("Enter"))
    until(page, lambda: cell(column).text_content() == text)


def no_traceback(page):
    """There is no exception on the page."""
    assert page.locator("[data-testid='stException']").count() == 0
    assert "Traceback" not in page.locator("body").inner_text()
