"""Named states to return to and to compare, and many of them as a JSON file."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amijax.json_values import exact_json_text, from_text
from amijax.precisions import PRECISIONS, Precision
from amijax.problems.problem import Problem
from amijax.problems.scale_choice import SCALES
from amijax.scales import FloatArray, Scale, to_linear, to_scaled
from amijax.simulation.settings import SolverChoice
from amijax.versions import versions

FORMAT = "amijax snapshots"
REVISION = 1
MAX_BYTES = 10_000_000
MAX_SNAPSHOTS = 500
MAX_NAME = 80
_MAX_TEXT = 500
_MAX_PARAMETERS = 20_000


class SnapshotError(ValueError):
    """A file of snapshots, or one of them, that can't be used; the message says why."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A state under a name.

    Attributes:
        name: what it is called; `clean_name` makes one of any text.
        problem: the name under which the problem was opened.
        parameter_ids: its free parameters.
        theta: their values on the PEtab scale, shape (n_parameters,).
        precision: what JAX computes in.
        choice: what was asked of the solver.
        repair: whether the model was repaired where AMICI would be wrong.
        scales: of theta, by parameter, where they were not the default ones (PEtab v2).
        llh: AMICI's log-likelihood there, NaN if there is none.
        gradient: its derivative with respect to theta, shape (n_parameters,), NaN where there is
            none.
        created: when, ISO 8601, UTC.
        versions: of what computed it, by name.
    """

    name: str
    problem: str
    parameter_ids: tuple[str, ...]
    theta: FloatArray
    precision: Precision
    choice: SolverChoice
    llh: float
    gradient: FloatArray
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=versions)
    repair: bool = True
    scales: dict[str, Scale] = field(default_factory=dict)

    def theta_for(self, problem: Problem) -> FloatArray:
        """Theta in the order of a problem's parameter table, on the problem's scales.

        Args:
            problem: the one to look at it with.

        Raises:
            SnapshotError: the problem's free parameters are others.
        """
        if set(self.parameter_ids) != set(problem.parameter_ids):
            raise SnapshotError(
                f"Snapshot “{self.name}” has other free parameters than {problem.problem_id} has "
                "now, so it can't be returned to."
            )
        values = dict(zip(self.parameter_ids, self.theta, strict=True))
        theta = np.array([values[name] for name in problem.parameter_ids])
        scales = tuple(
            self.scales.get(name, default)
            for name, default in zip(problem.parameter_ids, problem.default_scales, strict=True)
        )
        if scales == problem.scales:
            return theta
        moved = to_scaled(to_linear(theta, scales), problem.scales)
        if not np.isfinite(moved).all():
            raise SnapshotError(
                f"Snapshot “{self.name}” has a value without a logarithm; choose its scales first."
            )
        return moved


@dataclass(frozen=True, eq=False)
class SnapshotDifference:
    """What distinguishes snapshot b from snapshot a of the same problem.

    Attributes:
        parameters: a row for each parameter that differs in any bit: a, b, b - a.
        llh: the same in one row.
        gradient: a row for each parameter: a, b, b - a.
        settings: what else differs (precision, solver, versions), as a table of a and b.
    """

    parameters: pd.DataFrame
    llh: pd.DataFrame
    gradient: pd.DataFrame
    settings: pd.DataFrame


def compare_snapshots(a: Snapshot, b: Snapshot) -> SnapshotDifference:
    """Set two snapshots of one problem side by side.

    Raises:
        SnapshotError: they are of problems with other names, parameters or scales.
    """
    if a.scales != b.scales:
        raise SnapshotError(
            f"“{a.name}” and “{b.name}” have other scales of theta, so their values and gradients "
            "don't compare: return to one of them, choose the other's scales, and keep it again."
        )
    if a.problem != b.problem or set(a.parameter_ids) != set(b.parameter_ids):
        raise SnapshotError(
            f"“{a.name}” is of {a.problem} and “{b.name}” of {b.problem}, or their free "
            "parameters are others: only snapshots of the same problem compare."
        )
    order = [b.parameter_ids.index(name) for name in a.parameter_ids]
    index = pd.Index(a.parameter_ids, name="parameter", dtype=object)
    parameters = _side_by_side(a.theta, b.theta[order], index)
    settings_a, settings_b = (
        {"precision": s.precision, "repair": s.repair, **asdict(s.choice), **s.versions}
        for s in (a, b)
    )
    settings = {
        name: (settings_a.get(name), settings_b.get(name))
        for name in {**settings_a, **settings_b}
        if settings_a.get(name) != settings_b.get(name)
    }
    return SnapshotDifference(
        parameters=parameters[parameters["a"] != parameters["b"]],
        llh=_side_by_side([a.llh], [b.llh], pd.Index(["llh"], name="quantity")),
        gradient=_side_by_side(a.gradient, b.gradient[order], index),
        settings=pd.DataFrame(
            list(settings.values()), columns=["a", "b"], index=pd.Index(settings, name="setting"),
            dtype=object,
        ),
    )  # fmt: skip


def clean_name(text: str) -> str:
    """A name of any text: one line, without control characters, at most 80 characters."""
    printable = (c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[:_MAX_TEXT])
    return " ".join("".join(printable).split())[:MAX_NAME].strip() or "unnamed"


def export_snapshots(snapshots: Sequence[Snapshot]) -> str:
    """Snapshots as JSON text; numbers keep every bit, those that are not finite are text."""
    return exact_json_text(
        {
            "format": FORMAT,
            "revision": REVISION,
            "snapshots": [
                {
                    **{f.name: getattr(s, f.name) for f in fields(Snapshot)},
                    "choice": asdict(s.choice),
                }
                for s in snapshots
            ],
        },
        indent=1,
    )


def import_snapshots(content: str | bytes) -> tuple[Snapshot, ...]:
    """Read what `export_snapshots` wrote, and trust nothing in it.

    Args:
        content: the file's content.

    Raises:
        SnapshotError: it is too large, no such file, damaged, or of a later amijax.
    """
    if len(content) > MAX_BYTES:
        raise SnapshotError(
            f"The file has {len(content) / 1e6:.0f} MB; files of snapshots have at most "
            f"{MAX_BYTES / 1e6:.0f} MB."
        )
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = "too deeply nested" if isinstance(error, RecursionError) else _short(error)
        raise SnapshotError(f"The file is not JSON that can be read: {shown}.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise SnapshotError("The file is JSON, but no export of snapshots from amijax.")
    if data.get("revision") != REVISION:
        raise SnapshotError(
            f"The file has revision {_short(data.get('revision'))} of the format; this amijax "
            f"reads revision {REVISION}."
        )
    entries = data.get("snapshots")
    if not isinstance(entries, list) or len(entries) > MAX_SNAPSHOTS:
        raise SnapshotError(f"The file has no list of at most {MAX_SNAPSHOTS} snapshots.")
    found = []
    for i, entry in enumerate(entries, start=1):
        try:
            found.append(_read(entry))
        except (SnapshotError, KeyError, TypeError, ValueError, OverflowError) as error:
            shown = f"{error.args[0]} is missing" if isinstance(error, KeyError) else _short(error)
            raise SnapshotError(f"Snapshot {i} of the file can't be used: {shown}.") from error
    return tuple(found)


def _read(entry: Any) -> Snapshot:
    if not isinstance(entry, dict):
        raise SnapshotError("it is not an object")
    ids = tuple(_text(name, "a parameter id") for name in _list(entry["parameter_ids"]))
    theta, gradient = (_numbers(entry[name], len(ids), name) for name in ("theta", "gradient"))
    if not np.isfinite(theta).all():
        raise SnapshotError("theta is not finite")
    if len(set(ids)) != len(ids):
        raise SnapshotError("a parameter stands in it twice")
    precision = entry["precision"]
    if precision not in PRECISIONS:
        raise SnapshotError(f"precision must be {' or '.join(PRECISIONS)}")
    created = datetime.fromisoformat(_text(entry["created"], "created"))
    recorded = entry["versions"]
    repair = entry.get("repair", True)  # files of before have none
    if not isinstance(repair, bool):
        raise SnapshotError("repair must be true or false")
    scales = entry.get("scales", {})  # files of before have none
    if (
        not isinstance(scales, dict)
        or not set(scales) <= set(ids)
        or not set(scales.values()) <= set(SCALES)
    ):
        raise SnapshotError(f"scales must be an object of parameters and {', '.join(SCALES)}")
    if not isinstance(recorded, dict) or len(recorded) > 20:
        raise SnapshotError("versions must be a short object")
    return Snapshot(
        name=clean_name(_text(entry["name"], "name")),
        problem=clean_name(_text(entry["problem"], "problem")),
        parameter_ids=ids,
        theta=theta,
        precision=precision,
        choice=_choice(entry["choice"]),
        llh=_number(entry["llh"], "llh"),
        gradient=gradient,
        created=created.isoformat(timespec="seconds"),
        versions={clean_name(k): clean_name(_text(v, "a version")) for k, v in recorded.items()},
        repair=repair,
        scales=scales,
    )


def _choice(values: Any) -> SolverChoice:
    known = {f.name for f in fields(SolverChoice)}
    if not isinstance(values, dict) or not set(values) <= known:
        raise SnapshotError(f"choice must be an object of {', '.join(sorted(known))}")
    choice, complaints = SolverChoice.read(values)
    if complaints:
        raise SnapshotError(complaints[0].removesuffix("."))
    return choice


def _numbers(values: Any, n: int, name: str) -> FloatArray:
    if len(_list(values)) != n:
        raise SnapshotError(f"{name} must have one number for each of {n} parameters")
    return np.array([_number(value, name) for value in values], dtype=np.float64)


def _number(value: Any, name: str) -> float:
    if isinstance(value, str) and isinstance(number := from_text(value), float):
        return number
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SnapshotError(f"{name} holds {_short(value)}, which is not a number")
    return float(value)


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list) or len(values) > _MAX_PARAMETERS:
        raise SnapshotError(f"a list of at most {_MAX_PARAMETERS} is expected")
    return values


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise SnapshotError(f"{name} must be text of at most {_MAX_TEXT} characters")
    return value


def _short(value: Any) -> str:
    return clean_name(str(value)).rstrip(".")


def _side_by_side(a: ArrayLike, b: ArrayLike, index: pd.Index) -> pd.DataFrame:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return pd.DataFrame({"a": a, "b": b, "b - a": b - a}, index=index)
