"""Names from outside in sentences: quoted, and with the known ones that may be meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(wanted: str, known: Iterable[str], *, by_author: bool = False) -> str:
    """The known names that a wanted one may mean, as the end of a clause; empty if none is near.

    Args:
        wanted: the name that is not known.
        known: those that are.
        by_author: whether what stands before the first underscore may be meant as well.
    """
    names: dict[str, str] = {}
    for name in map(str, known):
        if by_author:
            names.setdefault(name.partition("_")[0].lower(), name)
        names[name.lower()] = name
    found = difflib.get_close_matches(wanted.lower(), names, n=3, cutoff=0.6)
    meant = dict.fromkeys(names[key] for key in found)
    return f" (did you mean {' or '.join(meant)}?)" if meant else ""


def quoted(text: str) -> str:
    """A text from outside, short and in quotation marks."""
    shown = " ".join(str(text).split())
    return f"“{shown if len(shown) <= 60 else shown[:57] + '...'}”"
