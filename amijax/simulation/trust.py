"""What is not to be trusted of a model with given settings, since AMICI computes it wrongly."""

from __future__ import annotations

from amijax.models.plan import ModelPlan
from amijax.problems.findings import Finding
from amijax.simulation.settings import Sensitivities


def distrusted(plan: ModelPlan, sensitivities: Sensitivities) -> tuple[Finding, ...]:
    """Warnings about llh and about gradients with one kind of sensitivities.

    Args:
        plan: what the model was compiled of.
        sensitivities: forward or adjoint.
    """
    return tuple(
        Finding("warning", distrust.message, distrust.code, parameters=distrust.parameters)
        for distrust in plan.distrusts
        if not distrust.sensitivities or sensitivities in distrust.sensitivities
    )


def distrusts_adjoint(plan: ModelPlan) -> str | None:
    """Why adjoint sensitivities of a model are wrong, None if nothing says so."""
    return next((d.message for d in plan.distrusts if "adjoint" in d.sensitivities), None)
