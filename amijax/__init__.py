"""AMICI inside JAX for PEtab problems: log-likelihoods, gradients, and where their digits go."""

from importlib import import_module
from typing import Any

import lazy_loader

from amijax._version import __version__

# Names are listed in __init__.pyi and loaded on first use: reading a problem costs no JAX.
_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    # The function `fit` has its package's name: whatever was imported before, it is the package,
    # which can be called.
    return import_module(f"{__name__}.fit") if name == "fit" else _load(name)
