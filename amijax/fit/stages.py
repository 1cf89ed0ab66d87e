"""The solver's settings of a fit: coarse ones far from the optimum, those asked for at its end."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from amijax.objective import AmiciObjective
from amijax.simulation.settings import SolverSettings
from amijax.tuning.found import TuningWarning, tuned

# Digits of the gradient that a step far from the optimum needs. With these at first and 4 at the
# end, fits took 0.8 of the CPU time of 4 digits all along, on Boehm_JProteomeRes2014, and ended
# with the same llh to 1e-4 (tests/benchmarks/bench_fit.py --stages).
COARSE_DIGITS = 2.0
# A coarse stage costs some evaluations more: it must be faster than this share of the other's time.
_WORTHWHILE = 0.8


def stages_for(
    objective: AmiciObjective,
    digits: float | None,
    search: bool = False,
    check: Callable[[], None] = lambda: None,
) -> tuple[SolverSettings, ...]:
    """The solver's settings of a fit, one optimisation with each.

    Args:
        objective: the problem, whose own settings are used without digits.
        digits: of the gradient, 1 to 10: the fastest settings that give them come last, and before
            them those for `COARSE_DIGITS`, if they are much faster.
        search: without digits, whether to look for the fastest settings whose error is no larger
            than that of AMICI's defaults, in the same way.
        check: called now and then; what it raises ends a search.

    Warns:
        TuningWarning: no settings give the digits asked for, or witnesses confirm fewer.

    Raises:
        ValueError: digits is out of range.
    """
    if digits is None and not search:
        return (objective.solver,)
    fine = tuned(objective, digits, on_progress=lambda _done, _most: check())
    if fine.outcome != "reached":
        warnings.warn(f"{fine.problem_id}: {fine.summary}", TuningWarning, stacklevel=4)
    if digits is not None and digits <= COARSE_DIGITS:
        return (fine.settings,)
    coarse = tuned(objective, COARSE_DIGITS, on_progress=lambda _done, _most: check())
    if coarse.seconds > _WORTHWHILE * fine.seconds:
        return (fine.settings,)
    return (coarse.settings, fine.settings)
