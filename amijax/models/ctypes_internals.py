"""What we use of `ctypes` that has no public function: unloading a library."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable


def unloader(library: ctypes.CDLL) -> Callable[[], None]:
    """A function that unloads a library, where the platform can (Linux and macOS), else nothing.

    It may be called once, after the last object that needs the library's code is gone; it does
    not keep `library` itself.

    Upstream: https://docs.python.org/3/library/ctypes.html#ctypes.PyDLL (`_handle`, documented as
    public) and https://pubs.opengroup.org/onlinepubs/9799919799/functions/dlclose.html

    When it changes: libraries of models that nobody uses stay in memory, however many a process
    loads, or the process ends when one is unloaded.
    """
    if sys.platform == "win32":
        return _nothing
    handle = library._handle

    def unload() -> None:
        ctypes.CDLL(None).dlclose(ctypes.c_void_p(handle))

    return unload


def _nothing() -> None:
    pass
