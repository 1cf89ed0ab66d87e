"""The versions that a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from amijax._version import __version__

_PACKAGES = ("amici", "jax", "petab", "numpy")


def versions() -> dict[str, str]:
    """Version of amijax, Python and the packages that compute, by name; nothing is imported."""
    found = {"amijax": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
