"""Whether the solver's tolerances are tight enough for profiles: what tighter ones say of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amijax.identifiability.profile_record import Profile
from amijax.objective import AmiciObjective
from amijax.scales import FloatArray

_TIGHT = ((1e-12, 1e-16), (1e-11, 1e-12), (1e-10, 1e-10))
_MAX_STEPS = 1_000_000


def solver_error(
    objective: AmiciObjective, optimum: FloatArray, profiles: Sequence[Profile]
) -> tuple[float, str]:
    """By how much tight tolerances change what llh falls by, from the optimum to profiles' ends.

    Values without gradients: at tight tolerances they are the same.

    Args:
        objective: the problem, with the settings of the profiles.
        optimum: where they begin.
        profiles: of which the outermost points are tried.

    Returns:
        The largest change, and the parameter whose profile has it; NaN where tight tolerances
        fail, or where there is nothing to try.
    """
    ends = [(each.parameter, each.thetas[k]) for each in profiles for k in (0, -1)]
    points = np.array([optimum, *(theta for _, theta in ends)])
    llh = objective.llh_batch(points)
    for rtol, atol in _TIGHT:
        base = objective.solver
        if not ends or rtol >= base.rtol:
            break
        settings = base.at(rtol, atol, max_steps=max(base.max_steps, _MAX_STEPS))
        exact = objective.with_solver(settings).llh_batch(points)
        if np.isfinite(exact).all():
            change = np.abs((exact[0] - exact[1:]) - (llh[0] - llh[1:]))
            if not np.isfinite(change).all():
                break
            worst = int(np.argmax(change))
            return float(change[worst]), ends[worst][0]
    return np.nan, ""
