"""Files that others may read while they are written: they see the old content or the new, whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, under another name until it is complete; its folder is made if need be.

    Processes and threads that write the same file at the same time don't disturb each other: the
    last one wins. Not for power cuts: nothing waits for the disk.

    Args:
        path: the file, replaced if it is there.
        content: text is written as UTF-8.

    Raises:
        OSError: it can't be written; nothing is left of the attempt.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
