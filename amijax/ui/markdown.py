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
    parts = text.split("`")
    return "`".join(part if i % 2 else _whole(plain(part)) for i, part in enumerate(parts))


def _whole(text: str) -> str:
    """Text in which no line ends within a number: in its exponent, before its percent or error."""
    text = re.sub(r"(?<=[0-9]e-)(?=[0-9])", "\u2060", text)
    return re.sub(r" (?=%)|(?<=±) ", "\u00a0", text)
