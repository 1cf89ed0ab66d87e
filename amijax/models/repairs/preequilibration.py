"""Time during preequilibration, which comes before time 0.

AMICI's clock runs from 0 to the steady state there, past the times of events and switches: what
was to happen once, in the simulation, would happen in preequilibration. PEtab v1 leaves open what
time is then; here it is before 0 wherever the model compares time with something.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from amijax.models.draft import Draft
from amijax.models.sbml_tree import MATHML, apply, ci, cn, substitute, time_symbol, uses_time

_COMPARISONS = {f"{{{MATHML}}}{name}" for name in ("gt", "lt", "geq", "leq", "eq", "neq")}


def compare_times_before_zero(draft: Draft) -> None:
    """Let comparisons of time be those of a time before 0 during preequilibration."""
    if not draft.preequilibrates or draft.problem.petab_version == "2":
        return  # PEtab v2 says that time begins at the model's own start, which is 0
    changed = False
    for formula in list(draft.tree.formulas()):
        for element in formula.iter():
            if len(element) != 3 or element[0].tag not in _COMPARISONS or not uses_time(element):
                continue
            for i in (1, 2):
                element[i] = substitute(element[i], {}, time=_time(draft))
            changed = True
    if changed:
        draft.repaired(
            "time_in_preequilibration",
            "Where the model compares time with something, time is before 0 during "
            "preequilibration: AMICI's clock would run past it.",
        )
    if any(uses_time(formula) for formula in draft.tree.formulas() if not _is_compared(formula)):
        draft.distrust(
            "time_in_preequilibration",
            "The model's formulas depend on time, and PEtab leaves open what time is during "
            "preequilibration: AMICI's clock runs there from 0 on.",
        )


def _time(draft: Draft) -> ET.Element:
    """A formula that is -1 during preequilibration, and time after it."""
    indicator = ci(draft.indicator())
    running = apply("times", time_symbol(), apply("minus", cn(1.0), indicator))
    return apply("minus", running, indicator)


def _is_compared(formula: ET.Element) -> bool:
    """Whether a formula uses time in comparisons only."""
    if formula.tag in _COMPARISONS or (len(formula) and formula[0].tag in _COMPARISONS):
        return True
    if not len(formula):
        return not uses_time(formula)
    return all(_is_compared(child) for child in formula)
