"""An SBML model as an XML tree that can be looked at and rewritten, formulas as MathML elements."""

from __future__ import annotations

import copy
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

MATHML = "http://www.w3.org/1998/Math/MathML"
_TIME = "http://www.sbml.org/sbml/symbols/time"
_LISTS = {
    "parameter": "listOfParameters",
    "initialAssignment": "listOfInitialAssignments",
    "assignmentRule": "listOfRules",
    "event": "listOfEvents",
}
# The order in which SBML wants them.
_ORDER = (
    "listOfFunctionDefinitions", "listOfUnitDefinitions", "listOfCompartmentTypes",
    "listOfSpeciesTypes", "listOfCompartments", "listOfSpecies", "listOfParameters",
    "listOfInitialAssignments", "listOfRules", "listOfConstraints", "listOfReactions",
    "listOfEvents",
)  # fmt: skip


class SbmlTree:
    """One SBML model; elements are found by their tag or by the id that they have or set."""

    def __init__(self, root: ET.Element) -> None:
        """Take a document over.

        Args:
            root: the `sbml` element.
        """
        self.root = root
        self.namespace = root.tag[1:].partition("}")[0]
        model = root.find(f"{{{self.namespace}}}model")
        assert model is not None
        self.model = model
        self.start = cn(0.0)  # the time at which initial values hold: a formula

    @property
    def level(self) -> int:
        """SBML's level."""
        return int(self.root.get("level", "3"))

    def elements(self, tag: str) -> list[ET.Element]:
        """All elements with a tag, for example `species`, in document order."""
        return list(self.model.iter(self._tag(tag)))

    def by_id(self, tag: str) -> dict[str, ET.Element]:
        """Elements with a tag by the id that they have, or that they set."""
        key = {"initialAssignment": "symbol"}.get(tag, "variable" if tag.endswith("Rule") else "id")
        return {e.get(key, ""): e for e in self.elements(tag)}

    def formula(self, element: ET.Element | None) -> ET.Element | None:
        """The formula of a rule, an assignment, a trigger or a kinetic law, without its `math`."""
        found = None if element is None else element.find(f"{{{MATHML}}}math")
        return found[0] if found is not None and len(found) else None

    def set_formula(self, element: ET.Element, formula: ET.Element) -> None:
        """Replace the formula of an element."""
        for old in element.findall(f"{{{MATHML}}}math"):
            element.remove(old)
        container = ET.Element(f"{{{MATHML}}}math")
        container.append(copy.deepcopy(formula))
        element.append(container)

    def formulas(self) -> Iterator[ET.Element]:
        """All formulas of the model, without their `math`."""
        for container in self.model.iter(f"{{{MATHML}}}math"):
            yield from container

    def add_parameter(self, name: str, value: float) -> ET.Element:
        """Add a constant parameter; return it."""
        attributes = {"id": name, "value": number_text(value), "constant": "true"}
        return self._append("parameter", attributes)

    def set_initial_assignment(self, symbol: str, formula: ET.Element) -> None:
        """Give something a new initial value by a formula."""
        element = self.by_id("initialAssignment").get(symbol)
        if element is None:
            element = self._append("initialAssignment", {"symbol": symbol})
        self.set_formula(element, formula)

    def drop_initial_assignment(self, symbol: str) -> None:
        """Let something begin with its numeric value."""
        self._remove(self.by_id("initialAssignment").get(symbol))

    def set_assignment_rule(self, variable: str, formula: ET.Element) -> None:
        """Let a formula say what something is, at all times.

        Its initial assignment and its attributes that forbid a rule are removed.
        """
        self.drop_initial_assignment(variable)
        element = self.by_id("assignmentRule").get(variable)
        if element is None:
            element = self._append("assignmentRule", {"variable": variable})
        self.set_formula(element, formula)
        for tag in ("species", "parameter", "compartment"):
            if (target := self.by_id(tag).get(variable)) is not None:
                target.set("constant", "false")
                if tag == "species":
                    target.set("boundaryCondition", "true")

    def add_event(
        self, name: str, when: ET.Element, assignments: Mapping[str, ET.Element], *,
        at_start: bool, priority: float | None,
    ) -> None:  # fmt: skip
        """Add an event; what it changes is not constant any more.

        Args:
            name: its id.
            when: the formula of its trigger.
            assignments: formulas by what they are assigned to, evaluated before any of them.
            at_start: whether it happens at the start if its trigger is true there.
            priority: among events at the same time; None for none.
        """
        event = self._append("event", {"id": name, "useValuesFromTriggerTime": "true"})
        trigger = ET.SubElement(
            event, self._tag("trigger"),
            {"initialValue": "false" if at_start else "true", "persistent": "true"},
        )  # fmt: skip
        self.set_formula(trigger, when)
        if priority is not None:
            self.set_formula(ET.SubElement(event, self._tag("priority")), cn(priority))
        group = ET.SubElement(event, self._tag("listOfEventAssignments"))
        for variable, formula in assignments.items():
            assignment = ET.SubElement(group, self._tag("eventAssignment"), {"variable": variable})
            self.set_formula(assignment, formula)
            for tag in ("species", "parameter", "compartment"):
                if (target := self.by_id(tag).get(variable)) is not None:
                    target.set("constant", "false")

    def remove(self, element: ET.Element) -> None:
        """Take an element out of the model."""
        self._remove(element)

    def text(self) -> bytes:
        """The document."""
        ET.register_namespace("", self.namespace)
        return ET.tostring(self.root, encoding="utf-8", xml_declaration=True)

    def _tag(self, tag: str) -> str:
        return f"{{{self.namespace}}}{tag}"

    def _append(self, tag: str, attributes: Mapping[str, str]) -> ET.Element:
        container = self.model.find(self._tag(_LISTS[tag]))
        if container is None:
            container = ET.Element(self._tag(_LISTS[tag]))
            place = _ORDER.index(_LISTS[tag])
            after = [self._tag(name) for name in _ORDER[: place + 1]]
            position = max((i + 1 for i, e in enumerate(self.model) if e.tag in after), default=0)
            self.model.insert(position, container)
        return ET.SubElement(container, self._tag(tag), dict(attributes))

    def _remove(self, element: ET.Element | None) -> None:
        if element is None:
            return
        for parent in self.model.iter():
            if element in list(parent):
                parent.remove(element)
                if not len(parent) and parent.tag in map(self._tag, _LISTS.values()):
                    self.model.remove(parent)  # an empty list is not allowed before L3V2
                return


def ci(name: str) -> ET.Element:
    """The value of something in a formula."""
    element = ET.Element(f"{{{MATHML}}}ci")
    element.text = name
    return element


def cn(value: float) -> ET.Element:
    """A number in a formula, to the last bit."""
    if math.isinf(value) or math.isnan(value):
        name = "notanumber" if math.isnan(value) else "infinity"
        element = ET.Element(f"{{{MATHML}}}{name}")
        return apply("minus", element) if value < 0 else element
    element = ET.Element(f"{{{MATHML}}}cn")
    mantissa, e, exponent = repr(float(value)).partition("e")
    element.text = mantissa
    if e:
        element.set("type", "e-notation")
        ET.SubElement(element, f"{{{MATHML}}}sep").tail = exponent
    return element


def apply(operator: str, *arguments: ET.Element) -> ET.Element:
    """An operator of MathML, for example `plus`, and its arguments."""
    element = ET.Element(f"{{{MATHML}}}apply")
    ET.SubElement(element, f"{{{MATHML}}}{operator}")
    element.extend(copy.deepcopy(argument) for argument in arguments)
    return element


def time_symbol() -> ET.Element:
    """The model's time in a formula."""
    element = ET.Element(f"{{{MATHML}}}csymbol", {"encoding": "text", "definitionURL": _TIME})
    element.text = "time"
    return element


def names(formula: ET.Element) -> set[str]:
    """What a formula refers to by id."""
    return {(e.text or "").strip() for e in formula.iter(f"{{{MATHML}}}ci")}


def is_time(element: ET.Element) -> bool:
    """Whether an element of a formula is the model's time."""
    return element.tag == f"{{{MATHML}}}csymbol" and element.get("definitionURL") == _TIME


def uses_time(formula: ET.Element) -> bool:
    """Whether a formula refers to the model's time."""
    return any(is_time(element) for element in formula.iter())


def substitute(
    formula: ET.Element, by: Mapping[str, ET.Element], time: ET.Element | None = None
) -> ET.Element:
    """A formula with other formulas in the place of ids and, if given, of the model's time."""
    if formula.tag == f"{{{MATHML}}}ci":
        found = by.get((formula.text or "").strip())
        return copy.deepcopy(formula if found is None else found)
    if time is not None and is_time(formula):
        return copy.deepcopy(time)
    result = ET.Element(formula.tag, dict(formula.attrib))
    result.text, result.tail = formula.text, formula.tail
    result.extend(substitute(child, by, time) for child in formula)
    return result


def number(formula: ET.Element | None) -> float | None:
    """The value of a formula that is a plain number, else None."""
    if formula is None:
        return None
    if formula.tag == f"{{{MATHML}}}notanumber":
        return math.nan
    if formula.tag == f"{{{MATHML}}}cn":
        parts = [part.strip() for part in formula.itertext() if part.strip()]
        kind = formula.get("type", "real")
        if kind == "e-notation":
            return float(f"{parts[0]}e{parts[1]}")
        if kind == "rational":
            return float(parts[0]) / float(parts[1])
        return float(parts[0])
    if formula.tag == f"{{{MATHML}}}apply" and len(formula) == 2:
        inner = number(formula[1])
        if formula[0].tag == f"{{{MATHML}}}minus" and inner is not None:
            return -inner
    return None


def number_text(value: float) -> str:
    """A number as an attribute of SBML has it."""
    if math.isnan(value):
        return "NaN"
    return repr(float(value)) if math.isfinite(value) else ("INF" if value > 0 else "-INF")
