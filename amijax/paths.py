"""Where amijax keeps files and finds a local benchmark collection and a Dask cluster."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The cache folder: `AMIJAX_CACHE_DIR`, else the platform's user cache folder."""
    override = os.environ.get("AMIJAX_CACHE_DIR")
    return Path(override).expanduser() if override else platformdirs.user_cache_path("amijax")


def cache_sentence(error: OSError) -> str:
    """What to say when something could not be written to or read from the cache folder."""
    return (
        f"The cache folder {cache_dir()} can't be used: {error.strerror or error}. Make room "
        "there, or name another folder in AMIJAX_CACHE_DIR and start again."
    )


def collection_dir() -> Path | None:
    """The local benchmark collection named by `AMIJAX_COLLECTION`, if there is one.

    The folder may be the collection itself or one that holds `Benchmark-Models`.
    """
    override = os.environ.get("AMIJAX_COLLECTION")
    if not override:
        return None
    root = Path(override).expanduser()
    inner = root / "Benchmark-Models"
    folder = inner if inner.is_dir() else root
    return folder if folder.is_dir() else None


def dask_scheduler() -> str | None:
    """The address of the Dask scheduler that `AMIJAX_DASK_SCHEDULER` names, if there is one."""
    return os.environ.get("AMIJAX_DASK_SCHEDULER", "").strip() or None
