"""What is not to be trusted of a model with given settings, since AMICI computes it wrongly."""

from __future__ import annotations

from sympy import sympify

from amijax.models.plan import ModelPlan
from amijax.models.values import Free
from amijax.problems.findings import Finding
from amijax.scales import FloatArray
from amijax.simulation.settings import Sensitivities

# Of times: AMICI takes events as one whose times differ by less.
SAME_TIME = 1e-12


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


def simultaneous_events(plan: ModelPlan, p: FloatArray) -> tuple[Finding, ...]:
    """A warning where events happen at the same time at these values of the parameters only.

    AMICI's derivatives after two events at once are wrong; events that always happen at the same
    time are one event in the model.

    Args:
        plan: what the model was compiled of.
        p: the free parameters on linear scale, shape (n_parameters,).
    """
    if len(plan.event_times) < 2:
        return ()
    formulas = [(each.event, sympify(each.formula)) for each in plan.event_times]
    together: dict[str, None] = {}
    for simulation in plan.simulations:
        values = {
            name: float(p[after.position]) if isinstance(after, Free) else after
            for name, (_, after) in simulation.values.items()
        }
        times = [
            (event, float(formula.subs({s: values[str(s)] for s in formula.free_symbols})))
            for event, formula in formulas
        ]
        for i, (event, time) in enumerate(times):
            for other, later in times[i + 1 :]:
                if time >= 0 and abs(time - later) <= SAME_TIME * max(abs(time), abs(later)):
                    together |= dict.fromkeys((event, other))
    if not together:
        return ()
    message = (
        f"The events {', '.join(together)} happen at the same time at these parameters, and "
        "AMICI's derivatives after them are wrong. Move a parameter a little: by 1e-9 of its value."
    )
    return (Finding("warning", message, "simultaneous_events"),)


def distrusts_adjoint(plan: ModelPlan) -> str | None:
    """Why adjoint sensitivities of a model are wrong, None if nothing says so."""
    return next((d.message for d in plan.distrusts if "adjoint" in d.sensitivities), None)
