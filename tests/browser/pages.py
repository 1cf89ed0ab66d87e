"""Helpers for tests that drive a page: they wait for what happens on it."""

import time

# What never happens ends a test here, which says where, before pytest's own limit ends the run.
PATIENCE_MS = 75_000
_ROW_PIXELS = 35  # of data grids, their header included

# Which run of the script the page has asked for and waits for: 'page', 'part' or ''. How many it
# has asked for, those aside that Streamlit's timers ask for. Read from what goes over Streamlit's
# connection: the state in the page alone says nothing of a run that has not begun, and a short one
# may come and go without being drawn. Numbers and meanings of the fields are those of Streamlit's
# BackMsg, ClientState and ForwardMsg. Run before any of the page's own scripts.
RECORD_RUNS = """() => {
  const fieldsOf = (bytes) => {  // of a message of protobuf: numbers, and bytes of what is nested
    const fields = {};
    let at = 0;
    const number = () => {
      let value = 0;
      for (let unit = 1; ; unit *= 128) {
        const byte = bytes[at++];
        value += (byte & 127) * unit;
        if (byte < 128) return value;
      }
    };
    while (at < bytes.length) {
      const tag = number(), value = number(), field = Math.floor(tag / 8);
      fields[field] = tag % 8 === 2 ? bytes.subarray(at, at += value) : value;
    }
    return fields;
  };
  window.amijaxWaits = 'page';  // a page begins with a run
  window.amijaxAsked = 0;
  let begun = false;  // a run since the latest was asked for
  const asked = (bytes) => {
    const { 11: rerun } = fieldsOf(bytes);
    if (!rerun) return;
    const { 5: fragment, 6: byTimer } = fieldsOf(rerun);
    if (byTimer) return;
    window.amijaxAsked += 1;
    begun = false;
    window.amijaxWaits = fragment?.length ? 'part' : 'page';  // a part runs after the page
  };
  const ended = (asks, status) => {
    if (asks !== window.amijaxAsked) return;  // another run was asked for meanwhile
    // 0 and 1: the script has run; 2: it gave way to another run; 3: a part of it has run.
    if (status < 2 || (status === 3 && window.amijaxWaits === 'part')) window.amijaxWaits = '';
  };
  const known = new WeakSet(), send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    asked(new Uint8Array(data));
    if (!known.has(this)) {
      known.add(this);
      this.addEventListener('message', ({ data }) => {
        const { 4: begins, 6: status } = fieldsOf(new Uint8Array(data));
        const asks = window.amijaxAsked;
        if (begins) begun = true;
        // Once the browser has nothing else to do: what the message leads to is drawn then.
        if (begun && status !== undefined) requestIdleCallback(() => ended(asks, status));
      });
    }
    return send.call(this, data);
  };
}"""

# Spinners and the like stand still: drawing sixty frames a second takes a busy machine's time, the
# more of it the longer a page waits. Run before any of the page's own scripts.
STAND_STILL = """() => document.addEventListener('DOMContentLoaded', () => {
  const style = document.createElement('style');
  style.textContent = '*, *::before, *::after { animation: none !important; }';
  document.head.append(style);
})"""

# Data grids are drawn on a canvas: what is drawn of their texts is recorded, with the part of the
# canvas that was open for drawing. Run before any of the page's own scripts.
RECORD_CANVAS = """() => {
  const context = CanvasRenderingContext2D.prototype;
  const open = new WeakMap(), saved = new WeakMap(), path = new WeakMap();
  const whole = () => [-Infinity, Infinity];
  const texts = new Map();
  const seen = () => [...texts.values()].filter((t) => t.canvas.checkVisibility());
  window.amijaxDrawn = () => seen().map((t) => ({
    text: t.text, left: t.left, right: t.right, from: t.from,
    to: Math.min(t.to, t.canvas.getBoundingClientRect().width),
  }));
  window.amijaxForget = () => texts.clear();
  // A canvas that gets another size is empty: what was drawn on it is no more.
  for (const side of ['width', 'height']) {
    const size = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, side);
    Object.defineProperty(HTMLCanvasElement.prototype, side, {
      ...size,
      set(value) {
        for (const [key, text] of texts) if (text.canvas === this) texts.delete(key);
        size.set.call(this, value);
      },
    });
  }
  const wrap = (name, before) => {
    const original = context[name];
    context[name] = function (...args) {
      before.apply(this, args);
      return original.apply(this, args);
    };
  };
  wrap('save', function () {
    if (!saved.has(this)) saved.set(this, []);
    saved.get(this).push(open.get(this) ?? whole());
  });
  wrap('restore', function () { open.set(this, saved.get(this)?.pop() ?? whole()); });
  wrap('beginPath', function () { path.delete(this); });
  wrap('rect', function (x, y, w) { path.set(this, [x, x + w]); });
  wrap('clip', function () {
    const now = open.get(this) ?? whole(), next = path.get(this);
    if (next) open.set(this, [Math.max(now[0], next[0]), Math.min(now[1], next[1])]);
  });
  wrap('fillText', function (text, x, y) {
    const size = this.measureText(text), [from, to] = open.get(this) ?? whole();
    const width = size.width;
    const left = this.textAlign === 'right' || this.textAlign === 'end' ? x - width
      : this.textAlign === 'center' ? x - width / 2 : x;
    if (this.canvas.isConnected) {
      texts.set(`${Math.round(y)} ${Math.round(x)}`,
        { text: String(text), left, right: left + width, from, to, canvas: this.canvas });
    }
  });
}"""

# Texts with a digit that reach beyond what shows them: an element that hides what overflows, or
# the window. What one can scroll to from above to below is not cut.
_CUT_TEXTS = """(scrolls) => {
  const cut = [];
  const walker = document.createTreeWalker(
    document.querySelector("[data-testid='stMain']"), NodeFilter.SHOW_TEXT);
  texts: for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim(), parent = node.parentElement;
    if (!/[0-9]/.test(text)) continue;
    if (parent.closest('canvas, style, script, [aria-hidden=true]')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (!box.width) continue;
      for (let e = parent; e && e !== document.body; e = e.parentElement) {
        const style = getComputedStyle(e);
        if (style.clip === 'rect(0px, 0px, 0px, 0px)') break;
        const shown = e.getBoundingClientRect();
        if (scrolls && ['auto', 'scroll'].includes(style.overflowX)
            && e.scrollWidth > e.clientWidth) continue texts;
        const hides = style.overflowX !== 'visible' && style.display !== 'inline';
        if (hides && (box.left < shown.left - 1 || box.right > shown.right + 1)) cut.push(text);
      }
      if (box.left < -1 || box.right > innerWidth + 1) cut.push(text);
    }
  }
  return cut;
}"""


def cut_numbers(page, *, sideways=False):
    """Texts with a digit of which a part is not drawn, in the page's main part as it is now.

    The page must have been opened with `RECORD_CANVAS` as its first script. Where charts may
    scroll sideways, what one can scroll to is not cut.
    """

    def is_cut(text):
        return text["left"] < text["from"] - 1 or text["right"] > text["to"] + 1

    drawn = page.evaluate("window.amijaxDrawn()")
    cut = [each["text"] for each in drawn if _is_number(each["text"]) and is_cut(each)]
    return sorted({*cut, *page.evaluate(_CUT_TEXTS, sideways)})


def drawn_texts(page):
    """The texts that data grids have drawn on their canvases."""
    return {each["text"] for each in page.evaluate("window.amijaxDrawn()")}


def resize(page, width, height=900):
    """Give the window another size, and wait until its grids are drawn anew and at rest."""
    page.evaluate("window.amijaxForget()")
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("width => innerWidth === width", arg=width)
    last = []

    def at_rest():
        sizes = page.evaluate(
            "[...document.querySelectorAll('canvas, .amijax-table, .main-svg')]"
            ".map((e) => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.width]; })"
        )
        last.append(sizes)
        return len(last) > 3 and last[-1] == last[-2] == last[-3]

    until(page, at_rest)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


_HTML_TABLE = """name => Object.fromEntries(
  [...document.querySelectorAll(`.amijax-${name} tbody tr`)].map((row) => [
    row.querySelector('th').textContent,
    Object.fromEntries([...row.querySelectorAll('td')].map((cell) => [
      cell.dataset.label, { text: cell.innerText, value: cell.dataset.value ?? null },
    ])),
  ]))"""


def html_table(page, name):
    """An HTML table's cells as drawn, by row title and column, with the numbers behind them."""
    return page.evaluate(_HTML_TABLE, name)


# Whether the page is drawn in a scheme's colours.
_HAS_SCHEME = """scheme => {
  const colour = getComputedStyle(document.querySelector('.stApp')).backgroundColor;
  const sum = colour.match(/[0-9]+/g).slice(0, 3).reduce((all, part) => all + Number(part), 0);
  return scheme === 'dark' ? sum < 150 : sum > 600;
}"""


def has_scheme(page, scheme):
    """Wait until the page has the background of a colour scheme, light or dark."""
    page.wait_for_function(_HAS_SCHEME, arg=scheme)


def change_scheme(page, scheme):
    """Have the system ask for another colour scheme, and wait until the page has followed."""
    page.emulate_media(color_scheme=scheme)
    has_scheme(page, scheme)
    idle(page)


def idle(page):
    """Wait until the page has all that it asked for, and the script is not running."""
    page.wait_for_function(
        "!window.amijaxWaits && document.querySelector("
        "\"[data-testid='stApp'][data-test-script-state='notRunning']\")"
    )


def rerun(page, action):
    """Do something that makes the script run, and wait until it has run."""
    idle(page)
    before = page.evaluate("window.amijaxAsked")
    action()
    page.wait_for_function("before => window.amijaxAsked > before", arg=before)
    idle(page)


def until(page, condition):
    """Wait for something that is read from the page; return it."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not (value := condition()):
        assert time.monotonic() < end, "did not happen"
        page.wait_for_timeout(100)
    return value


def becomes(page, read, expected, about=None):
    """Wait until what is read from the page is as expected; if it never is, show what it is.

    A page that was just changed is drawn in several steps, on a busy machine seconds apart.
    """
    end = time.monotonic() + PATIENCE_MS / 1000
    while (value := read()) != expected and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert value == expected, about


def nothing_is_cut(page, width=None, *, sideways=False):
    """Wait until every number is drawn whole."""
    becomes(page, lambda: cut_numbers(page, sideways=sideways), [], width)


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


def edit_cell(page, selector, column, row, text, *, at_rest=True):
    """Type into a cell of a data grid (counted from 0).

    Once the script has come to rest, and until it has again, unless told otherwise.
    """
    if at_rest:
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
    if at_rest:
        rerun(page, lambda: editor.press("Enter"))
    else:
        editor.press("Enter")
    until(page, lambda: cell(column).text_content() == text)


def type_value(page, row, text, *, at_rest=True):
    """Type into the value column of the parameter table's row (0 is the first)."""
    grid = "[class*='st-key-parameters_']"
    header = until(page, lambda: cells(page, grid))[0]
    edit_cell(
        page,
        grid,
        [title.split(" ")[0] for title in header].index("value"),
        row,
        text,
        at_rest=at_rest,
    )


def no_traceback(page):
    """There is no exception on the page."""
    assert page.locator("[data-testid='stException']").count() == 0
    assert "Traceback" not in page.locator("body").inner_text()
