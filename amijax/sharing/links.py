"""One address for a state: problem, theta to the last bit, precision, solver settings, page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast
from urllib.parse import urlencode

import numpy as np

from amijax.precisions import Precision
from amijax.problems.points import read_value
from amijax.problems.problem import Problem
from amijax.problems.scale_choice import SCALES, ScaleChoice
from amijax.scales import FloatArray
from amijax.simulation.settings import SolverChoice

# Browsers take much more, servers some 64 000 characters of headers; 113 parameters need 5 000.
MAX_LENGTH = 30_000
_MAX_NOTES = 3
_FLAGS = ("own", "projector")  # of the lesson
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,4})?")


class LinkError(ValueError):
    """A state that does not fit into an address."""


@dataclass(frozen=True)
class LessonView:
    """Where a person is in the lesson, and how it is shown.

    Attributes:
        step: from 1.
        own: whether the steps are told at the address's problem and point, rather than at those
            that show them best.
        projector: whether it is shown in large type, without the sidebar.
    """

    step: int = 1
    own: bool = False
    projector: bool = False


@dataclass(frozen=True, eq=False)
class State:
    """What an address says.

    Attributes:
        problem: the name under which the problem is listed.
        theta: shape (n_parameters,), on the PEtab scale.
        precision: what JAX computes in.
        choice: what is asked of the solver.
        page: the page's path below the dashboard's address, empty for the first one.
        upload: key of the problem if it was uploaded; whoever opens the address needs it, too.
        lesson: where in the lesson; None on other pages.
        repair: as in `Problem`: whether the model is repaired where AMICI would be wrong.
    """

    problem: str
    theta: FloatArray
    precision: Precision = "float64"
    choice: SolverChoice = field(default_factory=SolverChoice)
    page: str = ""
    upload: str = ""
    lesson: LessonView | None = None
    repair: bool = True


@dataclass(frozen=True, eq=False)
class LinkReading:
    """What could be read of an address.

    Attributes:
        theta: nominal unless the address names other values, all of them usable.
        precision, choice: the defaults where the address says nothing usable.
        notes: a sentence for everything that was not usable; they hold no text from the address
            but ids and numbers.
    """

    theta: FloatArray
    precision: Precision
    choice: SolverChoice
    notes: tuple[str, ...]


def link_query(state: State, problem: Problem) -> dict[str, str]:
    """A state as query parameters, without those that are at their defaults.

    `theta` holds `id:value` for each parameter that differs from nominal in any bit, separated by
    commas; values are the shortest text that gives the same float64. After `~` follows a digest of
    the nominal values, by which a later reader sees that they have changed.

    Args:
        state: with a theta of the problem.
        problem: gives ids and nominal values.

    Raises:
        LinkError: the parameters that differ don't fit into an address.
    """
    query = {"problem": state.problem}
    moved = np.flatnonzero(
        np.asarray(state.theta, dtype=np.float64).view(np.int64)
        != problem.nominal_theta.view(np.int64)
    )
    if moved.size:
        pairs = (f"{problem.parameter_ids[i]}:{number_text(state.theta[i])}" for i in moved)
        query["theta"] = f"{','.join(pairs)}~{nominal_digest(problem)}"
    query |= precision_and_solver(state.precision, state.choice)
    if state.upload:
        query["upload"] = state.upload
    if state.lesson is not None:
        query["step"] = str(state.lesson.step)
        query |= {name: "true" for name in _FLAGS if getattr(state.lesson, name)}
    if not state.repair:
        query["repair"] = "false"
    if problem.chosen_scales:
        query["scales"] = scales_text(problem)
    if (length := len(urlencode(query))) > MAX_LENGTH:
        raise LinkError(
            f"The {moved.size} parameters that differ from nominal take {length} characters; an "
            f"address holds {MAX_LENGTH}. Export a snapshot instead."
        )
    return query


def precision_and_solver(precision: Precision, choice: SolverChoice) -> dict[str, str]:
    """Query parameters of both, without those that are at their defaults.

    Args:
        precision: what JAX computes in.
        choice: what is asked of the solver.
    """
    query = {"x64": "false"} if precision == "float32" else {}
    default = SolverChoice()
    for each in fields(SolverChoice):
        value = getattr(choice, each.name)
        if value != getattr(default, each.name):
            query[each.name] = value if isinstance(value, str) else number_text(value)
    return query


def link_address(base: str, state: State, problem: Problem) -> str:
    """The whole address of a state.

    Args:
        base: the dashboard's address, for example `http://localhost:8501`.
        state: with a theta of the problem.
        problem: gives ids and nominal values.

    Raises:
        LinkError: the parameters that differ don't fit into an address.
    """
    return f"{base.rstrip('/')}/{state.page}?{urlencode(link_query(state, problem), safe=':,~')}"


def read_link(query: Mapping[str, str], problem: Problem) -> LinkReading:
    """Read an address's query parameters; what can't be used gets a sentence.

    One unusable part of theta makes all of it nominal: half a point is none that anybody meant.

    Args:
        query: by name; others than ours are ignored.
        problem: the one that it names.
    """
    notes: list[str] = []
    theta = _read_theta(query.get("theta"), problem, notes)
    x64 = str(query.get("x64", "true"))
    if x64 not in ("true", "false"):
        notes.append("The link's x64 is neither true nor false; JAX computes in float64.")
    if str(query.get("repair", "true")) not in ("true", "false"):
        notes.append("The link's repair is neither true nor false; the model is repaired.")
    choice, complaints = SolverChoice.read(query)
    notes += [f"The link's {c.removesuffix('.')}; the default is used." for c in complaints]
    return LinkReading(theta, "float32" if x64 == "false" else "float64", choice, tuple(notes))


def read_lesson(query: Mapping[str, str]) -> LessonView:
    """Where in the lesson an address leads; what can't be used of it is left at its default.

    An address with a problem and without a step is told at that problem: nobody would name one
    otherwise.

    Args:
        query: by name; others than ours are ignored.
    """
    text = str(query.get("step", ""))
    step = int(text) if re.fullmatch(r"[1-9][0-9]?", text, re.ASCII) else 1
    own = query.get("own") == "true" or ("problem" in query and "step" not in query)
    return LessonView(step, own, query.get("projector") == "true")


def asks_for_no_repair(query: Mapping[str, str]) -> bool:
    """Whether an address asks for a problem's model as it is, with AMICI's own wrong numbers."""
    return query.get("repair") == "false"


def scales_text(problem: Problem) -> str:
    """The scales that were chosen, as addresses have them: one for all, or `id:scale,id:scale`."""
    everywhere = set(problem.scales)
    if len(everywhere) == 1:
        return everywhere.pop()
    return ",".join(f"{name}:{scale}" for name, scale in problem.chosen_scales.items())


def asked_scales(query: Mapping[str, str]) -> ScaleChoice | None:
    """Scales of theta that an address asks for; None where it says nothing that is one.

    Whether the problem takes them shows when it is opened.
    """
    text = str(query.get("scales", ""))
    if not text or len(text) > MAX_LENGTH:
        return None
    if text in SCALES:
        return cast("ScaleChoice", text)
    pairs = [part.partition(":")[::2] for part in text.split(",")]
    if not all(_ID.fullmatch(name) and scale in SCALES for name, scale in pairs):
        return None
    return cast("ScaleChoice", dict(pairs))


def needed_upload(query: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The sentence for a link to an uploaded problem that is not here, None if nothing is missing.

    Args:
        query: by name.
        names: the problems that are here.
    """
    name = str(query.get("problem", ""))
    if not query.get("upload") or name in names:
        return None
    shown = (
        f" {name}"
        if re.fullmatch(r"[\w.-]{1,80}( \(upload [0-9a-f]{6}\))?", name, re.ASCII)
        else ""
    )
    return (
        f"The link is to the uploaded problem{shown}, which is not kept on this server: upload "
        "its file on the page Problems, then open the link again."
    )


def nominal_digest(problem: Problem) -> str:
    """Eight hex digits of ids, scales and nominal values as the parameter table has them."""
    names = "\n".join([*problem.parameter_ids, *problem.scales])
    return hashlib.sha256(names.encode() + problem.nominal_p.tobytes()).hexdigest()[:8]


def number_text(value: float) -> str:
    """The shortest text that gives the same number, without `+`, which means a space in queries."""
    if isinstance(value, int):
        return str(value)
    return repr(float(value)).removesuffix(".0").replace("e+", "e")


def _read_theta(text: Any, problem: Problem, notes: list[str]) -> FloatArray:
    nominal = np.array(problem.nominal_theta)
    if text is None or text == "":
        return nominal
    values, complaints = _read_pairs(str(text), problem)
    if complaints:
        more = len(complaints) - _MAX_NOTES
        notes += complaints[:_MAX_NOTES] + ([f"{more} more are like it."] if more > 0 else [])
        notes.append("All parameters are at their nominal values.")
        return nominal
    return problem.theta_from(values)


def _read_pairs(text: str, problem: Problem) -> tuple[dict[str, float], list[str]]:
    if len(text) > MAX_LENGTH:
        return {}, [f"The link's parameters take more than {MAX_LENGTH} characters."]
    pairs, tilde, digest = text.partition("~")
    if tilde and digest != nominal_digest(problem):
        return {}, [
            "The link was made for other nominal values than the problem has now, or is damaged."
        ]
    values: dict[str, float] = {}
    complaints = []
    for pair in pairs.split(","):
        name, _, shown = pair.partition(":")
        if not (_ID.fullmatch(name) and _NUMBER.fullmatch(shown)):
            complaints.append("A part of the link's theta is not an id and a number.")
        elif name not in problem.parameter_ids:
            complaints.append(f"The link names {name}, which is no free parameter here.")
        elif name in values:
            complaints.append(f"The link names {name} twice.")
        elif isinstance(value := read_value(problem, name, shown), str):
            complaints.append(f"The link can't be used: {value}")
        else:
            values[name] = value
    return values, list(dict.fromkeys(complaints))
