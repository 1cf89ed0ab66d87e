"""The files of a problem as bytes, and the digest that tells whether they are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from amijax.problems.limits import LOCAL_LIMITS, BundleLimits
from amijax.problems.petab_yaml import read_petab_yaml
from amijax.problems.problem import ProblemError


def read_files(yaml_path: Path, limits: BundleLimits = LOCAL_LIMITS) -> dict[str, bytes]:
    """The YAML file, first, and all that it names and that are read, by their names in it.

    Not checked: what is in the model and in the tables.

    Raises:
        ProblemError: a file is missing, or the YAML file is no PEtab problem.
    """
    content = _read(yaml_path, str(yaml_path), limits.yaml_bytes)
    names = read_petab_yaml(content, str(yaml_path), limits)
    others = {}
    for name in (names.model, *names.tables):
        path = yaml_path.parent / PurePosixPath(name)
        if not path.exists():
            raise ProblemError(f"{yaml_path} refers to {name}, which is not there.")
        limit = limits.sbml_bytes if name == names.model else limits.table_bytes
        others[name] = _read(path, name, limit)
    return {yaml_path.name: content, **others}


def _read(path: Path, name: str, limit: int) -> bytes:
    """A file's content, one byte more than the limit at most."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise ProblemError(f"{name} can't be read: {error.strerror or error}.") from error


def files_digest(yaml_name: str, files: Mapping[str, bytes]) -> str:
    """Hex digest of a problem's files, their names, and which of them is the YAML file."""
    digest = hashlib.sha256(yaml_name.encode())
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]
