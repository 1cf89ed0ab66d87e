"""PEtab v2's mapping table: local parameters of SBML reactions by the names that tables use."""

from __future__ import annotations

import libsbml
from petab.v2 import C

from amijax.problems.findings import Findings
from amijax.problems.names import quoted
from amijax.problems.tables import MISSING, Table, check_ids, check_names, require

_KNOWN = (C.PETAB_ENTITY_ID, C.MODEL_ENTITY_ID, C.NAME)


def name_local_parameters(model: libsbml.Model, table: Table | None, findings: Findings) -> None:
    """Make local parameters that the mapping table names global ones of that name.

    All other ids of SBML are PEtab's as they are; rows that name them again, or nothing, are notes.

    Args:
        model: changed in place.
        table: as text; None if there is none.
        findings: where mistakes are noted.
    """
    if table is None or not require(table, (C.PETAB_ENTITY_ID, C.MODEL_ENTITY_ID), findings):
        return
    check_names(table, _KNOWN, findings)
    check_ids(table, C.PETAB_ENTITY_ID, findings)
    if findings.errors:
        return
    pairs = zip(table.column(C.PETAB_ENTITY_ID), table.column(C.MODEL_ENTITY_ID), strict=True)
    for row, (name, meant) in enumerate(pairs):
        if meant in (*MISSING, name):
            continue
        message = _name(model, name, meant)
        if message:
            table.error(findings, "mapping", message, [row], C.MODEL_ENTITY_ID)


def _name(model: libsbml.Model, name: str, meant: str) -> str:
    """Give a local parameter a name of its own; why not, where that is not possible."""
    reaction_id, _, parameter_id = meant.partition(".")
    reaction = model.getReaction(reaction_id)
    law = None if reaction is None else reaction.getKineticLaw()
    parameter = None
    if law is not None:  # before SBML Level 3 they were no kind of their own
        parameter = law.getLocalParameter(parameter_id) or law.getParameter(parameter_id)
    if law is None or parameter is None:
        if model.getElementBySId(meant) is not None:
            return (
                f"{meant} is a valid id already, which PEtab doesn't allow to have another name; "
                f"write {meant} in the place of {name}."
            )
        return f"{quoted(meant)} is neither an id of the model nor a local parameter of a reaction."
    if model.getElementBySId(name) is not None:
        return f"{name} is an id of the model already; call {meant} something else."
    value = parameter.getValue() if parameter.isSetValue() else None
    if (math := law.getMath()) is not None:
        changed = math.deepCopy()
        changed.renameSIdRefs(parameter_id, name)
        law.setMath(changed)
    local = law.getLocalParameter(parameter_id) is not None
    law.removeLocalParameter(parameter_id) if local else law.removeParameter(parameter_id)
    made = model.createParameter()
    made.setId(name)
    made.setConstant(True)
    if value is not None:
        made.setValue(value)
    return ""
