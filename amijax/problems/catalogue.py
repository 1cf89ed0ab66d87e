"""The problems there are, and opening one by its id or by the path of its YAML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amijax.paths import collection_dir
from amijax.problems.collection import (
    OnDownload,
    collection_ids,
    download_problem,
    downloaded_yaml,
)
from amijax.problems.features import ProblemFeatures, known_features
from amijax.problems.opening import open_problem, problem_id_of
from amijax.problems.problem import Problem, ProblemError

DEFAULT_PROBLEM = "Boehm_JProteomeRes2014"
EMBEDDED = Path(__file__).parent / "embedded"

Source = Literal["embedded", "local collection", "downloaded", "collection"]
_ORDER: tuple[Source, ...] = ("embedded", "local collection", "downloaded", "collection")


@dataclass(frozen=True)
class ProblemInfo:
    """What is known of a problem before it is opened.

    Attributes:
        problem_id: the name under which it is opened.
        source: where its files come from; those of "collection" are not here yet, and opening
            it downloads them.
        path: its YAML file, None where that is not here yet.
        features: its size and features; None for a folder of a local collection that the
            collection's overview doesn't know.
    """

    problem_id: str
    source: Source
    path: Path | None
    features: ProblemFeatures | None

    @property
    def is_here(self) -> bool:
        """Whether it opens without a network."""
        return self.path is not None


def list_problems() -> tuple[ProblemInfo, ...]:
    """All problems that `load_problem` knows by id, none of them opened.

    The embedded ones come first, the default before all, then those of the local collection
    that `AMIJAX_COLLECTION` names, those downloaded, and the rest of the benchmark collection.
    An id that several have belongs to the first of these.
    """
    found = {info.problem_id: info for info in _in_folder(EMBEDDED, "embedded")}
    if (local := collection_dir()) is not None:
        for info in _in_folder(local, "local collection"):
            found.setdefault(info.problem_id, info)
    features = known_features()
    for problem_id in collection_ids():
        if problem_id not in found:
            path = downloaded_yaml(problem_id)
            source: Source = "collection" if path is None else "downloaded"
            found[problem_id] = ProblemInfo(problem_id, source, path, features.get(problem_id))
    ordered = sorted(found.values(), key=lambda info: (_ORDER.index(info.source), info.problem_id))
    return tuple(sorted(ordered, key=lambda info: info.problem_id != DEFAULT_PROBLEM))


def load_problem(
    id_or_path: str | Path = DEFAULT_PROBLEM, *, on_download: OnDownload | None = None
) -> Problem:
    """Open a PEtab v1 problem; one of the collection that is not here is downloaded first.

    Args:
        id_or_path: an id that `list_problems` names, or the path of a YAML file.
        on_download: called with the state of a download; see `download_problem`.

    Raises:
        DownloadError: its files can't be had.
        ProblemError: there is no such problem, or it can't be used; the message says why.
    """
    known = {info.problem_id: info for info in list_problems()}
    if (info := known.get(str(id_or_path))) is not None:
        path = info.path
        if path is None or info.source == "downloaded":  # what is damaged is fetched again
            path = download_problem(info.problem_id, on_download).path
        return open_problem(path, info.problem_id)
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        raise ProblemError(
            f"{path} is a folder: give the path of the problem's YAML file inside it."
        )
    if not path.is_file():
        raise ProblemError(
            f"There is no problem {str(id_or_path)!r}: neither an id ({', '.join(known)}) "
            "nor the path of an existing YAML file."
        )
    return open_problem(path, problem_id_of(path))


def _in_folder(folder: Path, source: Literal["embedded", "local collection"]) -> list[ProblemInfo]:
    features = known_features()
    infos = []
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        for name in (f"{sub.name}.yaml", "problem.yaml"):
            if (sub / name).is_file():
                infos.append(ProblemInfo(sub.name, source, sub / name, features.get(sub.name)))
                break
    return infos
