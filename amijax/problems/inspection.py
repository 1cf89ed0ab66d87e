"""Looking at models and tables before a real reader does: what could harm it is refused.

libSBML expands entities (in UTF-16 as well) and crashes the process on deeply nested formulas;
pandas unpacks by suffix and takes fifty times a table's size. So every file is scanned first.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from xml.parsers import expat

from amijax.problems.expansion import Extent, expanded_extent
from amijax.problems.limits import BundleLimits
from amijax.problems.problem import ProblemError

# All of it, so that no other reader can see another encoding than we do.
_PROLOG = re.compile(
    rb"""<\?xml\s+version\s*=\s*["']1\.[0-9]["']"""
    rb"""(\s+encoding\s*=\s*["'](?P<encoding>[A-Za-z0-9._-]*)["'])?"""
    rb"""(\s+standalone\s*=\s*["'](yes|no)["'])?\s*\?>"""
)
_DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_SBML = re.compile(r"http://www\.sbml\.org/sbml/level\d")
_PACKAGE = re.compile(r"http://www\.sbml\.org/sbml/level\d+/version\d+/([A-Za-z0-9]+)")
# Drawings and annotations without influence on the equations, and two more functions for them.
# Others may be declared, as some tools do for all packages they know, but not used.
_HARMLESS = ("core", "layout", "render", "groups", "fbc", "l3v2extendedmath")
_PORTS = ("listOfPorts", "port")  # of comp: what other models may connect to
_EXPANDED_DEPTH = 3  # of the nesting before; recursion through the result ends at a thousand
_COUNTED = {"species": "species", "reaction": "reactions", "parameter": "parameters"}


def check_sbml(data: bytes, name: str, limits: BundleLimits) -> None:
    """Refuse a model that libSBML should not be given.

    Not checked: whether it is valid SBML; only that it can be read without danger.

    Raises:
        ProblemError: it is too large, not UTF-8, not SBML, has a document type declaration, is
            nested too deeply, or uses a package that reaches for other files or isn't supported.
    """
    _check_size(len(data), limits.sbml_bytes, f"The model {name}", "bytes")
    if b"\0" in data or _encoding(data) not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise ProblemError(
            f"The model {name} is not encoded in UTF-8, as SBML must be; save it in UTF-8."
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(
            f"The model {name} is not encoded in UTF-8 (line {_line(data, error)}), as SBML must "
            "be; save it in UTF-8."
        ) from error
    if found := _DECLARATION.search(data):
        raise ProblemError(
            f"The model {name} has a {found[1].decode().upper()} declaration. SBML needs none, and "
            "they can make a reader open other files: remove it."
        )
    try:
        _Scan(name, limits).run(data)
    except expat.ExpatError as error:
        raise ProblemError(f"The model {name} is not well-formed XML: {error}.") from error
    if b"functionDefinition" in data:
        _check_expanded(expanded_extent(data), name, limits)


def _check_expanded(extent: Extent, name: str, limits: BundleLimits) -> None:
    if extent.size > limits.sbml_elements or extent.depth > _EXPANDED_DEPTH * limits.sbml_depth:
        deep = extent.depth > _EXPANDED_DEPTH * limits.sbml_depth
        what = "deeply nested" if deep else "large"
        raise ProblemError(
            f"The model {name} becomes too {what} when the calls of its function definitions are "
            "expanded, which AMICI needs; use fewer functions that call each other."
        )


def _encoding(data: bytes) -> str | None:
    """The encoding that XML declares, in lower case; None for a declaration that is none."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.startswith(b"<?xml"):
        return "utf-8"
    prolog = _PROLOG.match(data)
    return prolog and (prolog["encoding"] or b"utf-8").decode().lower()


class _Scan:
    """One pass over a model's XML that counts and looks at namespaces."""

    def __init__(self, name: str, limits: BundleLimits) -> None:
        self._name, self._limits = name, limits
        self._depth = self._elements = 0
        self._counts: Counter[str] = Counter()

    def run(self, data: bytes) -> None:
        parser = expat.ParserCreate("UTF-8", " ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.Parse(data, True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, local = tag.rpartition(" ")
        if self._elements == 0 and (local != "sbml" or not _SBML.match(namespace)):
            raise ProblemError(
                f"The model {self._name} is not SBML: its outermost element is <{local[:40]}>."
            )
        if local not in _PORTS:
            self._check_package(namespace)
            for attribute in attributes:
                uri, _, name = attribute.rpartition(" ")
                if name != "required":
                    self._check_package(uri)
        self._depth += 1
        self._elements += 1
        limits, what = self._limits, f"The model {self._name}"
        _check_size(self._elements, limits.sbml_elements, what, "XML elements")
        if self._depth > limits.sbml_depth:
            raise ProblemError(
                f"{what} nests XML elements more than {limits.sbml_depth} deep; split its formulas "
                "into several rules."
            )
        if local in _COUNTED:
            self._counts[local] += 1
            counted = _COUNTED[local]
            _check_size(self._counts[local], getattr(limits, counted), what, counted)

    def _end(self, _tag: str) -> None:
        self._depth -= 1

    def _check_package(self, uri: str) -> None:
        if uri and (package := _unsupported_package(uri)):
            remedy = (
                "flatten the model into one without submodels first"
                if package == "comp"
                else "export it without that package"
            )
            raise ProblemError(
                f"The model {self._name} uses the SBML package {package!r}, which is not "
                f"supported: {remedy}."
            )


@lru_cache(maxsize=100)
def _unsupported_package(uri: str) -> str | None:
    """The SBML package of a namespace, None if it is none or can do no harm."""
    package = _PACKAGE.match(uri)
    return package[1] if package and package[1] not in _HARMLESS else None


def check_table(data: bytes, name: str, limits: BundleLimits) -> None:
    """Refuse a table that pandas should not be given.

    Not checked: whether it is a PEtab table; only that reading it costs little.

    Raises:
        ProblemError: it is too large or not text in UTF-8.
    """
    what = f"The table {name}"
    _check_size(len(data), limits.table_bytes, what, "bytes")
    if b"\0" in data:
        raise ProblemError(f"{what} is not text; a table of tab-separated values was expected.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(
            f"{what} is not encoded in UTF-8 (line {_line(data, error)}); save it in UTF-8."
        ) from error
    lines = data.splitlines()
    _check_size(len(lines), limits.table_rows, what, "rows")
    columns = 1 + max((line.count(b"\t") for line in lines), default=0)
    _check_size(columns * len(lines), limits.table_cells, what, "cells")
    longest = max((len(field) for field in re.split(rb"[\t\r\n]", data)), default=0)
    _check_size(longest, limits.field_length, what, "characters in one field")


def _line(data: bytes, error: UnicodeDecodeError) -> int:
    return data.count(b"\n", 0, error.start) + 1


def _check_size(size: int, limit: int, what: str, unit: str) -> None:
    if size > limit:
        raise ProblemError(
            f"{what} is too large: more than {limit:,} {unit}, the most that is taken."
        )
