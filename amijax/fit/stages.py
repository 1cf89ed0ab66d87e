"""The solver's settings of a fit: coarse ones far from the optimum, those asked for at its end."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from amijax.objective import AmiciObjective
from amijax.simulation.settings import FOLLOWING, SolverSettings
from amijax.tuning.found import TuningWarning, tuned

# Where nothing is searched, a first stage with these takes 0.7 of the CPU time of AMICI's default
# tolerances all along, at the same optimum (tests/benchmarks/bench_fit.py --stages). It also gets
# starts under way from points that can't be integrated more sharply.
COARSE_RTOL, COARSE_ATOL = 1e-6, 1e-10
_SHARPER = 10.0  # settings must be so much sharper for a coarse stage to be worth its steps

# Digits of the gradient that a step far from the optimum needs, where settings are searched.
COARSE_DIGITS = 2.0
# A coarse stage costs some evaluations more: it must be faster than this share of the other's time.
_WORTHWHILE = 0.8


def stages_for(
    objective: AmiciObjective,
    digits: float | None,
    search: bool = False,
    coarse: bool = True,
    check: Callable[[], None] = lambda: None,
) -> tuple[SolverSettings, ...]:
    """The solver's settings of a fit, one optimisation with each.

    Args:
        objective: the problem, whose own settings are the last without digits.
        digits: of the gradient, 1 to 10: the fastest settings that give them come last, and before
            them those for `COARSE_DIGITS`, if they are much faster.
        search: without digits, whether to look for the fastest settings whose error is no larger
            than that of AMICI's defaults, in the same way.
        coarse: whether there may be a coarse stage at all.
        check: called now and then; what it raises ends a search.

    Warns:
        TuningWarning: no settings give the digits asked for, or witnesses confirm fewer.

    Raises:
        ValueError: digits is out of range.
    """
    if digits is None and not search:
        own = objective.solver
        is_searched = any(getattr(own, name) is not None for name in FOLLOWING)
        if not coarse or is_searched or own.rtol * _SHARPER > COARSE_RTOL:
            return (own,)
        return (own.at(COARSE_RTOL, max(own.atol, COARSE_ATOL)), own)
    fine = tuned(objective, digits, on_progress=lambda _done, _most: check())
    if fine.outcome != "reached":
        warnings.warn(f"{fine.problem_id}: {fine.summary}", TuningWarning, stacklevel=4)
    if not coarse or (digits is not None and digits <= COARSE_DIGITS):
        return (fine.settings,)
    near = tuned(objective, COARSE_DIGITS, on_progress=lambda _done, _most: check())
    if near.seconds > _WORTHWHILE * fine.seconds:
        return (fine.settings,)
    return (near.settings, fine.settings)
