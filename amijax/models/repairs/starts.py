"""Conditions that become true or false right at the start.

AMICI decides at the start whether a condition holds and then looks for changes of its sign: one
that is exactly at its edge there is missed (https://github.com/AMICI-dev/AMICI/issues/2724). `time
> 0` and `time >= 0` differ in a single instant only, so each condition of time that begins at its
edge is given the form, strict or not, with which AMICI begins as the model goes on.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import sympy as sp

from amijax.models.draft import Draft
from amijax.models.plan import Free
from amijax.models.sbml_tree import MATHML
from amijax.models.symbolic import TIME, symbol, to_sympy

_HIGHEST_DERIVATIVE = 4
# Relation -> (its other form, strict or not; whether it is strict; sign of left minus right).
_RELATIONS = {
    "gt": ("geq", True, 1),
    "lt": ("leq", True, -1),
    "geq": ("gt", False, 1),
    "leq": ("lt", False, -1),
}


def settle_edges_at_start(draft: Draft) -> None:
    """Give conditions that begin at their edge the form with which AMICI begins rightly."""
    tag = f"{{{draft.tree.namespace}}}trigger"
    triggers = [draft.tree.formula(trigger) for trigger in draft.tree.elements("trigger")]
    for event in draft.tree.elements("event"):
        if event.get("id") not in draft.period_events:
            for trigger in event.iter(tag):
                _fire_at_start(draft, trigger)
    for formula in list(draft.tree.formulas()):
        if formula in triggers:
            continue  # AMICI's triggers are strict and non-strict alike
        for element in formula.iter():
            if (relation := _relation(element)) is not None:
                _settle(draft, element, relation)


def _relation(formula: ET.Element | None) -> str | None:
    """The relation of a comparison of two things; None for anything else."""
    if formula is None or len(formula) != 3:
        return None
    name = formula[0].tag.removeprefix(f"{{{MATHML}}}")
    return name if name in _RELATIONS else None


def _fire_at_start(draft: Draft, trigger: ET.Element) -> None:
    """Let an event whose strict trigger becomes true right after the start fire at the start."""
    formula = draft.tree.formula(trigger)
    relation = _relation(formula)
    if formula is None or relation is None:
        return
    _, strict, sign = _RELATIONS[relation]
    direction = _direction_at_edge(draft, formula)
    if strict and direction is not None and direction * sign > 0:
        if _holds_at_some_start(draft, formula, sign):
            draft.distrust(
                "event_at_start",
                "An event's trigger becomes true right after the start of some simulations, which "
                "AMICI misses there, and is true from the start in others.",
            )
            return
        trigger.set("initialValue", "false")
        draft.repaired(
            "event_at_start",
            "An event's trigger becomes true right after the start, which AMICI misses: the event "
            "happens at the start.",
        )


def _settle(draft: Draft, comparison: ET.Element, relation: str) -> None:
    other, strict, sign = _RELATIONS[relation]
    direction = _direction_at_edge(draft, comparison)
    if direction is None:
        return
    holds = direction * sign > 0  # just after the start
    if holds == strict:  # strict conditions begin false, others true
        comparison[0].tag = f"{{{MATHML}}}{other}"
        draft.repaired(
            "edge_at_start",
            "A condition of time is exactly at its edge at the start, which AMICI misses: it is "
            f"{'non-strict' if strict else 'strict'} now.",
        )


def _direction_at_edge(draft: Draft, comparison: ET.Element) -> int | None:
    """The sign of left minus right just after the start; None unless it is 0 there.

    Simulations may begin at different times: those that are not at the edge don't count.

    Only conditions of time and constant parameters are looked at.
    """
    entities = draft.entities
    try:
        sides = [to_sympy(entities.written_out(side)) for side in comparison[1:]]
        difference = sides[0] - sides[1]
    except (ValueError, NotImplementedError, TypeError):
        return None
    if TIME not in difference.free_symbols:
        return None
    others = {str(s) for s in difference.free_symbols - {TIME}}
    if not all(entities.is_plain_parameter(name) for name in others):
        return None
    directions = {
        _direction(difference, numbers, start) for numbers, start in _numbers(draft, others)
    } - {0}
    if len(directions) == 2:
        draft.distrust(
            "edge_at_start",
            "A condition of time is exactly at its edge at the start, in some simulations before "
            "it holds and in others after it: AMICI begins wrongly in some.",
        )
    return directions.pop() if len(directions) == 1 else None


def _holds_at_some_start(draft: Draft, comparison: ET.Element, sign: int) -> bool:
    """Whether a comparison of time is true, and not at its edge, when some simulation begins."""
    sides = [to_sympy(draft.entities.written_out(side)) for side in comparison[1:]]
    difference = sides[0] - sides[1]
    others = {str(s) for s in difference.free_symbols - {TIME}}
    return any(
        _value(difference.subs({symbol(n): v for n, v in numbers.items()}), start) * sign > 0
        for numbers, start in _numbers(draft, others)
    )


def _direction(difference: sp.Expr, numbers: dict[str, float], start: float) -> int:
    """The sign of an expression just after the start, 0 if it is not 0 at the start."""
    here = difference.subs({symbol(name): value for name, value in numbers.items()})
    if _value(here, start) != 0:
        return 0
    for order in range(1, _HIGHEST_DERIVATIVE + 1):
        slope = _value(sp.diff(here, TIME, order), start)
        if slope != 0:
            return 1 if slope > 0 else -1
    return 0


def _value(expression: sp.Basic, time: float) -> float:
    """At a time; NaN if that is no real number."""
    try:
        return float(expression.subs(TIME, sp.Float(time) if time else sp.Integer(0)))
    except TypeError:
        return float("nan")


def _numbers(draft: Draft, names: set[str]) -> list[tuple[dict[str, float], float]]:
    """Values of parameters in each simulation, free ones at nominal, and when it begins.

    Each combination is there once. A simulation that equilibrates begins twice.
    """
    found: dict[tuple[float, ...], tuple[dict[str, float], float]] = {}
    ordered = sorted(names)
    for i, planned in enumerate(draft.simulations):
        values = {}
        for name in ordered:
            if name in draft.values:
                value = draft.values[name][i][1]
                if isinstance(value, Free):
                    value = float(draft.problem.nominal_p[value.position])
            else:
                value = draft.entities.number_of(name)
            values[name] = value
        for start in {planned.start, planned.first_time}:
            found[*values.values(), start] = values, start
    return list(found.values())
