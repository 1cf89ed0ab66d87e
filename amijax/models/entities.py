"""What the quantities of an SBML model are: which ones change in time, and how they begin."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from functools import cached_property

from amijax.models.sbml_tree import SbmlTree, apply, ci, cn, names, number, substitute
from amijax.problems.problem import ProblemError


class Entities:
    """Looks things up in one state of an SBML tree; make a new one after a change of the tree."""

    def __init__(self, tree: SbmlTree) -> None:
        """Look a model over.

        Args:
            tree: with function definitions expanded and local parameters made global.
        """
        self.tree = tree
        self.parameters = tree.by_id("parameter")
        self.species = tree.by_id("species")
        self.compartments = tree.by_id("compartment")
        self.references = {
            name: e for e in tree.elements("speciesReference") if (name := e.get("id"))
        }
        self.assignment_rules = self._formulas("assignmentRule")
        self.rate_rules = self._formulas("rateRule")
        self.initial_assignments = self._formulas("initialAssignment")
        self.algebraic_rules = [
            formula
            for element in tree.elements("algebraicRule")
            if (formula := tree.formula(element)) is not None
        ]
        self.event_targets = {e.get("variable", "") for e in tree.elements("eventAssignment")}

    @cached_property
    def reacting(self) -> set[str]:
        """Species whose amounts reactions change."""
        changed = {
            reference.get("species", "")
            for tag in ("listOfReactants", "listOfProducts")
            for group in self.tree.elements(tag)
            for reference in group
            if float(reference.get("stoichiometry", "1")) != 0 or reference.get("id") is not None
        }
        return {name for name in changed if not self._is_outside_reactions(name)}

    @cached_property
    def algebraic(self) -> set[str]:
        """Quantities that algebraic rules determine: those that nothing else does."""
        found: set[str] = set()
        for rule in self.algebraic_rules:
            found |= {name for name in names(rule) if self._is_free_for_algebra(name)}
        return found

    def changes(self, name: str) -> bool:
        """Whether a quantity's value can change during a simulation, rules of it aside."""
        rate = self.rate_rules.get(name)
        if rate is not None and number(rate) != 0:
            return True
        if name in self.event_targets or name in self.algebraic:
            return True
        species = self.species.get(name)
        if species is None:
            return False
        if name in self.reacting:
            return True
        # An amount stays; a concentration changes with its compartment's size.
        compartment = species.get("compartment", "")
        return (
            species.get("hasOnlySubstanceUnits") != "true"
            and species.get("constant") != "true"
            and (self.changes(compartment) or compartment in self.assignment_rules)
        )

    def initial(self, name: str, _under_way: tuple[str, ...] = ()) -> ET.Element:
        """How a quantity begins, as a formula of constant parameters that no formula sets.

        Time is that of the start. A species is a concentration unless it has only substance units.

        Raises:
            ProblemError: initial values depend on each other in a circle.
        """
        if name in _under_way:
            raise ProblemError(
                "The model's initial values depend on each other in a circle: "
                f"{', '.join(_under_way)}."
            )
        if self.is_plain_parameter(name) or not self._is_quantity(name):
            return ci(name)
        formula = self.assignment_rules.get(name)
        if formula is None:
            formula = self.initial_assignments.get(name)
        if formula is None:
            formula = self.stated(name)
        return self.at_start(formula, (*_under_way, name))

    def at_start(self, formula: ET.Element, _under_way: tuple[str, ...] = ()) -> ET.Element:
        """A formula's value at the start, as a formula of constant parameters."""
        by = {
            other: self.initial(other, _under_way)
            for other in names(formula)
            if not self.is_plain_parameter(other)
        }
        return substitute(formula, by, time=self.tree.start)

    def stated(self, name: str) -> ET.Element:
        """The initial value that an element's attributes state."""
        if (parameter := self.parameters.get(name)) is not None:
            return cn(_number(parameter.get("value")))
        if (compartment := self.compartments.get(name)) is not None:
            default = "1" if self.tree.level < 3 else "NaN"
            return cn(_number(compartment.get("size", compartment.get("volume", default))))
        if (reference := self.references.get(name)) is not None:
            return cn(float(reference.get("stoichiometry", "1")))
        species = self.species[name]
        is_amount = species.get("hasOnlySubstanceUnits") == "true"
        size = ci(species.get("compartment", ""))
        concentration = _number(species.get("initialConcentration"))
        amount = _number(species.get("initialAmount"))
        if not math.isnan(concentration):
            return apply("times", cn(concentration), size) if is_amount else cn(concentration)
        if not math.isnan(amount):
            return cn(amount) if is_amount else apply("divide", cn(amount), size)
        return cn(0.0)

    def is_plain_parameter(self, name: str) -> bool:
        """Whether it is a parameter with a number for value that nothing changes."""
        return (
            name in self.parameters
            and name not in self.assignment_rules
            and (
                name not in self.initial_assignments
                or number(self.initial_assignments[name]) is not None
            )
            and not self.changes(name)
        )

    def _is_quantity(self, name: str) -> bool:
        kinds = (self.parameters, self.species, self.compartments, self.references)
        return any(name in kind for kind in kinds)

    def number_of(self, name: str) -> float:
        """The number that the model gives a plain parameter."""
        own = number(self.initial_assignments.get(name))
        value = number(self.stated(name)) if own is None else own
        assert value is not None
        return value

    def needs_writing_out(self, formula: ET.Element) -> bool:
        """Whether a formula refers to more than constant parameters and formulas of them."""
        for name in names(formula):
            if self.is_plain_parameter(name):
                continue
            own = self.initial_assignments.get(name)
            if name not in self.parameters or self.changes(name) or own is None:
                return True
            if self.needs_writing_out(own):
                return True
        return False

    def written_out(self, formula: ET.Element) -> ET.Element:
        """A formula with the targets of assignment rules replaced by what the rules say."""
        by = {
            name: self.written_out(self.assignment_rules[name])
            for name in names(formula)
            if name in self.assignment_rules
        }
        return substitute(formula, by) if by else formula

    def _is_outside_reactions(self, name: str) -> bool:
        species = self.species.get(name)
        if species is None:
            return True
        return (
            species.get("boundaryCondition") == "true"
            or species.get("constant") == "true"
            or name in self.assignment_rules
            or name in self.rate_rules
        )

    def _is_free_for_algebra(self, name: str) -> bool:
        for kind in (self.parameters, self.species, self.compartments):
            if (element := kind.get(name)) is not None:
                return not (
                    element.get("constant") == "true"
                    or (kind is self.compartments and element.get("constant") is None)
                    or (
                        kind is self.parameters
                        and element.get("constant") is None
                        and self.tree.level < 3
                    )
                    or name in self.assignment_rules
                    or name in self.rate_rules
                    or name in self.reacting
                )
        return False

    def _formulas(self, tag: str) -> dict[str, ET.Element]:
        elements = self.tree.by_id(tag)
        return {
            name: formula
            for name, element in elements.items()
            if (formula := self.tree.formula(element)) is not None
        }


def _number(text: str | None) -> float:
    """An attribute's number, NaN where there is none."""
    return math.nan if text is None else float(text.replace("INF", "inf"))
