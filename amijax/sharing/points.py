"""Where a point is, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from amijax.problems.problem import Problem


def point_in_words(problem: Problem, theta: ArrayLike, most: int = 6) -> str:
    """Where a point is: the parameters that differ from nominal, on their PEtab scales.

    Args:
        problem: gives ids, scales and nominal values.
        theta: shape (n_parameters,), on the PEtab scale.
        most: how many are named.
    """
    values = problem.checked(theta)
    moved = np.flatnonzero(values != problem.nominal_theta)
    if not moved.size:
        return "At the nominal parameters"
    named = ", ".join(
        f"{problem.parameter_ids[i]} = {values[i]:.6g} ({problem.scales[i]}; nominal "
        f"{problem.nominal_theta[i]:.6g})"
        for i in moved[:most]
    )
    rest = f" and {moved.size - most} more" if moved.size > most else ""
    return f"At {named}{rest}; all others nominal"
