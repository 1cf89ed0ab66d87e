"""How large a model becomes when its function definitions are put in place of their calls.

libSBML does that when a problem is read. Definitions that call each other double at each step,
and nesting that is harmless in each adds up; so both are computed before it is done.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MATH = "{http://www.w3.org/1998/Math/MathML}"


@dataclass(frozen=True)
class Extent:
    """Number of elements and nesting of a formula, as far as its arguments leave them open.

    Attributes:
        size, depth: of what is not an argument.
        uses: how often each argument is put in.
        depths: how deep each argument is put in at most.
    """

    size: float = 0.0
    depth: float = 0.0
    uses: Mapping[str, float] = field(default_factory=dict)
    depths: Mapping[str, float] = field(default_factory=dict)


ENDLESS = Extent(math.inf, math.inf)


def expanded_extent(model: bytes) -> Extent:
    """Elements of all formulas of a model, and their deepest nesting, after expansion.

    Args:
        model: SBML that was scanned for size, nesting and document type declarations.

    Returns:
        `ENDLESS` where a function calls itself, or a chain of calls is too long to follow.
    """
    expansion = _Expansion(ET.fromstring(model))
    try:
        # A definition that nothing calls is expanded all the same. In the usual order each finds
        # those that it calls computed, so that even long chains need no deep recursion here.
        functions = [expansion.function(name) for name in expansion.definitions]
        total = _sum(expansion.formulas())
    except RecursionError:
        return ENDLESS
    everything = [total, *functions]
    return Extent(max(e.size for e in everything), max(e.depth for e in everything))


class _Expansion:
    def __init__(self, root: ET.Element) -> None:
        self._root = root
        self._bodies: set[ET.Element] = set()
        self._known: dict[str, Extent] = {}
        self.definitions: dict[str, ET.Element] = {}
        for element in root.iter():
            if element.tag.endswith("}functionDefinition"):
                self._bodies.update(element.iter(f"{_MATH}math"))
                body = element.find(f"{_MATH}math/{_MATH}lambda")
                if body is not None:
                    self.definitions[element.get("id", "")] = body

    def formulas(self) -> Iterable[Extent]:
        """The extents of all formulas outside of function definitions."""
        for element in self._root.iter(f"{_MATH}math"):
            if element not in self._bodies:
                yield self._extent(element, set())

    def function(self, name: str) -> Extent:
        """The extent of a function's body."""
        if name not in self._known:
            self._known[name] = ENDLESS  # for calls of itself
            body = self.definitions[name]
            items = [item for item in body if item.tag != f"{_MATH}bvar"]
            arguments = set(_arguments(body))
            self._known[name] = _sum(self._extent(item, arguments) for item in items)
        return self._known[name]

    def _extent(self, element: ET.Element, arguments: set[str]) -> Extent:
        if element.tag == f"{_MATH}ci" and (name := _text(element)) in arguments:
            return Extent(uses={name: 1.0}, depths={name: 0.0})
        children = [self._extent(child, arguments) for child in element]
        head = element[0] if len(element) else None
        if element.tag == f"{_MATH}apply" and head is not None and head.tag == f"{_MATH}ci":
            body = self.definitions.get(called := _text(head))
            if body is not None:
                values = dict(zip(_arguments(body), children[1:], strict=False))
                return _put_in(self.function(called), values)
        inner = _sum(children)
        depths = {name: depth + 1 for name, depth in inner.depths.items()}
        return Extent(inner.size + 1, inner.depth + 1, inner.uses, depths)


def _arguments(body: ET.Element) -> list[str]:
    return [_text(bvar[0]) for bvar in body.findall(f"{_MATH}bvar") if len(bvar)]


def _put_in(function: Extent, values: Mapping[str, Extent]) -> Extent:
    """The extent of a call: the function's own, and its arguments' where they are put in."""
    parts = [Extent(function.size, function.depth)]
    for name, times in function.uses.items():
        if (value := values.get(name)) is not None:
            below = function.depths[name]
            parts.append(
                Extent(
                    value.size * times,
                    value.depth + below,
                    {argument: uses * times for argument, uses in value.uses.items()},
                    {argument: depth + below for argument, depth in value.depths.items()},
                )
            )
    return _sum(parts)


def _sum(parts: Iterable[Extent]) -> Extent:
    size = depth = 0.0
    uses: dict[str, float] = {}
    depths: dict[str, float] = {}
    for part in parts:
        size += part.size
        depth = max(depth, part.depth)
        for name, times in part.uses.items():
            uses[name] = uses.get(name, 0.0) + times
            depths[name] = max(depths.get(name, 0.0), part.depths[name])
    return Extent(size, depth, uses, depths)


def _text(element: ET.Element) -> str:
    return (element.text or "").strip()
