"""Building the C++ extension of generated model code, faster than file by file."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import sys
import traceback
from pathlib import Path

# Every file parses AMICI's headers, which takes a second: a small model is compiled as one
# unit; a large one in several, which bounds the compiler's memory and uses all processors.
_ONE_UNIT_BYTES = 150_000
_FILES_PER_UNIT = 5
_MAX_JOBS = 8

_INCLUDE = re.compile(r'^#include "(\w+\.h)"', re.MULTILINE)
_MACRO = re.compile(r"^#define (\w+) \w+\[\d+\]$", re.MULTILINE)

_TOOLCHAIN = """\
{include}
set(CMAKE_UNITY_BUILD ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE {batch})
# SWIG's wrapper needs nothing of the model's library before they are linked.
set(CMAKE_ADD_CUSTOM_COMMAND_DEPENDS_EXPLICIT_ONLY ON)
"""

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
    """Look for a C and a C++ compiler, as CMake will.

    Raises:
        BuildError: there is none.
    """
    if sys.platform == "win32":
        return  # Visual Studio's compiler is not on PATH; CMake finds it
    for language, variable, names in (
        ("C++", "CXX", ("c++", "g++", "clang++")),
        ("C", "CC", ("cc", "gcc", "clang")),
    ):
        chosen = os.environ.get(variable, "").split()[:1]
        if not any(shutil.which(name) for name in chosen or names):
            raise BuildError(
                f"The {language} compiler {chosen[0]!r} that {variable} names was not found."
                if chosen
                else f"No {language} compiler was found, and the model must be compiled.",
                _NO_COMPILER,
            )


def confine_macros(package: Path) -> None:
    """Let the macros that generated code has for its symbols end with the file that has them.

    In a unity build one file's `#define sx0 sx[0]` would change the next file's `double *sx0`.
    """
    for file in package.glob("*.cpp"):
        text = file.read_text()
        names: dict[str, None] = {}
        for header in _INCLUDE.findall(text):
            if (package / header).is_file():
                names |= dict.fromkeys(_MACRO.findall((package / header).read_text()))
        file.write_text(text + "\n" + "".join(f"#undef {name}\n" for name in names))


def build_extension(package: Path, *, unity: bool) -> bool:
    """Build the extension of generated code, in few large units or file by file.

    Returns:
        Whether it worked; the log has the reason if not.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    os.environ.setdefault("AMICI_PARALLEL_COMPILE", str(min(processors, _MAX_JOBS)))
    for folder in package.glob("build*"):
        shutil.rmtree(folder, ignore_errors=True)
    own = os.environ.get("CMAKE_TOOLCHAIN_FILE")
    size = sum(file.stat().st_size for file in package.glob("*.cpp"))
    toolchain = package / "toolchain.cmake"
    toolchain.write_text(
        _TOOLCHAIN.format(
            include=f'include("{Path(own).as_posix()}")' if own else "",
            batch=0 if size < _ONE_UNIT_BYTES else _FILES_PER_UNIT,
        )
    )
    if unity:
        os.environ["CMAKE_TOOLCHAIN_FILE"] = toolchain.as_posix()
    try:
        return _run_setup(package)
    finally:
        if own:
            os.environ["CMAKE_TOOLCHAIN_FILE"] = own
        else:
            os.environ.pop("CMAKE_TOOLCHAIN_FILE", None)


def _run_setup(package: Path) -> bool:
    """Run the generated package's setup.py here, where AMICI is imported already."""
    arguments, folder = sys.argv, Path.cwd()
    sys.argv = [
        "setup.py", "--verbose", "build_ext",
        f"--build-lib={package}", f"--build-temp={package / 'build'}",
    ]  # fmt: skip
    try:
        runpy.run_path(str(package / "setup.py"), run_name="__main__")
    except (Exception, SystemExit):  # CMake's failures, or setuptools' summary of them
        traceback.print_exc()
        return False
    finally:
        sys.argv = arguments
        os.chdir(folder)
    return True


def log(line: str) -> None:
    """Write a line into the log, in order with the output of other processes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
