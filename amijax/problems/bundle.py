"""Opening a PEtab problem that somebody uploads: everything is checked before it touches disk."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from amijax.paths import cache_dir, cache_sentence
from amijax.problems.archive import checked_files, unpack
from amijax.problems.files import files_digest
from amijax.problems.inspection import check_sbml, check_table
from amijax.problems.limits import BundleLimits, uploads_allowed
from amijax.problems.opening import open_problem
from amijax.problems.petab_yaml import PetabFiles, read_petab_yaml
from amijax.problems.problem import Problem, ProblemError
from amijax.problems.rehearsal import rehearse
from amijax.problems.scale_choice import ScaleChoice

DEFAULT_LIMITS = BundleLimits()

_NOTE = "upload.json"
_FILES = "files"
_OPENING = ".opening-"
_LEFTOVER_SECONDS = 3600.0
_KEY = re.compile(r"[0-9a-f]{32}")
_YAML = (".yaml", ".yml")


@dataclass(frozen=True, eq=False)
class Bundle:
    """An uploaded problem that was opened.

    Attributes:
        key: digest of its files, under which `reopen_bundle` finds it.
        problem: the problem; what the linter found is in its `warnings`.
    """

    key: str
    problem: Problem


def open_bundle(
    data: bytes | Mapping[str, bytes] | Path,
    limits: BundleLimits = DEFAULT_LIMITS,
    *,
    yaml_file: str | None = None,
) -> Bundle:
    """Open an uploaded PEtab problem.

    Only the files that its YAML file names are kept, in the cache folder below `uploads`, under
    the digest of their content; all others are dropped unread. Of a problem that is refused
    nothing is on disk afterwards. Names are neither checked nor escaped here: code must never be
    generated from them.

    Args:
        data: a zip; or the files by name; or the path of a zip.
        limits: how large and how strange it may be.
        yaml_file: the problem's YAML file in it, where there are several.

    Raises:
        ProblemError: uploads are switched off, or it is refused; the message says why.
    """
    if not uploads_allowed():
        raise ProblemError(
            "Uploads are switched off on this server (AMIJAX_UPLOADS); run amijax on your own "
            "machine to open your own problems."
        )
    files = _all_files(data, limits)
    yaml_name = _find_yaml(files, yaml_file)
    names = read_petab_yaml(files[yaml_name], yaml_name, limits)
    kept = {yaml_name: files[yaml_name], **_referenced(names, yaml_name, files)}
    _inspect(names, yaml_name, kept, limits)
    key = files_digest(yaml_name, kept)
    if not _folder(key).is_dir():
        try:
            _keep(key, yaml_name, kept, limits)
        except OSError as error:
            raise ProblemError(cache_sentence(error)) from error
    return reopen_bundle(key, limits)


def reopen_bundle(
    key: str, limits: BundleLimits = DEFAULT_LIMITS, *, scales: ScaleChoice | None = None
) -> Bundle:
    """Open a problem again that was uploaded before.

    Args:
        key: digest of its files.
        limits: how large and how strange it may be.
        scales: of theta, as in `load_problem`.

    Raises:
        ProblemError: it is not there any more, or the key is none.
    """
    folder = _folder(key)
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ProblemError("This upload is not kept any more: upload it again.") from None
    path = folder / _FILES / note["yaml"]
    with _without_path(folder / _FILES):
        problem = open_problem(path, note["problem_id"], scales=scales, limits=limits)
    with suppress(OSError):
        (folder / _NOTE).touch()  # the latest use decides which are removed
    return Bundle(key, problem)


def remove_bundle(key: str) -> None:
    """Remove an uploaded problem's files; models compiled from it stay."""
    shutil.rmtree(_folder(key), ignore_errors=True)


def _all_files(data: bytes | Mapping[str, bytes] | Path, limits: BundleLimits) -> dict[str, bytes]:
    if isinstance(data, Mapping):
        return checked_files(data, limits)
    if isinstance(data, Path):
        try:
            with data.open("rb") as file:
                content = file.read(limits.archive_bytes + 1)
        except OSError as error:
            raise ProblemError(f"{data} can't be read: {error.strerror or error}.") from error
        return unpack(content, limits)
    return unpack(data, limits)


def _find_yaml(files: Mapping[str, bytes], yaml_file: str | None) -> str:
    """The problem's YAML file: the only one nearest to the top, or the one named as usual."""
    if yaml_file is not None:
        if yaml_file not in files:
            raise ProblemError(f"The upload has no file {yaml_file[:80]!r}.")
        return yaml_file
    candidates = [name for name in files if name.lower().endswith(_YAML)]
    if not candidates:
        raise ProblemError(
            "The upload has no YAML file; a PEtab problem has one, which names its other files."
        )
    top = min(name.count("/") for name in candidates)
    candidates = [name for name in candidates if name.count("/") == top]
    usual = [name for name in candidates if _is_usual(PurePosixPath(name))]
    if len(candidates) > 1 and len(usual) != 1:
        raise ProblemError(
            f"The upload has several YAML files ({', '.join(sorted(candidates)[:10])}); leave the "
            "one of the problem, or call it problem.yaml."
        )
    return (usual or candidates)[0]


def _is_usual(path: PurePosixPath) -> bool:
    return path.stem == "problem" or path.stem == path.parent.name


def _referenced(names: PetabFiles, yaml_name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    home = PurePosixPath(yaml_name).parent
    kept = {}
    for name in (names.model, *names.tables):
        if any(part in ("..", ".") for part in name.split("/")):
            raise ProblemError(
                f"{yaml_name} refers to {name!r}; all files of an upload must lie inside it, below "
                "the YAML file's folder."
            )
        path = str(home / name)
        if path not in files:
            raise ProblemError(f"{yaml_name} refers to {name!r}, which the upload does not hold.")
        kept[path] = files[path]
    return kept


def _inspect(
    names: PetabFiles, yaml_name: str, files: Mapping[str, bytes], limits: BundleLimits
) -> None:
    home = PurePosixPath(yaml_name).parent
    check_sbml(files[str(home / names.model)], names.model, limits)
    for name in names.tables:
        check_table(files[str(home / name)], name, limits)


def _keep(key: str, yaml_name: str, files: Mapping[str, bytes], limits: BundleLimits) -> None:
    """Write the files where nobody else looks, try them, and only then give them their place."""
    root = _root()
    root.mkdir(parents=True, exist_ok=True)
    _tidy(root, limits.kept - 1)
    folder = Path(tempfile.mkdtemp(prefix=_OPENING, dir=root))
    try:
        for name, content in files.items():
            path = folder / _FILES / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with _without_path(folder / _FILES):
            rehearse(folder / _FILES / yaml_name, limits)
        note = {
            "problem_id": _problem_id(yaml_name),
            "yaml": yaml_name,
        }
        (folder / _NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")
        try:
            folder.rename(_folder(key))
        except OSError:
            if not _folder(key).is_dir():  # else somebody uploaded the same meanwhile
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _problem_id(yaml_name: str) -> str:
    path = PurePosixPath(yaml_name)
    stem = path.parent.name if path.stem == "problem" else path.stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem)[:80].strip("._-") or "upload"


def _tidy(root: Path, kept: int) -> None:
    """Remove the uploads that were not used for longest, and what killed processes left."""
    uses: dict[Path, float] = {}
    for folder in root.iterdir():
        with suppress(OSError):
            if not folder.name.startswith(_OPENING):
                uses[folder] = (folder / _NOTE).stat().st_mtime
            elif folder.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    for folder in sorted(uses, key=lambda folder: uses[folder], reverse=True)[max(kept, 0) :]:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _without_path(folder: Path) -> Iterator[None]:
    """Let sentences name files as the upload does, not where this machine has them."""
    try:
        yield
    except ProblemError as error:
        raise ProblemError(str(error).replace(f"{folder}/", "")) from error


def _root() -> Path:
    return cache_dir() / "uploads"


def _folder(key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise ProblemError("This upload is not kept any more: upload it again.")
    return _root() / key
