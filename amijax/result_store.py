"""Results on disk, as JSON, found again by problem, theta and solver settings."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_origin

import cattrs
import numpy as np

from amijax.files import write_atomically
from amijax.json_values import exact_json_text, from_text
from amijax.objective import AmiciObjective
from amijax.paths import cache_dir
from amijax.scales import FloatArray

REVISION = 5  # raise it when the same settings give other results than before

_MOST_POINTS = 500  # of a problem


@dataclass(frozen=True)
class ResultStore:
    """The folder of what was computed at one point: pieces of a precision study, or an audit."""

    folder: Path

    @classmethod
    def of(
        cls,
        kind: str,
        objective: AmiciObjective,
        theta: FloatArray,
        positions: np.ndarray,
        **more: str,
    ) -> ResultStore:
        """The store for a problem, a point, solver settings and chosen parameters.

        The model's key stands for what is compiled and AMICI's version, the problem's digest for
        its data and conditions.

        Args:
            kind: of result, which has a folder of its own.
            objective: the problem and its solver settings.
            theta: shape (n_parameters,), on the PEtab scale.
            positions: of the chosen parameters in theta.
            more: what else tells results apart, for example the processor of durations.
        """
        identity = {
            **more,
            "revision": REVISION,
            "problem": objective.problem.identity,
            "jax": version("jax"),
            "solver": objective.solver.as_dict(),
            "theta": theta.tobytes().hex(),
            "positions": positions.tolist(),
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
        return cls(cache_dir() / kind / objective.model.key / digest)

    def load[T](self, piece: str, kind: type[T]) -> tuple[T | None, float]:
        """A piece and the seconds that it took; None and 0 if it is not there or damaged."""
        try:
            content = json.loads((self.folder / f"{piece}.json").read_text(encoding="utf-8"))
            return record_of(content["result"], kind), float(content["seconds"])
        except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError):
            return None, 0.0

    def save(self, piece: str, result: Any, seconds: float) -> None:
        """Keep a piece; one that is None, or a cache that can't be written, is no error."""
        if result is None:
            return
        content = {"result": plain(result), "seconds": seconds}
        with suppress(OSError):  # it is computed again the next time
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                _prune(self.folder.parent)
            write_atomically(self.folder / f"{piece}.json", exact_json_text(content))


def plain(record: Any) -> Any:
    """A frozen record, which may hold arrays, as `exact_json_text` takes it."""
    return _converter().unstructure(record)


def record_of[T](value: Any, kind: type[T]) -> T:
    """The record that `plain` and `exact_json_text` made `value` of, with all its digits.

    Raises:
        cattrs.BaseValidationError, KeyError, TypeError, ValueError: it is none.
    """
    return _converter().structure(from_text(value), kind)


def _prune(folder: Path) -> None:
    """Keep the latest points of a model only: the first page begins with one at every edit."""
    studies = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in studies[:-_MOST_POINTS]:
        shutil.rmtree(old, ignore_errors=True)


@cache
def _converter() -> cattrs.Converter:
    """Frozen records with arrays to and from JSON; numbers keep all their digits."""
    converter = cattrs.Converter()

    def is_array(kind: Any) -> bool:
        return kind is np.ndarray or get_origin(kind) is np.ndarray

    converter.register_structure_hook_func(is_array, lambda value, _: _array(value))
    converter.register_unstructure_hook_func(is_array, _plain)
    return converter


def _plain(array: np.ndarray) -> Any:
    """Nested lists; of an empty array its shape, which lists would lose."""
    return array.tolist() if array.size else {"shape": list(array.shape)}


def _array(value: Any) -> np.ndarray:
    array = np.empty(value["shape"]) if isinstance(value, dict) else np.array(value)
    if array.dtype == object:
        raise ValueError("an array holds something that is no number")
    return array
