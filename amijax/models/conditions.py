"""Parameter and condition table in the model: what they set, each in the form AMICI needs."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from amijax.models.draft import Draft
from amijax.models.plan import Value
from amijax.models.sbml_tree import number
from amijax.models.values import InSimulation


def set_table_values(draft: Draft) -> None:
    """Give the model's quantities what the parameter and the condition table say of them.

    A constant parameter gets values in each simulation; where they differ between preequilibration
    and simulation and are free parameters, it becomes a rule. What changes in time, species and
    compartments begin with an initial assignment of new parameters.

    Raises:
        ProblemError: a table sets something that can't be set.
    """
    numbers = _numbers(draft)
    named = [*draft.tables.columns, *draft.tables.parameter_ids()]
    targets = [name for name in dict.fromkeys(named) if name in draft.neutral]
    # Constant parameters first: initial values may be formulas of them.
    states = []
    for name in targets:
        target = draft.neutral[name]
        if target in draft.entities.assignment_rules:
            raise draft.refuse(
                f"{name} is set by an assignment rule of the model, so no table can set it."
            )
        if target in draft.entities.parameters and not draft.entities.changes(target):
            _set_parameter(draft, name, target, numbers)
        else:
            states.append(name)
    for name in states:
        _set_initial_value(draft, name, draft.neutral[name], numbers)


def _numbers(draft: Draft) -> dict[str, Value]:
    """The model's own numbers for its constant parameters, by the user's ids."""
    found: dict[str, Value] = {}
    for name, made in draft.neutral.items():
        if draft.entities.is_plain_parameter(made):
            found[name] = draft.entities.number_of(made)
    return found


def _set_parameter(draft: Draft, name: str, target: str, numbers: dict[str, Value]) -> None:
    """Give a constant parameter its value in each simulation."""
    own = draft.tables.parameter(name)
    formula = draft.entities.initial_assignments.get(target)
    given = draft.tables.given(name, numbers)
    if own is None and formula is not None and number(formula) is None:
        if any(value is not None for pair in given for value in pair):
            default = draft.entities.at_start(formula)
            rule = draft.with_defaults(given, default, name, resettable=False)
            draft.tree.set_assignment_rule(target, rule)
            draft.changed()
        return
    default_value = own if own is not None else numbers.get(name, 0.0)
    values = [
        (default_value if pre is None else pre, default_value if sim is None else sim)
        for pre, sim in given
    ]
    if formula is not None:
        draft.tree.drop_initial_assignment(target)
        draft.changed()
    draft.values[target] = values
    if draft.is_free(target) and any(pre != sim for pre, sim in values):
        del draft.values[target]
        draft.tree.set_assignment_rule(target, draft.formula_of(values, name))
        draft.changed()


def _set_initial_value(draft: Draft, name: str, target: str, numbers: dict[str, Value]) -> None:
    """Let something that is no constant parameter begin with its value in each simulation."""
    own = draft.tables.parameter(name)
    default = draft.entities.initial(target)
    known = own if own is not None else number(default)
    given = []
    resettable = False
    for i, (pre, sim) in enumerate(draft.tables.given(name, numbers)):
        first = known if pre is None else pre
        if draft.simulations[i].preequilibration is None or sim is None:
            given.append(InSimulation(first, first))
        else:
            given.append(InSimulation(first, sim))
            draft.resets[i].append(target)
            resettable = True
    formula: ET.Element = draft.with_defaults(
        given, default, f"initial value of {name}", resettable=resettable
    )
    draft.tree.set_initial_assignment(target, formula)
    draft.changed()
