"""AMICI inside JAX for PEtab problems: log-likelihoods, gradients, and where their digits go."""

import lazy_loader

from amijax._version import __version__

# Names are listed in __init__.pyi and loaded on first use: reading a problem costs no JAX.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*__all__, "__version__"]
