"""Text with ids, as Markdown that shows it as it is."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Text whose characters are not taken for Markdown's.

    Args:
        text: for example a sentence that names parameters.
    """
    return re.sub(r"([_*~$])", r"\\\1", text)


def sentence(text: str) -> str:
    """A sentence whose ids stand between backticks, as Markdown; nothing else in it is markup.

    Args:
        text: for example a result of the lesson.
    """
    return "`".join(part if i % 2 else plain(part) for i, part in enumerate(text.split("`")))
