"""What a contender hands over to be timed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Values(NamedTuple):
    """A log-likelihood and, where it was asked for, its gradient with respect to theta."""

    llh: float
    gradient: np.ndarray | None = None


@dataclass(frozen=True)
class Call:
    """A call that is ready to be made again and again.

    Attributes:
        run: what is timed.
        read: turns its result into values at the nominal point; not timed.
        points: evaluated by one run.
    """

    run: Callable[[], Any]
    read: Callable[[Any], Values]
    points: int = 1


class NoResultError(RuntimeError):
    """A contender says that it has no result."""
