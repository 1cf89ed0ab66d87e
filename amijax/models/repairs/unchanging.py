"""Quantities that never change: AMICI's derivatives of their initial values are 0.

AMICI makes a conserved total of a state that never changes, and loses what its initial value
depends on (https://github.com/AMICI-dev/AMICI/issues/3249). As an assignment rule it is right.
"""

from __future__ import annotations

from amijax.models.draft import Draft
from amijax.models.sbml_tree import number, uses_time


def drop_zero_rates(draft: Draft) -> None:
    """Remove rate rules that say 0: what they are of does not change by them."""
    for variable, rule in draft.tree.by_id("rateRule").items():
        if number(draft.tree.formula(rule)) == 0:
            draft.tree.remove(rule)
            draft.repaired(
                "zero_rate", f"The rate rule 0 of {variable} is left out: it changes nothing.",
                variable,
            )  # fmt: skip


def start_at_time_zero(draft: Draft) -> None:
    """Write 0 for time in initial assignments: AMICI can't read time there (issue 3249)."""
    for symbol, formula in draft.entities.initial_assignments.items():
        if uses_time(formula):
            draft.tree.set_initial_assignment(symbol, draft.entities.at_start(formula))
            draft.repaired(
                "initial_time", f"Time is written as 0 in the initial assignment of {symbol}.",
                symbol,
            )  # fmt: skip


def write_parameters_out(draft: Draft) -> None:
    """Constant parameters whose initial value is a formula of more than parameters.

    AMICI makes states of them that never change; written out they are formulas of parameters.
    """
    entities = draft.entities
    for name, formula in entities.initial_assignments.items():
        if name not in entities.parameters or entities.changes(name) or number(formula) is not None:
            continue
        at_start = entities.at_start(formula)
        if at_start is not formula and draft.depends_on_free(at_start):
            if not entities.needs_writing_out(formula):
                continue
            draft.tree.set_initial_assignment(name, at_start)
            draft.repaired(
                "constant_parameter",
                f"The initial assignment of {name} is written out as a formula of parameters.",
                name,
            )


def make_rules(draft: Draft) -> None:
    """Species that never change become assignment rules of their initial values."""
    for name in draft.entities.species:
        entities = draft.entities
        if entities.changes(name) or name in entities.assignment_rules:
            continue
        formula = entities.initial(name)
        reset = any(name in states for states in draft.resets)
        if not (draft.depends_on_free(formula) or reset):
            continue
        draft.tree.set_assignment_rule(name, formula)
        for states in draft.resets:
            if name in states:
                states.remove(name)
        draft.repaired(
            "constant_species",
            f"{name} never changes: it is computed from its initial value's formula, since AMICI "
            "loses the derivatives of a state that is constant.",
            name,
        )
