"""The user's own SBML with the values of one simulation, for a simulator other than AMICI."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import libsbml

from amijax.audit.testimony import OutOfReachError

_TIME = libsbml.AST_NAME_TIME
_DELAY = libsbml.AST_FUNCTION_DELAY
_TRIGGER = "amijax_trigger_"


class SbmlModel:
    """An SBML model whose initial values can be set, as text for a simulator.

    Nothing of AMICI's import is used, nor of this project's reading of models.
    """

    def __init__(self, sbml: bytes, *, restarts: bool = False) -> None:
        """Read a model.

        Args:
            sbml: the file's content.
            restarts: whether it has to go on from where another simulation ended, which takes
                SBML Level 3.

        Raises:
            OutOfReachError: libRoadRunner does not simulate what the model has.
        """
        self._document = libsbml.readSBMLFromString(sbml.decode("utf-8-sig"))
        self.model = self._document.getModel()
        if self.model is None:
            raise OutOfReachError("libSBML can't read the model.")
        if restarts and self._document.getLevel() < 3:
            if not self._document.setLevelAndVersion(3, 2, False):
                raise OutOfReachError("libSBML can't convert the model to SBML Level 3.")
            self.model = self._document.getModel()
        self._refuse_what_is_not_simulated()
        self.rules = {
            rule.getVariable(): rule
            for rule in (self.model.getRule(i) for i in range(self.model.getNumRules()))
        }
        self.assigned_by_events = {
            event.getEventAssignment(j).getVariable()
            for event in (self.model.getEvent(i) for i in range(self.model.getNumEvents()))
            for j in range(event.getNumEventAssignments())
        }

    def _refuse_what_is_not_simulated(self) -> None:
        model, document = self.model, self._document
        if any(model.getRule(i).isAlgebraic() for i in range(model.getNumRules())):
            raise OutOfReachError("the model has an algebraic rule, which libRoadRunner ignores.")
        if any(
            reaction.isSetFast() and reaction.getFast()
            for reaction in (model.getReaction(i) for i in range(model.getNumReactions()))
        ):
            raise OutOfReachError(
                "the model has a fast reaction, which libRoadRunner does not know."
            )
        if model.isSetConversionFactor():
            raise OutOfReachError("the model has a conversion factor.")
        if self._uses(_DELAY):
            raise OutOfReachError("the model has a delay.")
        for i in range(document.getNumPlugins()):
            name = document.getPlugin(i).getPackageName()
            if document.getPackageRequired(name) and model.getPlugin(name) is not None:
                used = (
                    model.getPlugin(name).getNumAllElements()
                    if hasattr(model.getPlugin(name), "getNumAllElements")
                    else model.getPlugin(name).getListOfAllElements().getSize()
                )
                if used:
                    raise OutOfReachError(f"the model uses the SBML package {name}.")

    @property
    def uses_time(self) -> bool:
        """Whether a formula of the model refers to time."""
        return self._uses(_TIME)

    def _uses(self, kind: int) -> bool:
        elements = self._document.getListOfAllElements()
        for i in range(elements.getSize()):
            element = elements.get(i)
            get_math = getattr(element, "getMath", None)
            math_tree = get_math() if get_math is not None else None
            if math_tree is not None and _contains(math_tree, kind):
                return True
        return False

    def has(self, name: str) -> bool:
        """Whether the model has a quantity of that id."""
        return self.model.getElementBySId(name) is not None

    def is_species(self, name: str) -> bool:
        """Whether it is a species."""
        return self.model.getSpecies(name) is not None

    def selection(self, name: str) -> str:
        """How libRoadRunner calls the quantity that PEtab means by an id.

        A species is a concentration, unless it has only substance units.
        """
        species = self.model.getSpecies(name)
        if species is None or species.getHasOnlySubstanceUnits():
            return name
        return f"[{name}]"

    @property
    def states(self) -> tuple[str, ...]:
        """Species, and parameters and compartments that change: what a steady state consists of."""
        model = self.model
        rated = [name for name, rule in self.rules.items() if rule.isRate()]
        others = [
            name
            for name in dict.fromkeys([*rated, *sorted(self.assigned_by_events)])
            if not self.is_species(name)
        ]
        species = [model.getSpecies(i).getId() for i in range(model.getNumSpecies())]
        return tuple(
            name
            for name in [*species, *others]
            if name not in self.rules or self.rules[name].isRate()
        )

    def text_before_zero(self, values: Mapping[str, float]) -> str:
        """The model for times before 0, where no event at a time has happened.

        A simulator starts at time 0, before it is told of another time: events there must not
        happen for that.
        """
        document = libsbml.readSBMLFromString(self.text(values))
        model = document.getModel()
        for i in range(model.getNumEvents()):
            trigger = model.getEvent(i).getTrigger()
            if _contains(trigger.getMath(), _TIME):
                trigger.setInitialValue(True)
        return libsbml.writeSBMLToString(document)

    def concentrations_in(self, name: str) -> tuple[str, ...]:
        """Species of a compartment that are concentrations; none of anything else."""
        if self.model.getCompartment(name) is None:
            return ()
        return tuple(
            species.getId()
            for species in (self.model.getSpecies(i) for i in range(self.model.getNumSpecies()))
            if species.getCompartment() == name and not species.getHasOnlySubstanceUnits()
        )

    def left_by(self, runner: Any) -> tuple[dict[str, float], dict[str, float]]:
        """What a simulation ends with: amounts of species, and all else that no rule gives.

        Args:
            runner: libRoadRunner's, of this model.
        """
        model = self.model
        assigned = {name for name, rule in self.rules.items() if rule.isAssignment()}
        others = [model.getParameter(i).getId() for i in range(model.getNumParameters())]
        others += [model.getCompartment(i).getId() for i in range(model.getNumCompartments())]
        species = [model.getSpecies(i).getId() for i in range(model.getNumSpecies())]
        return (
            {name: float(runner[name]) for name in species if name not in assigned},
            {name: float(runner[name]) for name in others if name not in assigned},
        )

    def triggers_of(self, runner: Any) -> tuple[bool, ...]:
        """Whether each event's trigger is true where a simulation of `text` ended."""
        return tuple(
            float(runner[f"{_TRIGGER}{i}"]) > 0.5 for i in range(self.model.getNumEvents())
        )

    def text(
        self,
        values: Mapping[str, float],
        amounts: Mapping[str, float] | None = None,
        offset: float | None = None,
        triggers: Sequence[bool] | None = None,
    ) -> str:
        """The model with other initial values.

        Args:
            values: by id; of a species its concentration, or its amount where it has only
                substance units.
            amounts: of species instead, by id.
            offset: the model's time where the text's own is 0; the text then has a parameter for
                each event that says whether its trigger is true.
            triggers: whether each event's trigger was true before; the model's own word if not
                given.

        Raises:
            OutOfReachError: a value is given to something that can't have one.
        """
        document = self._document.clone()
        model = document.getModel()
        for name, value in values.items():
            _set(model, name, value, name in self.rules and self.rules[name].isAssignment())
        for name, amount in (amounts or {}).items():
            model.removeInitialAssignment(name)
            species = model.getSpecies(name)
            species.unsetInitialConcentration()
            species.setInitialAmount(amount)
        if offset is not None:
            _go_on(model, offset, triggers)
        return libsbml.writeSBMLToString(document)


def _set(model: libsbml.Model, name: str, value: float, is_rule: bool) -> None:
    if is_rule:
        raise OutOfReachError(f"{name} is set by a table, and by an assignment rule of the model.")
    if not math.isfinite(value):
        raise OutOfReachError(f"{name} = {value:g} is no finite number.")
    model.removeInitialAssignment(name)
    if (species := model.getSpecies(name)) is not None:
        if species.getHasOnlySubstanceUnits():
            species.unsetInitialConcentration()
            species.setInitialAmount(value)
        else:
            species.unsetInitialAmount()
            species.setInitialConcentration(value)
    elif (parameter := model.getParameter(name)) is not None:
        parameter.setValue(value)
    elif (compartment := model.getCompartment(name)) is not None:
        compartment.setSize(value)
    else:
        raise OutOfReachError(f"{name} is neither a parameter, a species nor a compartment.")


def _go_on(model: libsbml.Model, offset: float, triggers: Sequence[bool] | None) -> None:
    """Let a model begin at another time, and tell whether triggers are true."""
    for i in range(model.getNumEvents()):
        trigger = model.getEvent(i).getTrigger()
        if triggers is not None:
            trigger.setInitialValue(triggers[i])
        flag = model.createParameter()
        flag.setId(f"{_TRIGGER}{i}")
        flag.setConstant(False)
        flag.setValue(0.0)
        rule = model.createAssignmentRule()
        rule.setVariable(flag.getId())
        condition = libsbml.formulaToL3String(trigger.getMath())
        rule.setMath(libsbml.parseL3Formula(f"piecewise(1, {condition}, 0)"))
    if not offset:
        return
    elements = model.getListOfAllElements()
    for i in range(elements.getSize()):
        element = elements.get(i)
        get_math = getattr(element, "getMath", None)
        tree = get_math() if get_math is not None else None
        if tree is not None and _contains(tree, _TIME):
            element.setMath(_shifted(tree, offset))


def _shifted(tree: libsbml.ASTNode, offset: float) -> libsbml.ASTNode:
    """A formula with time + offset in the place of time."""
    if tree.getType() == _TIME:
        later = libsbml.ASTNode(libsbml.AST_PLUS)
        later.addChild(tree.deepCopy())
        number = libsbml.ASTNode(libsbml.AST_REAL)
        number.setValue(offset)
        later.addChild(number)
        return later
    copy = tree.deepCopy()
    for i in range(copy.getNumChildren()):
        copy.replaceChild(i, _shifted(copy.getChild(i), offset), True)
    return copy


def _contains(tree: libsbml.ASTNode, kind: int) -> bool:
    if tree.getType() == kind:
        return True
    return any(_contains(tree.getChild(i), kind) for i in range(tree.getNumChildren()))
