"""A fit as one file: JSON, which any language reads, with all digits of every number."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cattrs

from amijax.files import write_atomically
from amijax.fit.record import FitResult
from amijax.json_values import exact_json_text
from amijax.result_store import plain, record_of

_FORMAT = "amijax fit"
_VERSION = 1


class FitFileError(ValueError):
    """A file that is no fit, or one that this version can't read; the message says what to do."""


def save_fit(result: FitResult, path: str | os.PathLike[str]) -> None:
    """Write a fit to a file, which `load_fit` reads.

    JSON: an object with `format`, `version` and `fit`, which holds the record as its attributes
    have it; numbers that are not finite are text. A fit of 100 starts of 100 parameters has some
    2 MB. (HDF5 would be smaller, but needs h5py; `export_pypesto` writes it.)

    Raises:
        OSError: the file can't be written.
    """
    write_atomically(Path(path), fit_text(result))


def fit_text(result: FitResult) -> str:
    """What `save_fit` writes."""
    content = {"format": _FORMAT, "version": _VERSION, "fit": plain(result)}
    return exact_json_text(content)


def load_fit(path: str | os.PathLike[str]) -> FitResult:
    """Read a fit that `save_fit` wrote; equal to the one that was written, to the last bit.

    Raises:
        FitFileError: the file is no fit, or of a version that this one can't read.
        OSError: there is no such file, or it can't be read.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FitFileError(f"{path} is no file of save_fit: it is not JSON.") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise FitFileError(f"{path} is no file of save_fit: it has no “format”: “{_FORMAT}”.")
    if content.get("version") != _VERSION:
        raise FitFileError(
            f"{path} has version {content.get('version')!r}; this amijax reads version {_VERSION}. "
            "Open it with the amijax that wrote it, or fit again."
        )
    try:
        return record_of(content["fit"], FitResult)
    except (KeyError, TypeError, ValueError, cattrs.BaseValidationError) as error:
        raise FitFileError(f"{path} is damaged: a part of the fit is missing or wrong.") from error
