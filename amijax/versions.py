"""The versions that a result depends on."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from amijax._version import __version__

_PACKAGES = ("amici", "jax", "petab", "numpy")


def processor() -> str:
    """The kind of processor, on which durations depend; as Linux calls it, else as Python does."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Version of amijax, Python and the packages that compute, by name; nothing is imported."""
    found = {"amijax": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
