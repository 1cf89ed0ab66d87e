"""The PEtab benchmark collection: which problems it has, and which of them are here."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from amijax.paths import cache_dir
from amijax.problems.problem import ProblemError

COMMIT = "4d2085084b289f6215a95475b1ee639fd7d42283"
DEFAULT_URL = (
    "https://raw.githubusercontent.com/Benchmarking-Initiative/Benchmark-Models-PEtab/"
    f"{COMMIT}/Benchmark-Models/"
)
_DIGESTS = Path(__file__).with_name("digests.tsv")
RECORD = "amijax-download.json"


def collection_ids() -> tuple[str, ...]:
    """The ids of all problems of the collection."""
    return tuple(digests())


def collection_url() -> str:
    """The address below which each problem has its folder: `AMIJAX_COLLECTION_URL`, else the
    collection's public repository at the pinned commit.

    Raises:
        ProblemError: the override is not an http or https address.
    """
    url = os.environ.get("AMIJAX_COLLECTION_URL") or DEFAULT_URL
    if not url.startswith(("https://", "http://")):
        raise ProblemError(
            f"AMIJAX_COLLECTION_URL is {url!r}; an address that begins with https:// or http:// "
            "was expected. For a folder on this machine use AMIJAX_COLLECTION."
        )
    return url.rstrip("/") + "/"


def download_dir(problem_id: str) -> Path:
    """Where a problem of the collection is kept."""
    return cache_dir() / "collection" / problem_id


def downloaded_yaml(problem_id: str) -> Path | None:
    """The YAML file of a problem that was downloaded completely, else None.

    Not checked: whether its files are still what they were; `download_problem` does that.
    """
    record = read_record(problem_id)
    if record is None or not all((download_dir(problem_id) / f).is_file() for f in record["files"]):
        return None
    return download_dir(problem_id) / record["files"][0]


@cache
def digests() -> Mapping[str, Mapping[str, str]]:
    """SHA-256 by file by problem; a problem's id stands in its first row only."""
    known: dict[str, dict[str, str]] = {}
    problem_id = ""
    with _DIGESTS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            problem_id = row["problem_id"] or problem_id
            known.setdefault(problem_id, {})[row["file"]] = row["sha256"]
    return MappingProxyType(known)


def read_record(problem_id: str) -> dict | None:
    """What was noted when a problem's download was complete; None if none was, or not of COMMIT."""
    try:
        record = json.loads((download_dir(problem_id) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    right = isinstance(record, dict) and record.get("commit") == COMMIT and record.get("files")
    return record if right else None
