"""A compiled model whose native code does harm when the environment says so.

`SPOILT` says which: `abort`, `hang` or `memory` wherever the model is integrated, `gradient` where
it is differentiated. Without it the model is sound.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from amijax.models.build import Build, confine_macros
from amijax.models.cache import ModelFolders, write_entry
from amijax.models.source import generate_code, model_source
from amijax.problems import Problem

_HARM = """
    if (const char* harm = getenv("SPOILT")) {
        if (harm[0] == 'a') abort();
        if (harm[0] == 'h') for (volatile int i = 0;; i = i + 1);
        if (harm[0] == 'm') for (;;) { volatile char* held = new char[1 << 26]; held[0] = 1; }
    }
"""
_HARM_TO_GRADIENT = """
    if (const char* harm = getenv("SPOILT")) if (harm[0] == 'g') abort();
"""


def compile_spoilt(problem: Problem, folder: Path) -> None:
    """Put a problem's model into the cache, with the harm in it and untried.

    Args:
        problem: the problem.
        folder: for the build, on the cache's file system.
    """
    source = model_source(problem)
    source.write(folder / "source")
    code = folder / "code"
    generate_code(folder / "source", "spoilt", code)
    _put_into(code / "xdot.cpp", _HARM)
    _put_into(code / "dwdp.cpp", _HARM_TO_GRADIENT)
    confine_macros(code)
    with Build(code, folder / "build") as build:
        library = build.run(unity=True)
    assert library is not None
    (folder / "entry").mkdir()
    folders = ModelFolders.of(source.key)
    folders.root.mkdir(parents=True, exist_ok=True)
    library = Path(shutil.move(library, folder / "entry" / library.name))
    write_entry(library, folders, {"total": 0.0})


def _put_into(file: Path, statements: str) -> None:
    text, count = re.subn(
        r"(void \w+_spoilt\([^)]*\)\s*\{)", lambda m: m[1] + statements, file.read_text()
    )
    assert count
    file.write_text("#include <cstdlib>\n" + text)
