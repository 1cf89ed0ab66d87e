"""Numbers in the lesson's sentences."""

from __future__ import annotations

import numpy as np


def value_text(value: float, digits: int = 6) -> str:
    """A number with some significant digits; a dash for what is none."""
    return f"{value:.{digits}g}" if np.isfinite(value) else "—"


def signed_text(value: float, digits: int = 4) -> str:
    """A change with its sign."""
    return f"{value:+.{digits}g}" if np.isfinite(value) else "—"


def digits_text(digits: float) -> str:
    """A number of digits, rounded as on all pages."""
    return "—" if np.isnan(digits) else f"{digits:.1f}"


def counted(n: int, word: str) -> str:
    """A number of things."""
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{n} {word if n == 1 else plural}"


def joined(names: tuple[str, ...], most: int = 4) -> str:
    """Ids in a sentence, the first few of many."""
    shown = [f"`{name}`" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
