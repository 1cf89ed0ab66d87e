"""Fetching a problem of the benchmark collection when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from amijax.files import write_atomically
from amijax.problems.collection import (
    COMMIT,
    RECORD,
    collection_ids,
    collection_url,
    digests,
    download_dir,
    read_record,
)
from amijax.problems.fetching import DownloadError, Fetcher, fetch_failure
from amijax.problems.limits import LOCAL_LIMITS
from amijax.problems.names import nearest
from amijax.problems.petab_yaml import read_petab_yaml
from amijax.problems.problem import ProblemError

_LOCK_SECONDS = 600.0


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is.

    Attributes:
        problem_id: what is downloaded.
        file: the file that is fetched now; empty before the first and when all is done.
        files_done: files that are here and checked.
        files_total: files of the problem; 1 until its YAML file is here and names the others.
        bytes_done: bytes that came over the network so far.
        unverified: files whose SHA-256 nobody told us, so that it can't be checked.
    """

    problem_id: str
    file: str
    files_done: int
    files_total: int
    bytes_done: int
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True)
class Download:
    """A problem of the collection in the cache folder.

    Attributes:
        path: its YAML file.
        unverified: files that were taken without a known SHA-256 (they came over HTTPS, are not
            empty, and later readings check that they still are what they were).
    """

    path: Path
    unverified: tuple[str, ...]


OnDownload = Callable[[DownloadProgress], None]


def download_problem(problem_id: str, on_progress: OnDownload | None = None) -> Download:
    """Bring a problem of the collection into the cache folder, file by file.

    Files that are there and have the right SHA-256 are not fetched again, so a download that
    broke off goes on where it was, and one that is complete needs no network. A file is written
    under another name until it is complete and checked. One process at a time does this.

    Args:
        problem_id: one of `collection_ids`.
        on_progress: called before each file, several times during a large one, and at the end.
            What it raises stops the download.

    Raises:
        DownloadError: a file can't be had; the message says why and what is here instead.
        ProblemError: the collection has no such problem.
    """
    if problem_id not in digests():
        raise ProblemError(
            f"The benchmark collection has no problem {problem_id!r}"
            f"{nearest(problem_id, collection_ids(), by_author=True)}; `python -m amijax list` "
            "names all that there are."
        )
    folder = download_dir(problem_id)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{problem_id}.lock", timeout=_LOCK_SECONDS):
            return _Download(problem_id, folder, on_progress or _ignore).run()
    except Timeout as error:
        raise DownloadError(
            "timeout", f"Another process has been downloading {problem_id} for ten minutes."
        ) from error
    except OSError as error:
        raise fetch_failure(error, f"{problem_id} in {folder}") from error


class _Download:
    """One download, under the lock."""

    def __init__(self, problem_id: str, folder: Path, on_progress: OnDownload) -> None:
        self._id, self._folder, self._on_progress = problem_id, folder, on_progress
        record = read_record(problem_id)
        # Digests that nobody told us are those of the first time.
        self._first_seen: dict[str, str] = dict(record["unverified"]) if record else {}
        self._done = 0
        self._total = 1
        self._fetcher = Fetcher(collection_url() + f"{problem_id}/", folder)
        self._fetcher.clear_parts()

    def run(self) -> Download:
        files_known = digests()[self._id]
        names = (f"{self._id}.yaml", "problem.yaml")
        yaml_name = next(name for name in names if name in files_known)
        path = self._fetch(yaml_name)
        files = read_petab_yaml(path.read_bytes(), yaml_name, LOCAL_LIMITS)
        others = (files.model, *files.tables, *files.visualizations)
        others = tuple(dict.fromkeys(others))
        self._total = 1 + len(others)
        for name in others:
            if ".." in PurePosixPath(name).parts:
                raise DownloadError("server", f"{self._id} names {name}, outside of its folder.")
            self._fetch(name)
        _write_record(self._id, [yaml_name, *others], self._first_seen)
        self._report("")
        return Download(path, tuple(self._first_seen))

    def _fetch(self, name: str) -> Path:
        known = digests()[self._id].get(name)
        self._report(name)
        path = self._fetcher.fetch(
            name, known or self._first_seen.get(name), lambda: self._report(name)
        )
        if known is None:
            self._first_seen[name] = self._fetcher.digest(name)
        self._done += 1
        return path

    def _report(self, name: str) -> None:
        self._on_progress(
            DownloadProgress(
                self._id,
                name,
                self._done,
                self._total,
                self._fetcher.bytes_done,
                tuple(self._first_seen),
            )
        )


def _write_record(problem_id: str, files: list[str], unverified: dict[str, str]) -> None:
    """Note that a download is complete; without this note it counts as not done."""
    record = {"commit": COMMIT, "files": files, "unverified": unverified}
    write_atomically(download_dir(problem_id) / RECORD, json.dumps(record, indent=1))


def _ignore(_progress: DownloadProgress) -> None:
    pass
