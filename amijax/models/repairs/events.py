"""Events that happen at one time.

AMICI's sensitivities are wrong where two events happen at once
(https://github.com/AMICI-dev/AMICI/issues/3261 and 3263). Events with the same trigger become one.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

import sympy as sp

from amijax.models.draft import Draft
from amijax.models.plan import EventTime
from amijax.models.sbml_tree import MATHML, names, number, substitute
from amijax.models.symbolic import TIME, amici_text, to_sympy

_RELATIONS = {"gt": 1, "geq": 1, "lt": -1, "leq": -1}


class _Event(NamedTuple):
    element: ET.Element
    name: str
    trigger: ET.Element  # its formula
    initial_value: bool
    values_from_trigger_time: bool
    priority: float | None
    delayed: bool
    assignments: dict[str, ET.Element]


def merge_events(draft: Draft) -> None:
    """Make one event of those with the same trigger, in the order of their priorities."""
    groups: dict[tuple[object, ...], list[_Event]] = {}
    for event in _events(draft):
        key = (_canonical(draft, event.trigger), event.initial_value)
        groups.setdefault(key, []).append(event)
    _join_periods(draft, groups)
    for together in groups.values():
        if len(together) > 1:
            _merge(draft, together)
    _distrust_priorities(draft)


def _join_periods(draft: Draft, groups: dict[tuple[object, ...], list[_Event]]) -> None:
    """Put events that begin periods with others at the same time.

    What they have at the start is no event in simulations that begin then: they may join both
    kinds of events there.
    """
    for (trigger, at_start), together in list(groups.items()):
        others = (trigger, not at_start)
        if at_start and others in groups and {e.name for e in together} <= draft.period_events:
            groups[others] += groups.pop((trigger, at_start))


def _events(draft: Draft) -> list[_Event]:
    tree = draft.tree
    found = []
    for element in tree.elements("event"):
        children = {child.tag.rpartition("}")[2]: child for child in element}
        trigger = children.get("trigger")
        formula = tree.formula(trigger)
        if trigger is None or formula is None:
            continue
        delay = tree.formula(children.get("delay"))
        assignments = {
            assignment.get("variable", ""): value
            for assignment in children.get("listOfEventAssignments", ())
            if (value := tree.formula(assignment)) is not None
        }
        found.append(
            _Event(
                element,
                element.get("id", ""),
                formula,
                trigger.get("initialValue", "true") == "true",
                element.get("useValuesFromTriggerTime", "true") == "true",
                number(tree.formula(children.get("priority"))),
                delay is not None and number(delay) != 0,
                assignments,
            )
        )
    return found


def _canonical(draft: Draft, trigger: ET.Element) -> str:
    """The same text for triggers that become true at the same times, as far as it can be seen."""
    relation = trigger[0].tag.removeprefix(f"{{{MATHML}}}") if len(trigger) == 3 else ""
    try:
        if relation not in _RELATIONS:
            return str(to_sympy(draft.entities.written_out(trigger)))
        left, right = (to_sympy(draft.entities.written_out(side)) for side in trigger[1:])
        root = sp.expand((left - right) * _RELATIONS[relation])
        slope = sp.diff(root, TIME)
        if slope.is_number and slope != 0:  # the time itself, and from which side it is crossed
            return f"{sp.sign(slope)} {sp.expand(root / sp.Abs(slope))}"
        return str(root)
    except (ValueError, NotImplementedError, TypeError, AttributeError):
        return ET.tostring(trigger, encoding="unicode")


def event_times(draft: Draft) -> tuple[EventTime, ...]:
    """When events happen whose trigger compares time with constant parameters.

    Events that are left may still happen at one time, at some values of the parameters.
    """
    found = []
    for event in _events(draft):
        try:
            trigger = draft.entities.written_out(event.trigger)
            if len(trigger) != 3 or trigger[0].tag.removeprefix(f"{{{MATHML}}}") not in _RELATIONS:
                continue
            root = to_sympy(trigger[1]) - to_sympy(trigger[2])
            slope = sp.diff(root, TIME)
            if not slope.is_number or slope == 0:
                continue
            when = -root.subs(TIME, 0) / slope
        except (ValueError, NotImplementedError, TypeError, AttributeError):
            continue
        if all(draft.entities.is_plain_parameter(str(s)) for s in when.free_symbols):
            found.append(EventTime(draft.own(event.name)[0], amici_text(when)))
    return tuple(found)


def _merge(draft: Draft, together: list[_Event]) -> None:
    """One event in the place of several that happen at once."""
    ordered = sorted(
        together, key=lambda event: -float("inf") if event.priority is None else -event.priority
    )
    ordered = [e for e in ordered if e.priority is not None] + [
        e for e in ordered if e.priority is None
    ]
    ordered.sort(key=lambda event: event.name not in draft.period_events)
    if any(event.delayed for event in ordered) or _touch_compartments(draft, ordered):
        draft.distrust(
            "simultaneous_events",
            f"The events {', '.join(event.name for event in ordered)} happen at once: AMICI's "
            "derivatives after them are wrong.",
            "forward",
            "adjoint",
        )
        if any(event.name in draft.period_events for event in ordered):
            for event in ordered:  # a period begins before anything else happens
                if event.name not in draft.period_events:
                    event.element.set("useValuesFromTriggerTime", "false")
        return
    begun: dict[str, ET.Element] = {}
    after: dict[str, ET.Element] = {}
    for event in ordered:
        known = begun if event.values_from_trigger_time else after
        later = {
            variable: substitute(formula, known) for variable, formula in event.assignments.items()
        }
        after |= later
        if event.name in draft.period_events:  # all others happen after it
            begun |= later
    own = [event for event in ordered if event.name not in draft.period_events]
    if _order_matters(own):
        draft.distrust(
            "event_order",
            f"The events {', '.join(event.name for event in own)} happen at once and change or "
            "use the same quantities, but have no priorities that say in which order: they happen "
            "in the order of the model.",
        )
    first = ordered[0].element
    namespace = draft.tree.namespace
    for child in list(first):
        if child.tag in (f"{{{namespace}}}priority", f"{{{namespace}}}listOfEventAssignments"):
            first.remove(child)
    assignments = ET.SubElement(first, f"{{{namespace}}}listOfEventAssignments")
    for variable, formula in after.items():
        assignment = ET.SubElement(
            assignments, f"{{{namespace}}}eventAssignment", {"variable": variable}
        )
        draft.tree.set_formula(assignment, formula)
    first.set("useValuesFromTriggerTime", "true")
    for event in ordered[1:]:
        draft.tree.remove(event.element)
    draft.repaired(
        "simultaneous_events",
        f"The events {', '.join(event.name for event in ordered)} happen at once: they are one "
        "event, since AMICI's derivatives of several are wrong.",
        *(event.name for event in ordered),
    )


def _touch_compartments(draft: Draft, events: list[_Event]) -> bool:
    return any(
        variable in draft.entities.compartments
        for event in events
        for variable in event.assignments
    )


def _order_matters(events: list[_Event]) -> bool:
    """Whether another order of events of the same priority would give other values."""
    for i, one in enumerate(events):
        for other in events[i + 1 :]:
            if one.priority is not None and other.priority is not None:
                if one.priority != other.priority:
                    continue
            elif (one.priority is None) != (other.priority is None):
                pass  # SBML leaves the order open where one has no priority
            if set(one.assignments) & set(other.assignments):
                return True
            for changing, reading in ((one, other), (other, one)):
                if reading.values_from_trigger_time:
                    continue
                used = set().union(*(names(f) for f in reading.assignments.values()))
                if used & set(changing.assignments):
                    return True
    return False


def _distrust_priorities(draft: Draft) -> None:
    """Events with priorities that are left may happen at once at some parameters."""
    left = [
        event
        for event in _events(draft)
        if event.priority is not None and event.name not in draft.period_events
    ]
    if len(left) > 1:
        draft.distrust(
            "event_priorities",
            f"The events {', '.join(event.name for event in left)} have priorities and triggers "
            "that differ: where they happen at once, AMICI's derivatives are wrong.",
            "forward",
            "adjoint",
        )
