"""What we use of AMICI that AMICI does not promise, each in a function of its own.

No other module names AMICI's private modules, files, objects behind pointers or memory
(`tests/test_imports.py`). Each function links to what it relies on and says what breaks when that
changes, and `tests/test_internals.py` fails with that sentence. Nothing is loaded before a function
needs it: compile workers start CMake before they load anything.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amijax.scales import FloatArray

_BYTES = ctypes.sizeof(ctypes.c_double)


def cmake_prefixes() -> tuple[Path, ...]:
    """Where CMake finds AMICI's headers and static libraries, without importing AMICI.

    Upstream: https://github.com/AMICI-dev/AMICI/blob/main/python/sdist/setup.py

    When it changes: CMake no longer finds AMICI in its `_installation` folder, and no model can
    be built.
    """
    spec = find_spec("amici")
    assert spec is not None
    assert spec.origin is not None
    installation = Path(spec.origin).parent / "_installation"
    return (installation, installation / "lib" / "cmake" / "openblas")


def run_simulations(
    model: Any, solver: Any, edatas: Sequence[Any], *, failfast: bool, num_threads: int = 1
) -> list[Any]:
    """AMICI's `run_simulations` without the views around its results.

    AMICI's Python function wraps each ReturnData in a view and logs its messages; for a small
    model that takes a tenth of the time of a simulation.

    Upstream: https://github.com/AMICI-dev/AMICI/blob/main/python/sdist/amici/sim/sundials/_swig_wrappers.py

    When it changes: AMICI's C++ function behind `run_simulations` takes other arguments or gives
    other results than the public one, and nothing can be simulated.

    Args:
        model: AMICI's, loaded by `amijax.models.library`.
        solver: AMICI's.
        edatas: AMICI's ExpData, one for each simulation.
        failfast: leave out those after one that failed (status -1001).
        num_threads: cores to use.

    Returns:
        AMICI's ReturnData, one for each of `edatas`.
    """
    import amici.sim.sundials as sundials

    return sundials.amici.run_simulations(
        solver.get(), sundials.ExpDataPtrVector(edatas), model.get(), failfast, num_threads
    )


def numbers_in_memory(vector: Any) -> FloatArray | None:
    """A copy of what AMICI's `DoubleVector` holds, read where it is; None if that can't be.

    A `std::vector` begins with the addresses of its first element and of its end, in the standard
    libraries of GCC, Clang and Microsoft; what is found there must fit the vector's length and
    its first and last number.

    Upstream: https://github.com/AMICI-dev/AMICI/issues/581 (why it is worth it)

    When it changes: AMICI's vectors can't be read from memory, and reading results takes as long
    as simulating a dense time course, since each number is asked for on its own.

    Args:
        vector: for example `rdata.y`; it points into its ReturnData, which must be kept meanwhile.

    Returns:
        Shape (n,).
    """
    import numpy as np

    n = len(vector)
    if n == 0:
        return np.empty(0)
    first, end = (ctypes.c_void_p * 2).from_address(_address(vector))
    if first is None or end is None or end - first != n * _BYTES:
        return None
    numbers = (ctypes.c_double * n).from_address(first)
    if not (_same(numbers[0], vector.front()) and _same(numbers[n - 1], vector.back())):
        return None
    return np.frombuffer(numbers).copy()


def put_model(pointer: Any, factory: Callable[[int], int]) -> bool:
    """Let a library put a new model into AMICI's pointer; return whether it could.

    Upstream: https://github.com/AMICI-dev/AMICI/blob/main/swig/std_unique_ptr.i

    When it changes: a `ModelPtr` of AMICI's Python module no longer is a `std::unique_ptr` whose
    address Python can tell, and no compiled model can be loaded.

    Args:
        pointer: an empty `ModelPtr`.
        factory: the library's function (`cxx/factory.cpp`), given the pointer's address.
    """
    return bool(factory(_address(pointer)))


def keep_library(owner: Any, library: Any) -> None:
    """Let an object whose code is in a model's library keep the library, longer than itself.

    Python drops an object's attributes in the order in which they were set: first `this`, the
    C++ object, whose destructor is in the library, then the library. AMICI calls the latter
    `module`, and its own copies of a model take it over.

    Upstream: https://github.com/AMICI-dev/AMICI/blob/main/swig/model.i and
    https://github.com/AMICI-dev/AMICI/blob/main/swig/std_unique_ptr.i

    When it changes: a model's or solver's library can be unloaded before the object is destroyed,
    which ends the process.

    Args:
        owner: AMICI's model or solver.
        library: the model's.
    """
    owner.module = library


def _address(wrapped: Any) -> int:
    """Where the C++ object is that a SWIG object stands for."""
    return int(wrapped.this)


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)
