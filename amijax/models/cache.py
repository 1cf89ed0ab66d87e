"""The cache of compiled models on disk: its layout, its manifests, and loading from it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from amijax.paths import cache_dir

if TYPE_CHECKING:
    from amijax.models.library import LoadedModel

PHASES = ("import", "code generation", "C++ build", "load", "trial")
_MANIFEST = "manifest.json"


class DamagedModelError(RuntimeError):
    """A cache entry that no longer is what was compiled; compiling again replaces it."""


@dataclass(frozen=True)
class ModelFolders:
    """Where the files of one key are, below `cache_dir()/models`.

    Attributes:
        root: the folder of all models.
        key: the model's key.
    """

    root: Path
    key: str

    @classmethod
    def of(cls, key: str) -> ModelFolders:
        """The folders of a key in the current cache."""
        return cls(cache_dir().absolute() / "models", key)

    @property
    def entry(self) -> Path:
        """The finished model."""
        return self.root / self.key

    @property
    def lock(self) -> Path:
        """The lock of whoever builds it."""
        return self.root / "locks" / f"{self.key}.lock"

    @property
    def trial_lock(self) -> Path:
        """The lock of whoever tries it."""
        return self.root / "locks" / f"{self.key}.trial.lock"

    @property
    def source(self) -> Path:
        """The sanitised problem."""
        return self.root / "sources" / self.key

    @property
    def sample(self) -> Path:
        """Simulations with which the model is tried after its build."""
        return self.source / "sample.pickle"

    @property
    def verdicts(self) -> Path:
        """What became of the model when it was tried, a file for each kind of native code."""
        return self.root / "verdicts" / self.key

    @property
    def log(self) -> Path:
        """The log of the latest build; stays after a failure."""
        return self.root / "logs" / f"{self.key}.log"

    @property
    def phases(self) -> Path:
        """The phases of the latest build, one JSON object a line."""
        return self.root / "logs" / f"{self.key}.phases"

    @property
    def building(self) -> Path:
        """The folder in which each build has a folder of its own."""
        return self.root / "building" / self.key


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model in the cache.

    Attributes:
        key: digest of the problem's content and the versions.
        path: the folder that holds the model's library.
        library: the library's file name.
        seconds: what the build took, for each phase and in `total`.
    """

    key: str
    path: Path
    library: str
    seconds: dict[str, float]

    def load(self) -> LoadedModel:
        """A fresh instance of the model; all of a process share the library behind it.

        A library that is loaded stays the same one, even if the entry is rebuilt meanwhile.

        Raises:
            DamagedModelError: the entry is damaged; a later load after a rebuild works.
        """
        from amijax.models.library import model_library  # takes AMICI with it, hence a second

        library = model_library(self.key)
        if library is not None:
            return library.get_model()
        # Opening a truncated library can kill the process: look before.
        if read_entry(self.path) is None:
            raise DamagedModelError(
                f"The compiled model in {self.path} is damaged. Compile it again."
            )
        return load_model(self.key, self.path / self.library)


def load_model(key: str, library: Path) -> LoadedModel:
    """A fresh instance of a key's model, without a look at the library's manifest.

    Raises:
        DamagedModelError: it can't be loaded.
    """
    from amijax.models.library import load_library

    try:
        return load_library(key, library).get_model()
    except (OSError, AttributeError, RuntimeError) as error:
        raise DamagedModelError(
            f"The compiled model in {library.parent} can't be loaded ({error}). Compile it again."
        ) from error


def find_entry(key: str) -> CompiledModel | None:
    """The whole and undamaged entry of a key, or None."""
    return read_entry(ModelFolders.of(key).entry)


def read_entry(path: Path) -> CompiledModel | None:
    """The entry in a folder if all its files are as the manifest says, or None."""
    try:
        manifest = json.loads((path / _MANIFEST).read_bytes())
        for name, (size, digest) in manifest["files"].items():
            file = path / name
            if file.stat().st_size != size or _digest(file) != digest:
                return None
        if not manifest["files"]:
            return None
        return CompiledModel(manifest["key"], path, manifest["library"], manifest["seconds"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_entry(library: Path, folders: ModelFolders, seconds: dict[str, float]) -> None:
    """Turn a finished library, in a folder of its own, into the cache entry.

    Must be called by the holder of the lock, with `library` on the same file system.
    """
    package = library.parent
    manifest = {
        "key": folders.key,
        "library": library.name,
        "seconds": seconds,
        "files": {library.name: (library.stat().st_size, _digest(library))},
    }
    (package / _MANIFEST).write_text(json.dumps(manifest, indent=1))
    for file in (library, package / _MANIFEST):
        _sync(file)
    if folders.entry.exists():
        # Other processes may have the old library open: move it, never write into it.
        folders.entry.rename(package.with_name("replaced"))
    package.rename(folders.entry)
    shutil.rmtree(package.with_name("replaced"), ignore_errors=True)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
