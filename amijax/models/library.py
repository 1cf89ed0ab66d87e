"""Compiled models in memory: each a shared library, of which a bounded number stays loaded."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import amici.sim.sundials as sundials

from amijax.models.amici_internals import keep_library, put_model
from amijax.models.ctypes_internals import unloader

LIMIT_VARIABLE = "AMIJAX_LOADED_MODELS"
DEFAULT_LIMIT = 16

_lock = threading.Lock()
_loaded: weakref.WeakValueDictionary[str, ModelLibrary] = weakref.WeakValueDictionary()
_recent: OrderedDict[str, ModelLibrary] = OrderedDict()  # keeps them loaded while nobody uses them
_unused: list[Callable[[], None]] = []  # unload libraries that nothing refers to any more


class ModelLibrary:
    """The shared library of one model; whatever runs its code must hold a reference to it.

    AMICI calls this the model's `module`: its models have an attribute of that name.
    """

    def __init__(self, path: Path) -> None:
        """Load a library.

        Raises:
            OSError: it can't be loaded.
            AttributeError: it is not the library of a model.
        """
        library = ctypes.CDLL(str(path))
        self._get_model = library.amijax_get_model
        self._get_model.argtypes = [ctypes.c_void_p]
        # Closing waits for the next `model_library`: the last objects that need the library's
        # code may just be on their way out.
        weakref.finalize(self, _unused.append, unloader(library)).atexit = False

    def get_model(self) -> LoadedModel:
        """A new instance of the model."""
        model = LoadedModel(self)
        if not put_model(model, self._get_model):
            raise RuntimeError("AMICI can't create an instance of the model.")
        return model


class LoadedModel(sundials.ModelPtr):
    """AMICI's own model object, which keeps the library of its code loaded.

    So do its clones and solvers; nothing else that AMICI returns needs the library.
    """

    def __init__(self, module: ModelLibrary, model: Any = None) -> None:
        """Own `model`, AMICI's `Model`; without it, be a pointer that awaits one."""
        super().__init__(model)
        keep_library(self, module)

    def clone(self) -> LoadedModel:
        """A copy of its own."""
        return LoadedModel(self.module, super().clone())

    def create_solver(self) -> Any:
        """A solver for this model, whose code is in the model's library as well."""
        solver = super().create_solver()
        keep_library(solver, self.module)
        return solver

    def __reduce__(self) -> NoReturn:
        raise TypeError("A loaded model can't be pickled; pickle the CompiledModel and load it.")


def model_library(key: str) -> ModelLibrary | None:
    """The library of a key if this process has it, which is then the latest used one."""
    with _lock:
        _close_unused()
        if (library := _loaded.get(key)) is not None:
            _remember(key, library)
    return library


def load_library(key: str, path: Path) -> ModelLibrary:
    """The library of a key, loaded from a file unless this process has it already.

    The `AMIJAX_LOADED_MODELS` (16) latest used libraries stay loaded; one that was used longer
    ago is unloaded as soon as no model of it is left, where the platform can (Linux and macOS).

    Raises:
        OSError: it can't be loaded.
        AttributeError: it is not the library of a model.
    """
    with _lock:
        _close_unused()
        library = _loaded.get(key) or ModelLibrary(path)
        _loaded[key] = library
        _remember(key, library)
    return library


def loaded_keys() -> tuple[str, ...]:
    """The keys of the models whose libraries are loaded."""
    with _lock:
        _close_unused()
        return tuple(_loaded)


def _remember(key: str, library: ModelLibrary) -> None:
    _recent[key] = library
    _recent.move_to_end(key)
    while len(_recent) > int(os.environ.get(LIMIT_VARIABLE, DEFAULT_LIMIT)):
        _recent.popitem(last=False)
    _close_unused()


def _close_unused() -> None:
    while _unused:
        _unused.pop()()
