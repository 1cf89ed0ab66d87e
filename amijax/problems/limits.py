"""How large and how strange a problem's files may be, and whether files from outside are taken."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class BundleLimits:
    """What an uploaded problem may cost.

    Attributes:
        archive_bytes: size of a zip, or of all files where they come one by one.
        unpacked_bytes: size of the files of a zip, unpacked.
        ratio: unpacked size by packed size. Text packs to a twentieth, a bomb to a thousandth.
        files: number of entries of a zip, folders not counted.
        path_length: characters of a file's path in the bundle.
        yaml_bytes: size of the problem's YAML file.
        table_bytes, table_rows, table_cells: size of each table.
        field_length: characters of a table's field; formulas are parsed recursively.
        sbml_bytes, sbml_elements: size of the model.
        sbml_depth: nested XML elements. libSBML parses recursively and crashes with the whole
            process at some ten thousand; Python's parsers give up at a thousand.
        species, reactions, parameters: number of those that the model declares.
        check_seconds, check_bytes: time and memory for a first reading in a process of its own.
        kept: uploads that stay in the cache folder; the oldest beyond are removed.
    """

    archive_bytes: int = 20_000_000
    unpacked_bytes: int = 100_000_000
    ratio: float = 200.0
    files: int = 200
    path_length: int = 200
    yaml_bytes: int = 100_000
    table_bytes: int = 20_000_000
    table_rows: int = 100_000
    table_cells: int = 2_000_000
    field_length: int = 10_000
    sbml_bytes: int = 20_000_000
    sbml_elements: int = 500_000
    sbml_depth: int = 100
    species: int = 5_000
    reactions: int = 20_000
    parameters: int = 20_000
    check_seconds: float = 60.0
    check_bytes: int = 4_000_000_000
    kept: int = 50


# A person's own files, and the collection's: guards against accidents, not against malice.
LOCAL_LIMITS = BundleLimits(
    table_bytes=1_000_000_000,
    table_rows=10_000_000,
    table_cells=200_000_000,
    field_length=100_000,
    sbml_bytes=500_000_000,
    sbml_elements=20_000_000,
    species=100_000,
    reactions=500_000,
    parameters=500_000,
)


def uploads_allowed() -> bool:
    """Whether `open_bundle` takes files: not where `AMIJAX_UPLOADS` is `off` (or 0, no, false)."""
    return os.environ.get("AMIJAX_UPLOADS", "on").strip().lower() not in ("off", "0", "no", "false")
