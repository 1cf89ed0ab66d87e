"""What a fit has so far, on disk: a cancelled or crashed one goes on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cattrs

from amijax.files import write_atomically
from amijax.fit.record import FitResult, FitSettings, Start
from amijax.json_values import exact_json_text
from amijax.objective import AmiciObjective
from amijax.paths import cache_dir
from amijax.result_store import plain, record_of
from amijax.scales import FloatArray
from amijax.versions import versions

REVISION = 2  # raise it when the same settings give other starts than before

_KEPT = 50  # fits of a model
_DAMAGED = (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError)


@dataclass(frozen=True)
class Checkpoints:
    """The folder of a fit: a file for each start, by its start point, and one for each result.

    How many starts there are and where their points come from does not tell fits apart: one with
    more starts goes on from one with fewer.
    """

    folder: Path

    @classmethod
    def of(cls, objective: AmiciObjective, settings: FitSettings) -> Checkpoints:
        """The folder of a fit of a problem with these settings."""
        identity = {
            "revision": REVISION,
            "problem": objective.problem.identity,
            "gradient_of": objective.simulator.gradient_of,
            "optimizer": settings.optimizer,
            "lower": settings.lower.tobytes().hex(),
            "upper": settings.upper.tobytes().hex(),
            "priors": settings.priors,
            "stages": [stage.as_dict() for stage in settings.stages],
            "versions": fit_versions(),
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
        return cls(_home(objective) / digest)

    def load(self, index: int, theta_start: FloatArray) -> Start | None:
        """A start from its point, with the number that it has now; None if it is not there."""
        try:
            content = json.loads(self._path(theta_start).read_text(encoding="utf-8"))
            return replace(record_of(content, Start), index=index)
        except _DAMAGED:
            return None

    def save(self, start: Start) -> None:
        """Keep a start as it is now; a cache that can't be written is no error."""
        with suppress(OSError):
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                _prune(self.folder.parent)
            write_atomically(self._path(start.theta_start), exact_json_text(plain(start)))

    def save_result(self, result: FitResult) -> None:
        """Keep a result for `stored_fits`, in the place of an earlier one of the same starts."""
        settings = result.settings
        asked = f"{settings.n_starts} {settings.seed} {settings.own_starts.tobytes().hex()}"
        digest = hashlib.sha256(asked.encode()).hexdigest()[:16]
        with suppress(OSError):
            write_atomically(self.folder / f"fit-{digest}.json", exact_json_text(plain(result)))

    def _path(self, theta_start: FloatArray) -> Path:
        return self.folder / f"start-{hashlib.sha256(theta_start.tobytes()).hexdigest()[:16]}.json"


def stored_fits(objective: AmiciObjective) -> Iterator[FitResult]:
    """Results of earlier fits of a problem on this machine, the latest first."""
    with suppress(OSError):
        paths = sorted(
            _home(objective).glob("*/fit-*.json"), key=lambda path: -path.stat().st_mtime
        )
        for path in paths:
            try:
                found = record_of(json.loads(path.read_text(encoding="utf-8")), FitResult)
            except _DAMAGED:
                continue
            if found.problem_digest == objective.problem.identity:
                yield found


def fit_versions() -> dict[str, str]:
    """Versions of what computes a fit, by name."""
    found = versions()
    for name in ("scipy", "fides"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _home(objective: AmiciObjective) -> Path:
    return cache_dir() / "fits" / objective.model.key


def _prune(folder: Path) -> None:
    fits = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in fits[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
