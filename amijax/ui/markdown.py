"""Text with ids, as Markdown that shows it as it is."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Text whose characters are not taken for Markdown's.

    Args:
        text: for example a sentence that names parameters.
    """
    return re.sub(r"([_*~$])", r"\\\1", text)
