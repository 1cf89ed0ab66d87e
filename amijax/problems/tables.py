"""PEtab's tables as text, each row with its place, before any cell is taken for a number."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from amijax.problems.findings import Findings
from amijax.problems.names import nearest, quoted

# What pandas and R write, and pandas reads, for a cell that is empty.
MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None",
     "n/a", "nan", "null"]
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf(inity)?)", re.ASCII | re.I)
_ID = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Table:
    """All tables of one kind in one, in the order of the files.

    Attributes:
        kind: parameter, condition, observable or measurement.
        files: their names.
        columns: by name, text without blanks around it, "" where a cell is empty.
        row_files: for each row the position of its file in `files`.
        row_lines: for each row its line in the file.
    """

    kind: str
    files: tuple[str, ...]
    columns: dict[str, np.ndarray]
    row_files: np.ndarray
    row_lines: np.ndarray

    @property
    def name(self) -> str:
        """The files, as sentences call them."""
        return ", ".join(self.files)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def column(self, name: str) -> np.ndarray:
        """A column's cells; all empty if there is no such column."""
        return self.columns[name] if name in self.columns else texts([""] * len(self.row_lines))

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Each row's file and line."""
        return tuple(
            f"{self.files[file]}, line {line}"
            for file, line in zip(self.row_files, self.row_lines, strict=True)
        )

    def where(self, rows: Sequence[int] | np.ndarray) -> tuple[str, str]:
        """The file and the lines of some rows, in words; no file where they are in several."""
        rows = np.asarray(rows, dtype=np.intp)
        if rows.size == 0:
            return self.name, ""
        files, lines = self.row_files[rows], self.row_lines[rows]
        if len(set(files)) > 1:
            shown = [self.places[row] for row in rows[:_SHOWN]]
            return "", "; ".join(shown) + _and_more(rows.size)
        word = "line" if rows.size == 1 else "lines"
        shown = [str(line) for line in lines[:_SHOWN]]
        return self.files[files[0]], f"{word} {', '.join(shown)}{_and_more(rows.size)}"

    def error(
        self, findings: Findings, code: str, message: str, rows: Sequence[int] | np.ndarray = (),
        column: str = "",
    ) -> None:  # fmt: skip
        """Note a mistake in some rows."""
        table, row = self.where(rows)
        findings.error(message, code, table, row, column)

    def each(self, column: str, mask: np.ndarray) -> Iterable[tuple[str, np.ndarray]]:
        """The different cells of a column where a mask is set, each with its rows."""
        rows = np.flatnonzero(mask)
        cells = self.column(column)[rows]
        for value in dict.fromkeys(cells):
            yield value, rows[cells == value]

    def without(self, mask: np.ndarray) -> Table:
        """The table without the rows where a mask is set."""
        columns = {name: cells[~mask] for name, cells in self.columns.items()}
        return Table(
            self.kind, self.files, columns, self.row_files[~mask], self.row_lines[~mask]
        )  # fmt: skip


def texts(cells: Sequence[object]) -> np.ndarray:
    """Cells as an array of Python objects."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def _and_more(count: int) -> str:
    return f" and {count - _SHOWN:,} more" if count > _SHOWN else ""


def read_tables(kind: str, files: Iterable[tuple[str, bytes]], findings: Findings) -> Table | None:
    """Read all tables of one kind.

    Args:
        kind: parameter, condition, observable or measurement.
        files: name and content, in UTF-8.
        findings: where mistakes are noted.

    Returns:
        None if one can't be read at all, or there is none.
    """
    parts = {name: _read(name, data, findings) for name, data in files}
    read = [part for part in parts.values() if part is not None]
    if len(read) != len(parts) or not read:
        return None
    names = dict.fromkeys(name for columns, _ in read for name in columns)
    return Table(
        kind,
        tuple(parts),
        {
            name: texts(
                [c for columns, lines in read for c in columns.get(name, [""] * len(lines))]
            )
            for name in names
        },
        np.repeat(np.arange(len(read)), [len(lines) for _, lines in read]),
        np.array([line for _, lines in read for line in lines], dtype=np.intp),
    )


Part = tuple[dict[str, list[str]], list[int]]  # columns by name, and each row's line


def _read(name: str, data: bytes, findings: Findings) -> Part | None:
    """One file's columns; None after a mistake that leaves nothing."""
    reader = csv.reader(
        io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter="\t", strict=True
    )
    rows, lines, last = [], [], 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append(cells)
                lines.append(last + 1)
            last = reader.line_num
            if any("\n" in cell and "\t" in cell for cell in cells):
                raise csv.Error
    except csv.Error:
        findings.error(
            "the row can't be split into cells; look for a quotation mark that stands alone.",
            "table", name, f"line {last + 1}",
        )  # fmt: skip
        return None
    if not rows:
        findings.error("the table is empty.", "table", name)
        return None
    return _with_header(name, rows[0], rows[1:], lines[1:], findings)


def _with_header(
    name: str, header: list[str], rows: list[list[str]], lines: list[int], findings: Findings
) -> Part | None:
    if len([h for h in header if h]) == 1 and re.search("[,;]", "".join(header)):
        findings.error(
            "its columns are not separated by tabs, as PEtab's are: its first line is "
            f"{quoted(''.join(header))}.",
            "table", name,
        )  # fmt: skip
        return None
    if twice := sorted({h for h in header if h and header.count(h) > 1}):
        findings.error(
            f"the column {' and the column '.join(twice)} is there twice.", "table", name
        )
        return None
    width = _width(header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) > width and any(row[width:]):
            findings.error(
                f"the row has more cells than the header has columns ({width}).",
                "table", name, f"line {line}",
            )  # fmt: skip
            return None
        row.extend([""] * (width - len(row)))
    columns = {}
    for i, column in enumerate(header[:width]):
        cells = [row[i] for row in rows]
        if column and not column.startswith("Unnamed:"):
            columns[column] = cells
        elif any(cells):
            findings.warning("a column without a name is ignored.", "unnamed_column", name)
    return columns, lines


def _width(header: Sequence[str]) -> int:
    """The number of columns up to the last one with a name."""
    return max((i + 1 for i, name in enumerate(header) if name), default=0)


def require(table: Table, columns: Iterable[str], findings: Findings) -> bool:
    """Whether a table has all of some columns; what is missing is noted."""
    missing = [name for name in columns if name not in table]
    if missing:
        near = {name: nearest(name, table.columns) for name in missing}
        words = " and no ".join(f"column {name}{near[name]}" for name in missing)
        table.error(
            findings, "column",
            f"the {table.kind} table has no {words}, which a PEtab problem needs.",
        )  # fmt: skip
    return not missing


def check_names(table: Table, known: Iterable[str], findings: Findings) -> None:
    """Warn of columns without a meaning that are called nearly like one with one.

    PEtab allows columns of one's own, so a misspelt one would be ignored without a word.
    """
    absent = [name for name in known if name not in table]
    for column in table.columns:
        meant = difflib.get_close_matches(
            column.lower(), [n.lower() for n in absent], n=1, cutoff=0.85
        )
        if column not in known and meant:
            name = next(n for n in absent if n.lower() == meant[0])
            findings.warning(
                f"the column {column} means nothing in PEtab and is ignored; did you mean {name}?",
                "unknown_column", table.name,
            )  # fmt: skip


def check_ids(table: Table, column: str, findings: Findings) -> None:
    """Note ids that are empty, not valid in PEtab, or given twice."""
    cells = table.column(column)
    what = f"{table.kind} id"
    check_valid(table, column, what, findings)
    twice = pd.Series(cells).duplicated(keep=False).to_numpy()
    for value, rows in table.each(column, twice & (cells != "")):
        table.error(findings, "duplicate_id", f"the {what} {value} is given twice.", rows, column)


def check_valid(
    table: Table, column: str, what: str, findings: Findings, *, or_missing: bool = False
) -> None:
    """Note ids that are empty, unless they may be, or not valid in PEtab."""
    cells = table.column(column)
    bad = [not is_id(cell) and not (or_missing and cell in MISSING) for cell in cells]
    for value, rows in table.each(column, np.array(bad, dtype=bool)):
        if not value:
            message = f"the {what} is empty."
        else:
            message = (
                f"{quoted(value)} is not a valid {what}: ids have letters, digits and underscores, "
                "and don't begin with a digit."
            )
        table.error(findings, "id", message, rows, column)


def numbers(table: Table, column: str, findings: Findings, *, code: str = "number") -> np.ndarray:
    """A column as numbers, NaN where a cell is empty; what is neither is noted, and NaN."""
    cells = table.column(column)
    values = {cell: number(cell) for cell in set(cells)}
    if bad := [cell for cell, value in values.items() if value is None and cell not in MISSING]:
        rows = np.flatnonzero(pd.Series(cells).isin(bad))
        table.error(findings, code, not_numbers(list(dict.fromkeys(cells[rows]))), rows, column)
    return np.array([math.nan if values[cell] is None else values[cell] for cell in cells], float)


def not_numbers(cells: Sequence[str]) -> str:
    """The sentence for different cells that should be numbers."""
    shown = ", ".join(quoted(cell) for cell in cells[:_SHOWN]) + _and_more(len(cells))
    comma = number(cells[0].replace(",", ".")) is not None
    are = "is not a number" if len(cells) == 1 else "are not numbers"
    hint = "write it with a point" if comma else "write the number alone, without a unit"
    return f"{shown} {are}; {hint}."


def number(text: str) -> float | None:
    """The number that a cell is, None if it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def is_id(text: str) -> bool:
    """Whether PEtab allows a text as an id; inf, which is a number, is none."""
    return _ID.fullmatch(text) is not None and number(text) is None


def optional_text(table: Table, column: str) -> np.ndarray:
    """A column's cells, NaN where they are empty, as PEtab's own tables have them."""
    return texts([math.nan if cell in MISSING else cell for cell in table.column(column)])


def number_or_text(cells: Collection[str], ids: Collection[str] = ()) -> np.ndarray:
    """Cells as numbers where they are some, else as text, NaN where they are empty.

    Args:
        cells: text.
        ids: those that are ids even where they look empty, such as NA.
    """
    values: dict[str, float | str] = {}
    for cell in set(cells):
        value = number(cell)
        empty = cell in MISSING and cell not in ids
        values[cell] = math.nan if empty else cell if value is None else value
    array = texts([values[cell] for cell in cells])
    all_numbers = all(isinstance(value, float) for value in values.values())
    return array.astype(np.float64) if all_numbers else array
