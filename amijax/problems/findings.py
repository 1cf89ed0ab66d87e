"""What there is to say about a problem's files: mistakes that refuse it, and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_SPELLED_OUT = 10


class ProblemError(ValueError):
    """A problem that can't be opened; the message says why and what to do."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found in a problem's files.

    Attributes:
        severity: an error refuses the problem, a warning doesn't.
        message: a sentence.
        code: which kind of finding it is, for programs; `linter` for PEtab's own.
        table: the file in which it is, empty if it is in none or in several.
        row: the lines of that file, in words; empty if it is about all of it.
        column: of the table, empty if it is about none.
        parameters: ids of the parameters that it is about.
    """

    severity: Literal["error", "warning"]
    message: str
    code: str = ""
    table: str = ""
    row: str = ""
    column: str = ""
    parameters: tuple[str, ...] = ()

    def __str__(self) -> str:
        column = f"column {self.column}" if self.column else ""
        place = ", ".join(part for part in (self.table, self.row, column) if part)
        return f"{place}: {self.message}" if place else self.message


class Findings:
    """Findings as they come, none of them twice."""

    def __init__(self) -> None:
        self._all: dict[Finding, None] = {}

    def add(self, finding: Finding) -> None:
        """Keep a finding."""
        self._all.setdefault(finding)

    def error(
        self, message: str, code: str, table: str = "", row: str = "", column: str = ""
    ) -> None:
        """Note a mistake that refuses the problem."""
        self.add(Finding("error", message, code, table, row, column))

    def warning(
        self, message: str, code: str, table: str = "", row: str = "", column: str = "",
        parameters: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Note what a person should know."""
        self.add(Finding("warning", message, code, table, row, column, tuple(parameters)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The mistakes."""
        return tuple(f for f in self._all if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings."""
        return tuple(f for f in self._all if f.severity == "warning")

    def refuse(self, name: str) -> None:
        """Refuse a problem that has mistakes.

        Args:
            name: what it is called in the sentence.

        Raises:
            ProblemError: there are some; the message names them, at most ten in full.
        """
        errors = self.errors
        if not errors:
            return
        if len(errors) == 1:
            raise ProblemError(f"{name} can't be used. {errors[0]}")
        shown = " ".join(f"({i}) {error}" for i, error in enumerate(errors[:_SPELLED_OUT], 1))
        rest = len(errors) - _SPELLED_OUT
        more = f" And {rest} more." if rest > 0 else ""
        raise ProblemError(f"{name} can't be used; it has {len(errors)} mistakes. {shown}{more}")
