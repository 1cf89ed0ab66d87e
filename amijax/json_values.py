"""Numbers that are not finite in JSON, which has none: null for reading, or text to get them back.

What people and other programs read (`--json`, exports, checks) has null; what amijax itself reads
again to the last bit (snapshots, pieces of studies) has "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_TEXTS = ("nan", "inf", "-inf")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON with null for numbers that are not finite.

    Args:
        value: mappings, sequences, arrays, and what JSON takes.
        indent: spaces for each level; None for one line.
    """
    return json.dumps(with_null(value), indent=indent, allow_nan=False)


def exact_json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON with text for numbers that are not finite, which `from_text` undoes; as `json_text`."""
    return json.dumps(with_text(value), indent=indent, allow_nan=False)


def with_null(value: Any) -> Any:
    """A value as JSON takes it, with None for numbers that are not finite."""
    return _plain(value, lambda _: None)


def with_text(value: Any) -> Any:
    """A value as JSON takes it, with "nan", "inf" or "-inf" for numbers that are not finite."""
    return _plain(value, str)


def from_text(value: Any) -> Any:
    """What `with_text` made of a value, with the numbers back in their places."""
    if isinstance(value, str) and value in _TEXTS:
        return float(value)
    if isinstance(value, dict):
        return {key: from_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_text(item) for item in value]
    return value


def _plain(value: Any, spell: Callable[[float], Any]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, spell) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), spell)
    if isinstance(value, list | tuple):
        return [_plain(item, spell) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return spell(value)
    return value
