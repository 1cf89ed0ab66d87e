"""The solver's settings of a fit whose objective leaves them open."""

from __future__ import annotations

from dataclasses import replace

from amijax.auto import settle
from amijax.objective import AmiciObjective
from amijax.simulation.settings import SolverChoice

# Those that use the Fisher information, which comes with forward sensitivities only and saves
# more evaluations than adjoint ones save time.
_CURVED = ("fides", "least-squares")


def settled_for_fit(
    objective: AmiciObjective, choice: SolverChoice, optimizer: str
) -> AmiciObjective:
    """The objective with the first settings of a choice that work at nominal.

    Args:
        objective: the problem; its own settings don't matter.
        choice: what is given and what is left open.
        optimizer: its name. Sensitivities that are left open are forward for those that need the
            Fisher information.
    """
    if choice.sensitivities == "auto" and optimizer in _CURVED:
        choice = replace(choice, sensitivities="forward")
    return settle(objective, objective.problem.nominal_theta, choice).objective
