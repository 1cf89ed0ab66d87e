"""What is likely to blame for a number that a witness contradicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amijax.audit.verdicts import QuantityVerdict
from amijax.objective import AmiciObjective
from amijax.problems.findings import Finding

# AMICI's own number at tight tolerances is the witness's: the tolerance was to blame.
_AGREES = 1e-2
_MENDED = 0.1  # of the error: what is left at tight tolerances
TOLERANCE = (
    "The solver's tolerance: at tight tolerances AMICI's own number is far closer to the "
    "witness's, so a smaller rtol helps."
)


def likely_cause(
    objective: AmiciObjective,
    warnings: Sequence[Finding],
    parameter: str | None,
    verdict: QuantityVerdict,
    tight: float,
) -> str:
    """A sentence on what is likely to blame, from the numbers and the model's features.

    Args:
        objective: the problem and the settings that produced the number.
        warnings: of the objective at the point.
        parameter: the entry's, None for llh.
        verdict: on AMICI's number, with a witness.
        tight: AMICI's number at tight tolerances, NaN if it is not known.
    """
    truth, uncertainty = verdict.witness_value, verdict.uncertainty
    assert truth is not None
    assert uncertainty is not None
    allowed = max(
        _AGREES * max(abs(tight), abs(truth)), uncertainty, _MENDED * abs(verdict.value - truth)
    )
    if np.isfinite(tight) and abs(tight - truth) <= allowed:
        return TOLERANCE
    about = [
        warning.message
        for warning in warnings
        if warning.code and (parameter is None or parameter in warning.parameters)
        and _concerns_numbers(warning)
    ]  # fmt: skip
    if about:
        return about[0]
    if parameter is not None and verdict.value == 0:
        return (
            "An entry that is exactly 0: AMICI does not see how the model depends on the "
            "parameter, as for a species that never changes (AMICI's issue 3249)."
        )
    if objective.solver.sensitivities == "adjoint":
        return "Adjoint sensitivities: forward ones may be right."
    model = objective.problem.petab_problem.model.sbml_model
    if model.getNumEvents():
        return "The model has events, whose derivatives AMICI gets wrong in some cases."
    return "Unknown; a tight tolerance does not mend it. Please report it, with the problem."


def _concerns_numbers(warning: Finding) -> bool:
    """Whether a warning is about what AMICI computes, not about the files."""
    return not warning.table
