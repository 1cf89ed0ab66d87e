"""Algebraic rules: AMICI's sensitivities of them are wrong, or end the process.

See https://github.com/AMICI-dev/AMICI/issues/3250. A rule that is linear in the one quantity that
nothing else determines is solved for it and becomes an assignment rule.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import sympy as sp

from amijax.models.draft import Draft
from amijax.models.sbml_tree import apply, cn, names, substitute
from amijax.models.symbolic import symbol, to_sympy


def solve_algebraic_rules(draft: Draft) -> None:
    """Turn algebraic rules into assignment rules, as long as one can be solved."""
    go_on = True
    while go_on:
        go_on = False
        for element in draft.tree.elements("algebraicRule"):
            formula = draft.tree.formula(element)
            if formula is None:
                draft.tree.remove(element)
                continue
            unknown = sorted(names(formula) & draft.entities.algebraic)
            if len(unknown) != 1 or (solution := _solved(formula, unknown[0])) is None:
                continue
            draft.tree.remove(element)
            draft.tree.set_assignment_rule(unknown[0], solution)
            draft.repaired(
                "algebraic_rule",
                f"The algebraic rule is solved for {unknown[0]}, which becomes an assignment rule; "
                "its stated initial value has no effect.",
                unknown[0],
            )
            go_on = True
            break
    for element in draft.tree.elements("algebraicRule"):
        formula = draft.tree.formula(element)
        assert formula is not None
        draft.distrust(
            "algebraic_rule",
            f"The model has an algebraic rule of {', '.join(sorted(names(formula)))} that can't be "
            "solved for one of them: AMICI's sensitivities of such rules are wrong or end the "
            "process, and its llh is wrong where the stated initial values violate the rule.",
            "forward",
            "adjoint",
        )


def _solved(formula: ET.Element, unknown: str) -> ET.Element | None:
    """The formula of a quantity for which an expression that is linear in it is 0, else None."""
    slope = sp.diff(to_sympy(formula), symbol(unknown))
    if slope.has(symbol(unknown)) or slope.has(sp.Derivative) or slope == 0:
        return None
    at_zero = substitute(formula, {unknown: cn(0.0)})
    at_one = substitute(formula, {unknown: cn(1.0)})
    return apply("divide", apply("minus", at_zero), apply("minus", at_one, at_zero))
