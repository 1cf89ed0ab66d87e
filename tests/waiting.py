"""Waiting in tests: for what happens, never for a time."""

import time
from collections.abc import Callable

# For what never happens: pytest's own limit ends a hang later, with a stack, but all tests with it.
_GIVE_UP_SECONDS = 90.0
_LOOK_SECONDS = 0.02


def until[T](condition: Callable[[], T]) -> T:
    """Wait until a condition is true; return its value."""
    end = time.monotonic() + _GIVE_UP_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(_LOOK_SECONDS)
    return value
