"""What the tables may refer to in an SBML model, and what is wrong with the model itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import libsbml
from petab.v1.models.sbml_model import SbmlModel

from amijax.problems.findings import Findings
from amijax.problems.names import quoted

# Neither units nor terms of an ontology nor what is thought good style change any number.
_UNCHECKED = (
    libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
    libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
    libsbml.LIBSBML_CAT_MODELING_PRACTICE,
)
# The scan of the file has refused packages that are used; one that is only declared is no matter.
_PACKAGE_DECLARED = (libsbml.RequiredPackagePresent, libsbml.UnrequiredPackagePresent)
# The equations are the same whether a reaction declares its modifiers or not.
_HARMLESS = (libsbml.UndeclaredSpeciesRef,)
_MOST = 20


@dataclass(frozen=True)
class ModelIds:
    """The ids of a model.

    Attributes:
        kinds: each id and what it is, in words.
        rules: ids that a rule determines, and whether it is an assignment or a rate rule.
        without_value: parameters that are used but have no value in the model.
        without_start: species and compartments without a value in the model.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    without_value: tuple[str, ...] = ()
    without_start: tuple[str, ...] = ()

    def of_kind(self, *kinds: str) -> set[str]:
        """The ids of some kinds."""
        return {name for name, kind in self.kinds.items() if kind in kinds}


def model_ids(model: libsbml.Model) -> ModelIds:
    """The ids of a model."""
    kinds: dict[str, str] = {}
    for kind, elements in (
        ("function", model.getListOfFunctionDefinitions()),
        ("event", model.getListOfEvents()),
        ("reaction", model.getListOfReactions()),
        ("species reference", _species_references(model)),
        ("compartment", model.getListOfCompartments()),
        ("species", model.getListOfSpecies()),
        ("parameter", model.getListOfParameters()),
    ):
        kinds.update({e.getIdAttribute(): kind for e in elements if e.getIdAttribute()})
    rules = {
        rule.getVariable(): "a rate rule" if rule.isRate() else "an assignment rule"
        for rule in model.getListOfRules()
        if rule.getVariable()
    }
    return ModelIds(kinds, rules, _without_value(model, rules), _without_start(model, rules))


def _species_references(model: libsbml.Model) -> Iterator[Any]:
    for reaction in model.getListOfReactions():
        yield from reaction.getListOfReactants()
        yield from reaction.getListOfProducts()


def _without_value(model: libsbml.Model, rules: Collection[str]) -> tuple[str, ...]:
    unset = {
        parameter.getIdAttribute()
        for parameter in model.getListOfParameters()
        if not parameter.isSetValue()
        and parameter.getIdAttribute() not in rules
        and model.getInitialAssignmentBySymbol(parameter.getIdAttribute()) is None
    }
    if not unset:
        return ()
    used = _ids_in_math(model)
    return tuple(sorted(unset & used))


def _without_start(model: libsbml.Model, rules: dict[str, str]) -> tuple[str, ...]:
    compartments = [c for c in model.getListOfCompartments() if not c.isSetSize()]
    species = [
        s
        for s in model.getListOfSpecies()
        if not (s.isSetInitialAmount() or s.isSetInitialConcentration())
    ]
    return tuple(
        element.getIdAttribute()
        for element in (*compartments, *species)
        if rules.get(element.getIdAttribute()) != "an assignment rule"
        and model.getInitialAssignmentBySymbol(element.getIdAttribute()) is None
    )


def _ids_in_math(model: libsbml.Model) -> set[str]:
    found = set()
    for element in model.getListOfAllElements():
        # Inside a function definition a name may be that of an argument.
        if element.getTypeCode() == libsbml.SBML_FUNCTION_DEFINITION:
            continue
        math = element.getMath() if hasattr(element, "getMath") else None
        nodes = [math] if math is not None else []
        while nodes:
            node = nodes.pop()
            if node.getType() == libsbml.AST_NAME:
                found.add(node.getName())
            nodes += [node.getChild(i) for i in range(node.getNumChildren())]
    return found


def read_model(text: str, name: str, findings: Findings) -> SbmlModel | None:
    """PEtab's object of an SBML model; what makes it invalid SBML is noted.

    Args:
        text: the model.
        name: its file.
        findings: where mistakes are noted.

    Returns:
        None after a mistake.
    """
    reader = libsbml.SBMLReader()
    document = reader.readSBMLFromString(text)
    _note_errors(document, name, findings)
    if findings.errors:
        return None
    if document.getModel() is None:
        findings.error("the file holds no model.", "model", name)
        return None
    for category in _UNCHECKED:
        document.setConsistencyChecks(category, False)
    rules = document.getModel().getListOfRules()
    document.setConsistencyChecks(
        libsbml.LIBSBML_CAT_OVERDETERMINED_MODEL, any(rule.isAlgebraic() for rule in rules)
    )
    document.getErrorLog().clearLog()
    document.checkConsistency()
    _note_errors(document, name, findings)
    if findings.errors:
        return None
    return SbmlModel(document.getModel(), reader, document)


def _note_errors(document: libsbml.SBMLDocument, name: str, findings: Findings) -> None:
    noted = 0
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.getSeverity() < libsbml.LIBSBML_SEV_ERROR or noted == _MOST:
            continue
        if error.getErrorId() in _PACKAGE_DECLARED or error.getPackage() not in ("", "core"):
            continue
        noted += 1
        row = f"line {error.getLine()}" if error.getLine() else ""
        message = f"the model is not valid SBML: {_words(error)}"
        if error.getErrorId() in _HARMLESS:
            findings.warning(message, "model", name, row)
        else:
            findings.error(message, "model", name, row)


def _words(error: Any) -> str:
    """An SBML error, its particulars rather than the rule that is broken."""
    message = error.getMessage().partition("For more information")[0]
    _, refers, rest = message.rpartition("Reference: ")
    particular = rest.partition("\n")[2].strip() if refers else message
    text = " ".join((particular or error.getShortMessage()).split())
    text = re.sub(r"The http://\S+ (\w+) \S+ (\w+) attribute", r"The \1's attribute \2", text)
    text = text if len(text) <= 250 else text[:247] + "..."
    return text.rstrip(".") + "."


def check_values(ids: ModelIds, given: Collection[str], name: str, findings: Findings) -> None:
    """Note what has no value anywhere.

    Args:
        ids: of the model.
        given: ids to which the parameter or the condition table give values.
        name: the model's file.
        findings: where mistakes are noted.
    """
    for parameter in ids.without_value:
        if parameter not in given:
            findings.error(
                f"the parameter {quoted(parameter)} has no value in the model, and neither the "
                "parameter nor the condition table gives one.",
                "missing_parameter", name,
            )  # fmt: skip
    for kind, assumed in (("compartment", "the size 1"), ("species", "0 at the start")):
        missing = [i for i in ids.without_start if ids.kinds[i] == kind and i not in given]
        if missing:
            shown = ", ".join(missing[:10]) + (
                f" and {len(missing) - 10} more" * (len(missing) > 10)
            )
            findings.warning(
                f"the {kind} {shown} {'has' if len(missing) == 1 else 'have'} no value in the "
                f"model; AMICI takes {assumed}.",
                "no_value", name,
            )  # fmt: skip
