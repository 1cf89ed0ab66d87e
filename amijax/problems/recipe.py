"""A problem as plain data that travels: its files, to be opened on another machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from amijax.paths import cache_dir
from amijax.problems.files import files_digest, read_files
from amijax.problems.opening import open_problem
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import Scale

_KEPT = 50
_WRITING = ".writing-"
_LEFTOVER_SECONDS = 3600.0


@dataclass(frozen=True)
class ProblemRecipe:
    """A problem's files. Two recipes are equal if their contents are.

    Attributes:
        problem_id: the name under which the problem is known.
        yaml_name: its YAML file.
        digest: of the files.
        repair: as in `Problem`.
        scales: of theta, by parameter, where they are not the default ones (PEtab v2).
        files: name relative to the YAML file's folder, and content, packed by zlib; the YAML file
            is among them.
    """

    problem_id: str
    yaml_name: str
    digest: str
    repair: bool
    scales: tuple[tuple[str, Scale], ...]
    files: tuple[tuple[str, bytes], ...] = field(compare=False, repr=False)

    @classmethod
    def of(cls, problem: Problem) -> ProblemRecipe:
        """The recipe of a problem that is open here.

        Raises:
            ProblemError: its files are not what they were when it was opened.
        """
        path = problem.source
        try:
            files = read_files(path)
        except ProblemError as error:
            raise ProblemError(
                f"{problem.problem_id} can't be sent elsewhere without its files: {error} "
                "Put them back, or open the problem where they are now."
            ) from error
        if files_digest(path.name, files) != problem.digest:
            raise ProblemError(
                f"The files of {problem.problem_id} have changed since it was opened ({path}), so "
                "another process would compute something else. Open the problem again."
            )
        packed = tuple((name, zlib.compress(content)) for name, content in files.items())
        scales = tuple(problem.chosen_scales.items())
        return cls(problem.problem_id, path.name, problem.digest, problem.repair, scales, packed)

    def open(self) -> Problem:
        """Open the problem from its files in the cache folder, below `recipes`.

        They are written there if they are not there and whole. The latest 50 are kept.

        Raises:
            ProblemError: the cache folder can't be written.
        """
        root = cache_dir().absolute() / "recipes"
        folder = root / self.digest
        path = folder / self._home / self.yaml_name
        try:
            if not self._is_at(path):
                self._write(root, folder)
            os.utime(folder)  # the latest use decides which are removed
        except OSError as error:
            raise ProblemError(
                f"The files of {self.problem_id} can't be written to {folder}: "
                f"{error.strerror or error}. Name another cache folder in AMIJAX_CACHE_DIR."
            ) from error
        scales = dict(self.scales) or None
        return replace(open_problem(path, self.problem_id, scales=scales), repair=self.repair)

    @property
    def _home(self) -> PurePosixPath:
        """The YAML file's folder, so deep that no `..` in a name leaves the recipe's folder."""
        ups = max(PurePosixPath(name).parts.count("..") for name, _ in self.files)
        return PurePosixPath(*["files"] * (ups + 1))

    def _is_at(self, path: Path) -> bool:
        try:
            return files_digest(path.name, read_files(path)) == self.digest
        except ProblemError:
            return False

    def _write(self, root: Path, folder: Path) -> None:
        """Write the files where nobody else looks, then give them their place."""
        root.mkdir(parents=True, exist_ok=True)
        _tidy(root)
        part = Path(tempfile.mkdtemp(prefix=_WRITING, dir=root))
        try:
            for name, packed in self.files:
                path = part / self._home / PurePosixPath(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(zlib.decompress(packed))
            if folder.exists():  # damaged
                folder.rename(part / "replaced")
            try:
                part.rename(folder)
            except OSError:
                if not self._is_at(folder / self._home / self.yaml_name):
                    raise  # else another process was faster
            shutil.rmtree(folder / "replaced", ignore_errors=True)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _tidy(root: Path) -> None:
    """Remove what was not used for longest, and what killed processes left."""
    uses: dict[Path, float] = {}
    for folder in root.iterdir():
        with suppress(OSError):
            used = folder.stat().st_mtime
            if not folder.name.startswith(_WRITING):
                uses[folder] = used
            elif used < time.time() - _LEFTOVER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    for folder in sorted(uses, key=lambda folder: uses[folder], reverse=True)[_KEPT - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)
