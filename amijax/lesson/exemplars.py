"""Which problem shows what: where the lesson is told unless somebody brings a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from amijax.simulation.settings import SolverChoice

BOEHM = "Boehm_JProteomeRes2014"
CONVERSION = "Conversion_Reaction"
ROBERTSON = "Robertson_Stiff"
HARVEST = "Harvested_Stock"  # agreement is not accuracy
LIGAND = "Constant_Ligand"  # tight is not right, as AMICI has it


@dataclass(frozen=True)
class Exemplar:
    """A problem at a point that shows something.

    Attributes:
        problem: its id.
        theta: the parameters that differ from nominal, on the PEtab scale.
        settings: what is asked of the solver.
        repair: whether the model is changed where AMICI would compute wrong numbers.
    """

    problem: str
    theta: Mapping[str, float] = field(default_factory=dict)
    settings: SolverChoice = field(default_factory=SolverChoice)
    repair: bool = True


@dataclass(frozen=True)
class Plan:
    """At which points a step is told.

    Attributes:
        main: the one that shows it.
        contrast: another one, shown after it; None if there is none.
        is_special: whether the step is about a kind of problem that others can't show: then the
            exemplar is shown after somebody's own problem as well.
    """

    main: Exemplar
    contrast: Exemplar | None = None
    is_special: bool = False


_BOEHM = Exemplar(BOEHM)
PLANS: dict[int, Plan] = {
    1: Plan(_BOEHM),
    2: Plan(_BOEHM),
    3: Plan(_BOEHM),
    4: Plan(_BOEHM),
    5: Plan(Exemplar(HARVEST), _BOEHM, is_special=True),
    6: Plan(_BOEHM),
    7: Plan(Exemplar(LIGAND, repair=False), Exemplar(LIGAND), is_special=True),
    8: Plan(Exemplar(ROBERTSON), Exemplar(CONVERSION), is_special=True),
    9: Plan(_BOEHM),
}


def places(number: int, *, own: bool) -> tuple[Exemplar | None, Exemplar | None]:
    """Where a step is told, and what is shown after it; None stands for somebody's own problem.

    Args:
        number: of the step.
        own: whether the step is told at somebody's own problem and point.

    Returns:
        The main point, None if it is the own one; the contrast, None if there is none.
    """
    plan = PLANS[number]
    if not own:
        return plan.main, plan.contrast
    return None, plan.main if plan.is_special else None
