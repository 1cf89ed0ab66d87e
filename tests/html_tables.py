"""Numbers of a page's HTML tables, from the page's source."""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self._cell = {}, None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "tr":
            self._title, self._columns = "", {}
        if tag in ("th", "td"):
            self._cell, self._attrs, self._text = tag, attrs, ""

    def handle_data(self, data):
        if self._cell:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "th" and not self._title:
            self._title = self._text
        elif tag == "td":
            value = self._attrs.get("data-value")
            self._columns[self._attrs["data-label"]] = (
                self._text if value is None else float(value),
                self._text,
            )
        if tag in ("th", "td"):
            self._cell = None
        if tag == "tr" and self._columns:
            self.rows[self._title] = self._columns


def read_tables(page):
    """Each HTML table of an AppTest's page: row to column to (value, text)."""
    found = []
    for element in page.get("html"):
        reader = _Reader()
        reader.feed(element.proto.body)
        if reader.rows:
            found.append(reader.rows)
    return found
