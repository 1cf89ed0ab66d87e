"""Building generated model code as a shared library, faster than AMICI's own build.

AMICI wraps each model with SWIG and compiles file by file. We compile the files together and
let the library export one function (`cxx/factory.cpp`); `model_library` loads it.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from amijax.models.amici_internals import cmake_prefixes

# Every file parses AMICI's headers, which takes longer than compiling most of them: a model is
# compiled as one unit; a large one in several, which bounds the compiler's memory and uses all
# processors.
_UNIT_BYTES = 200_000
_MAX_JOBS = 8

_PROJECT = Path(__file__).parent / "cxx"
_SUFFIX = ".dll" if sys.platform == "win32" else ".so"

_INCLUDE = re.compile(r'^#include "(\w+\.h)"', re.MULTILINE)
_MACRO = re.compile(r"^#define (\w+) \w+\[\d+\]$", re.MULTILINE)

_NO_COMPILER = (
    "Install one: `sudo apt install g++` (Debian, Ubuntu), `sudo dnf install gcc-c++` (Fedora), "
    "`xcode-select --install` (macOS) or `conda install cxx-compiler`; then try again."
)


class BuildError(Exception):
    """A build that failed for a reason that can be told in words."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def check_compiler() -> None:
    """Look for a C++ compiler, as CMake will.

    Raises:
        BuildError: there is none.
    """
    if sys.platform == "win32":
        return  # Visual Studio's compiler is not on PATH; CMake finds it
    chosen = os.environ.get("CXX", "").split()[:1]
    if not any(shutil.which(name) for name in chosen or ("c++", "g++", "clang++")):
        raise BuildError(
            f"The C++ compiler {chosen[0]!r} that CXX names was not found."
            if chosen
            else "No C++ compiler was found, and the model must be compiled.",
            _NO_COMPILER,
        )


def confine_macros(folder: Path) -> None:
    """Let the macros that generated code has for its symbols end with the file that has them.

    In a unity build one file's `#define sx0 sx[0]` would change the next file's `double *sx0`.
    """
    for file in folder.glob("*.cpp"):
        text = file.read_text()
        names: dict[str, None] = {}
        for header in _INCLUDE.findall(text):
            if (folder / header).is_file():
                names |= dict.fromkeys(_MACRO.findall((folder / header).read_text()))
        file.write_text(text + "\n" + "".join(f"#undef {name}\n" for name in names))


class Build:
    """The build of one model's library by CMake, which looks at the compiler ahead of the code."""

    def __init__(self, sources: Path, folder: Path) -> None:
        """Start looking at the compiler, in the background.

        Args:
            sources: the folder in which the generated code will be.
            folder: where to build.
        """
        self._sources = sources
        self._folder = folder
        self._configure = subprocess.Popen(self._configure_command("ahead", 1))

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        self._configure.wait()  # it would go on writing where its folder was removed

    def run(self, *, unity: bool) -> Path | None:
        """Build the library, in few large units or file by file.

        Returns:
            Its file, or None if the build failed; the log has the reason.
        """
        self._configure.wait()
        sizes = [file.stat().st_size for file in self._sources.glob("*.cpp")]
        files_per_unit = math.ceil(len(sizes) / math.ceil(sum(sizes) / _UNIT_BYTES))
        name = "ahead" if unity else "plain"
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        for command in (
            self._configure_command(name, files_per_unit if unity else 1),
            [
                *("cmake", "--build", str(self._folder / name), "--verbose"),
                *("--config", "Release", "--parallel", str(min(processors, _MAX_JOBS))),
            ],
        ):
            if subprocess.run(command).returncode:
                return None
        return next((self._folder / name).rglob(f"model{_SUFFIX}"), None)

    def _configure_command(self, name: str, unit_size: int) -> list[str]:
        return [
            *("cmake", "-S", str(_PROJECT), "-B", str(self._folder / name), "-G", "Ninja"),
            "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_PREFIX_PATH=" + ";".join(prefix.as_posix() for prefix in cmake_prefixes()),
            f"-DMODEL_SOURCES={self._sources.as_posix()}",
            f"-DUNIT_SIZE={unit_size}",
        ]


def log(line: str) -> None:
    """Write a line into the log, in order with the output of other processes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
