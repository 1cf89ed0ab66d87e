"""How many cores there are to compute on."""

import os


def available_cores() -> int:
    """Cores that this process may use; before Python 3.13, which knows, those of the machine."""
    count = getattr(os, "process_cpu_count", os.cpu_count)
    return count() or 1
