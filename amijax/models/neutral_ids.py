"""Ids made by the project for everything in a model, so that none can mean something elsewhere.

AMICI puts ids into generated C++ and makes names of its own from them (`tcl_A`, `flux_r`,
`sigma_o`), and its parsers know names such as `t`, `pi` or `S`. With ids that are a letter, an
underscore and a number, nothing can collide, and no list of reserved words is needed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from amijax.models.sbml_tree import MATHML, SbmlTree

# SBML's elements with an id that formulas can refer to, and the letter of their neutral ids.
_LETTERS = {
    "compartment": "c",
    "species": "s",
    "parameter": "p",
    "reaction": "r",
    "speciesReference": "n",
    "modifierSpeciesReference": "n",
    "event": "e",
}
OBSERVABLE = "o"
ADDED = "q"  # parameters that the project adds

# Attributes that hold such an id.
_REFERENCES = {"symbol", "variable", "species", "compartment", "conversionFactor", "outside"}
_UNITS = {
    "units", "substanceUnits", "timeUnits", "volumeUnits", "areaUnits", "lengthUnits",
    "extentUnits", "spatialSizeUnits", "speciesType", "compartmentType", "charge",
}  # fmt: skip
_DROPPED = {
    "listOfUnitDefinitions", "listOfSpeciesTypes", "listOfCompartmentTypes", "listOfConstraints",
}  # fmt: skip
_NEUTRAL = re.compile(rf"\b[{''.join(sorted({*_LETTERS.values(), OBSERVABLE, ADDED}))}]_\d+\b")


def make_neutral(tree: SbmlTree) -> dict[str, str]:
    """Give a model neutral ids, in document order; units and what has no effect are dropped.

    Returns:
        The model's own id to the neutral one.
    """
    for parent in list(tree.model.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in _DROPPED:
                parent.remove(child)
    neutral: dict[str, str] = {}
    counts = dict.fromkeys(_LETTERS.values(), 0)
    for element in tree.model.iter():
        letter = _LETTERS.get(element.tag.rpartition("}")[2])
        name = element.get("id")
        if letter is None:
            element.attrib.pop("id", None)  # rules have ids that nothing refers to
        elif name is not None or letter in "re":  # AMICI would make a name for those without
            made = f"{letter}_{counts[letter]}"
            counts[letter] += 1
            if name is None:
                element.set("id", made)
            neutral[name or made] = made
    for element in tree.model.iter():
        for attribute in list(element.attrib):
            local = attribute.rpartition("}")[2]
            value = element.attrib[attribute]
            if local in _UNITS or local in ("metaid", "sboTerm", "name"):
                del element.attrib[attribute]
            elif local == "id" or local in _REFERENCES:
                element.set(attribute, neutral.get(value, value))
        if element.tag == f"{{{MATHML}}}ci":
            name = (element.text or "").strip()
            element.text = neutral.get(name, name)
        elif element.tag == f"{{{MATHML}}}csymbol":
            element.text = element.get("definitionURL", "").rpartition("/")[2]
    tree.model.attrib = {"id": "model", **_kept(tree.model)}
    return neutral


def with_own_ids(text: str, own: Mapping[str, str]) -> str:
    """A text, for example a message of AMICI's, with the user's ids in the place of neutral ones.

    Args:
        text: what was said.
        own: neutral id to what the user calls it.
    """
    return _NEUTRAL.sub(lambda match: own.get(match[0], match[0]), text)


def _kept(model: ET.Element) -> dict[str, str]:
    """The model's attributes that have an effect: an id of a conversion factor."""
    return {k: v for k, v in model.attrib.items() if k.rpartition("}")[2] == "conversionFactor"}
