"""Fits: many local optimisations of a problem, their results, and what is to be said of them.

The package can be called: `amijax.fit(objective, n_starts=20)` is `amijax.fit.multistart.fit`.
Once a module below it is imported, Python binds the package to the name `amijax.fit`, where people
look for the function.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from amijax.fit.multistart import fit

        return fit(*args, **options)


sys.modules[__name__].__class__ = _Callable
