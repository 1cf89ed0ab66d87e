"""The problems there are, none of them opened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from amijax.paths import collection_dir
from amijax.problems.collection import collection_ids, downloaded_yaml
from amijax.problems.features import ProblemFeatures, known_features
from amijax.problems.files import files_digest, read_files
from amijax.problems.problem import Problem

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


def is_embedded(problem: Problem) -> bool:
    """Whether a problem's files are those of a problem that comes with amijax."""
    return problem.digest in _embedded_digests()


@cache
def _embedded_digests() -> frozenset[str]:
    paths = [info.path for info in _in_folder(EMBEDDED, "embedded") if info.path is not None]
    return frozenset(files_digest(path.name, read_files(path)) for path in paths)


def _in_folder(folder: Path, source: Literal["embedded", "local collection"]) -> list[ProblemInfo]:
    features = known_features()
    infos = []
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        for name in (f"{sub.name}.yaml", "problem.yaml"):
            if (sub / name).is_file():
                infos.append(ProblemInfo(sub.name, source, sub / name, features.get(sub.name)))
                break
    return infos
