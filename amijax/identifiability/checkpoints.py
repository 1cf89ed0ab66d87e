"""What profiles have so far, on disk: interrupted ones go on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cattrs

from amijax.files import write_atomically
from amijax.fit.checkpoints import fit_versions
from amijax.fit.record import Start
from amijax.identifiability.profile_record import ProfileResult, Side, SideName
from amijax.json_values import exact_json_text
from amijax.objective import AmiciObjective
from amijax.paths import cache_dir
from amijax.result_store import plain, record_of
from amijax.scales import FloatArray

REVISION = 1  # raise it when the same settings give other profiles than before

_KEPT = 50  # of a model
_LATEST = "profiles.json"
_OPTIMUM = "optimum.json"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError)


@dataclass(frozen=True)
class ProfileCheckpoints:
    """The folder of profiles from one point: its optimum, a file for each side, and the result."""

    folder: Path

    @classmethod
    def of(
        cls,
        objective: AmiciObjective,
        theta: FloatArray,
        optimizer: str,
        lower: FloatArray,
        upper: FloatArray,
        priors: bool,
        level: float,
    ) -> ProfileCheckpoints:
        """The folder of profiles with these settings; which parameters are asked for is no part."""
        identity = {
            "revision": REVISION,
            "problem": objective.problem.identity,
            "solver": objective.solver.as_dict(),
            "theta": theta.tobytes().hex(),
            "optimizer": optimizer,
            "lower": lower.tobytes().hex(),
            "upper": upper.tobytes().hex(),
            "priors": priors,
            "level": level,
            "versions": fit_versions(),
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
        return cls(_home(objective) / digest)

    def optimum(self) -> Start | None:
        """The local optimisation before the profiles; None if it is not there."""
        return self._load(_OPTIMUM, Start)

    def save_optimum(self, start: Start) -> None:
        """Keep the local optimisation."""
        self._save(_OPTIMUM, start)

    def side(self, position: int, side: SideName) -> Side | None:
        """A side as it was; None if it is not there."""
        return self._load(f"side-{position}-{side}.json", Side)

    def save_side(self, side: Side) -> None:
        """Keep a side as it is now."""
        self._save(f"side-{side.position}-{side.side}.json", side)

    def save_result(self, result: ProfileResult) -> None:
        """Keep the result as the latest from its point, for `stored_profiles`."""
        self._save(_LATEST, result)

    def _load[T](self, name: str, kind: type[T]) -> T | None:
        try:
            return record_of(json.loads((self.folder / name).read_text(encoding="utf-8")), kind)
        except _DAMAGED:
            return None

    def _save(self, name: str, record: Any) -> None:
        """Write a record; a cache that can't be written is no error."""
        with suppress(OSError):
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                _prune(self.folder.parent)
            write_atomically(self.folder / name, exact_json_text(plain(record)))


def stored_profiles(objective: AmiciObjective) -> Iterator[ProfileResult]:
    """Results of earlier profiles of a problem on this machine, the latest first."""
    with suppress(OSError):
        paths = sorted(
            _home(objective).glob(f"*/{_LATEST}"), key=lambda path: -path.stat().st_mtime
        )
        for path in paths:
            found = ProfileCheckpoints(path.parent)._load(_LATEST, ProfileResult)
            if found is not None and found.problem_digest == objective.problem.identity:
                yield found


def _home(objective: AmiciObjective) -> Path:
    return cache_dir() / "profiles" / objective.model.key


def _prune(folder: Path) -> None:
    kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in kept[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
