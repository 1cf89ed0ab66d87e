"""What AMICI computes wrongly in a model and no repair mends, known by the model's features."""

from __future__ import annotations

from amijax.models.draft import Draft
from amijax.models.entities import Entities
from amijax.models.plan import REPAIR_OFF, Distrust, Repair
from amijax.models.sbml_tree import MATHML, names


def note_distrusts(draft: Draft) -> None:
    """Note which kinds of sensitivities are wrong for a model.

    Adjoint sensitivities of AMICI 1.1 were 0.1 to 200 % off in models of small problems with known
    gradients: after preequilibration with states that are set anew, with conditions on states, and
    with events that states trigger or that change the state that triggers them.
    """
    if any(draft.resets[i] for i in range(len(draft.simulations))):
        draft.distrust(
            "adjoint_reset",
            "States are set anew after preequilibration: AMICI's adjoint sensitivities are wrong "
            "there.",
            "adjoint",
        )
    entities = draft.entities
    if _has_conditions_on_states(entities):
        draft.distrust(
            "adjoint_switch",
            "Formulas switch when a state crosses a value: AMICI's adjoint sensitivities are "
            "wrong there.",
            "adjoint",
        )
    if entities.event_targets:
        draft.distrust(
            "adjoint_event",
            "The model has events: AMICI's adjoint sensitivities can be wrong there.",
            "adjoint",
        )


def note_missing_repairs(draft: Draft, missing: tuple[Repair, ...]) -> None:
    """Note what was not repaired because repairs are switched off."""
    if missing:
        message = (
            "Repairs are switched off: AMICI simulates the model as it is written, and some of its "
            "numbers are wrong at every tolerance. Left out: "
            + " ".join(repair.message for repair in missing)
        )
        draft.distrusts.append(Distrust(REPAIR_OFF, message, ()))  # in the user's ids already


def _has_conditions_on_states(entities: Entities) -> bool:
    comparisons = {f"{{{MATHML}}}{name}" for name in ("gt", "lt", "geq", "leq", "eq", "neq")}
    for formula in entities.tree.formulas():
        for element in formula.iter():
            if len(element) == 3 and element[0].tag in comparisons:
                written = entities.written_out(element)
                if any(entities.changes(name) for name in names(written)):
                    return True
    return False
