"""Scales of theta for PEtab v2, which has none: the default, and what a user asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from amijax.problems.findings import ProblemError
from amijax.problems.names import nearest
from amijax.scales import Scale

SCALES: tuple[Scale, ...] = get_args(Scale)
WIDE = 2.0  # decades between the bounds; a parameter whose bounds are farther apart gets log10

# One scale for all parameters, or a scale for some of them.
type ScaleChoice = Scale | Mapping[str, Scale]


def default_scale(lower: float, upper: float, nominal: float) -> Scale:
    """Log10 if bounds and nominal value are positive and span more than two decades, else lin.

    Args:
        lower: bound, on linear scale.
        upper: bound.
        nominal: value; NaN if there is none, which does not count.
    """
    if not (lower > 0 and upper > 0) or nominal <= 0:
        return "lin"
    return "log10" if np.log10(upper) - np.log10(lower) > WIDE else "lin"


def chosen_scales(
    ids: Sequence[str], defaults: Sequence[Scale], choice: ScaleChoice | None
) -> tuple[Scale, ...]:
    """The scales of theta; whether values and bounds have a logarithm is not checked here.

    Args:
        ids: of the n free parameters.
        defaults: their n scales if nothing is chosen.
        choice: what is asked for.

    Raises:
        ProblemError: a scale or a parameter is unknown.
    """
    scales = dict(zip(ids, defaults, strict=True))
    asked = dict.fromkeys(ids, choice) if isinstance(choice, str) else dict(choice or {})
    if isinstance(choice, str) and choice not in SCALES:
        raise ProblemError(_no_scale(choice))
    for name, scale in asked.items():
        if name not in scales:
            raise ProblemError(
                f"A scale is given for {str(name)[:60]!r}, which is not a free parameter"
                f"{nearest(str(name), ids)}."
            )
        if scale not in SCALES:
            raise ProblemError(_no_scale(scale))
    return tuple({**scales, **asked}.values())


def _no_scale(given: object) -> str:
    return f"{str(given)[:40]!r} is not a scale; there are {', '.join(SCALES)}."
