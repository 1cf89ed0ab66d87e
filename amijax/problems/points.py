"""Points in a problem's parameter space: random ones, ones typed by a person, checked ones."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from petab.v1 import C

from amijax.problems.problem import Problem, ProblemError
from amijax.scales import FloatArray


@dataclass(frozen=True)
class Reading:
    """What a person's text says of a problem's parameters.

    Attributes:
        values: parameter id to value on the PEtab scale, all of them usable.
        complaints: a sentence for everything that was not usable.
    """

    values: dict[str, float]
    complaints: tuple[str, ...]


def random_theta(problem: Problem, seed: int) -> FloatArray:
    """A point drawn uniformly within the bounds, on the PEtab scale.

    Args:
        problem: gives bounds; a side without a finite bound is taken 1 away from nominal.
        seed: the same seed gives the same point.
    """
    lower = np.where(
        np.isfinite(problem.lower_theta), problem.lower_theta, problem.nominal_theta - 1
    )
    upper = np.where(
        np.isfinite(problem.upper_theta), problem.upper_theta, problem.nominal_theta + 1
    )
    return np.random.default_rng(seed).uniform(lower, upper)


def on_bounds(problem: Problem, theta: FloatArray) -> NDArray[np.int8]:
    """Which parameters sit on a bound: -1 on the lower, 1 on the upper one, else 0.

    On it is what is nearer than a ten-thousandth of the distance between both bounds: optimizers
    stop just before a bound.

    Args:
        problem: gives bounds on the PEtab scale.
        theta: shape (n_parameters,), on the PEtab scale.
    """
    return on_bounds_of(theta, problem.lower_theta, problem.upper_theta)


def on_bounds_of(theta: FloatArray, lower: FloatArray, upper: FloatArray) -> NDArray[np.int8]:
    """Which parameters sit on which of other bounds than the problem's, as `on_bounds`.

    Args:
        theta: shape (n_parameters,), on the PEtab scale.
        lower: bounds of the same shape.
        upper: bounds of the same shape.
    """
    with np.errstate(invalid="ignore"):
        near = 1e-4 * (upper - lower)
        near = np.where(np.isfinite(near), near, 0.0)
        on_upper = upper - theta <= near
        on_lower = theta - lower <= near
    return on_upper.astype(np.int8) - (on_lower & ~on_upper).astype(np.int8)


def read_value(problem: Problem, parameter: str, text: str | None) -> float | str:
    """A typed value on the PEtab scale, or the sentence that says why it can't be used.

    Args:
        problem: gives scale and bounds.
        parameter: the id of one of its free parameters.
        text: what was typed.
    """
    shown = "" if text is None else str(text).strip()
    if not shown:
        return f"{parameter} has no value: type a number on its {_scale(problem, parameter)} scale."
    try:
        value = float(shown)
    except ValueError:
        return f"{parameter}: “{shown}” is not a number; type one like 4.2 or 1e-5."
    return _check(problem, parameter, value)


def read_text(problem: Problem, text: str, *, linear: bool = False) -> Reading:
    """Read many parameters at once.

    Understood are a JSON object, lines of an id and a value (separated by white space, a comma,
    `=` or `:`), the bare values of all parameters in the order of the parameter table, and a PEtab
    parameter table, whose nominal values are on linear scale whatever `linear` says.

    Args:
        problem: gives ids, scales and bounds.
        text: what was pasted.
        linear: values are on linear scale, not on the PEtab scale.
    """
    from_table = _parameter_table(problem, text)
    if from_table is not None:
        linear = True
    pairs, complaints = from_table or _pairs(problem, text)
    values: dict[str, float] = {}
    for parameter, shown in pairs:
        try:
            number = float(shown)
        except ValueError:
            complaints.append(f"{parameter}: “{shown}” is not a number.")
            continue
        try:
            theta = problem.theta_from({parameter: number}, linear=linear)
        except ProblemError as error:
            complaints.append(str(error))
            continue
        checked = _check(problem, parameter, theta[problem.parameter_ids.index(parameter)])
        if isinstance(checked, str):
            complaints.append(checked)
        else:
            values[parameter] = checked
    if not pairs and not complaints:
        complaints.append("Nothing to read: paste lines such as “k_phos 4.2”, or all values.")
    return Reading(values, tuple(complaints))


def _parameter_table(problem: Problem, text: str) -> tuple[list[tuple[str, str]], list[str]] | None:
    """Ids and nominal values of a pasted PEtab parameter table; None if it is none.

    Rows of parameters that are not estimated, here or there, are left out.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    separator = "\t" if "\t" in lines[0] else None
    header = [cell.strip() for cell in lines[0].split(separator)]
    if C.PARAMETER_ID not in header or C.NOMINAL_VALUE not in header:
        return None
    pairs: list[tuple[str, str]] = []
    complaints = []
    for line in lines[1:]:
        cells = dict(zip(header, (cell.strip() for cell in line.split(separator)), strict=False))
        name, value = cells.get(C.PARAMETER_ID, ""), cells.get(C.NOMINAL_VALUE, "")
        if cells.get(C.ESTIMATE) in ("0", "0.0", "false") or name in problem.fixed_parameters:
            continue
        if value:
            pairs.append((name, value))
        else:
            complaints.append(f"The table's row of {name} has no {C.NOMINAL_VALUE}.")
    return pairs, complaints


def _pairs(problem: Problem, text: str) -> tuple[list[tuple[str, str]], list[str]]:
    text = text.strip()
    if text.startswith("{"):
        try:
            return [(name, str(value)) for name, value in json.loads(text).items()], []
        except ValueError as error:
            return [], [f"This looks like JSON but can't be read: {error}."]
    lines = [line for line in text.splitlines() if line.strip()]
    rows = [[cell for cell in re.split(r"[\s,;=:]+", line.strip()) if cell] for line in lines]
    cells = [cell for row in rows for cell in row]
    if cells and all(_is_number(cell) for cell in cells):
        if len(cells) != problem.n_parameters:
            return [], [
                f"{len(cells)} bare values were given, but {problem.problem_id} has "
                f"{problem.n_parameters} free parameters; give all, or name each value's parameter."
            ]
        return list(zip(problem.parameter_ids, cells, strict=True)), []
    pairs: list[tuple[str, str]] = []
    complaints = []
    for row, line in zip(rows, lines, strict=True):
        if len(row) == 2:
            pairs.append((row[0], row[1]))
        else:
            complaints.append(f"“{line.strip()[:60]}” is not an id and one value.")
    return pairs, complaints


def _check(problem: Problem, parameter: str, value: float) -> float | str:
    i = problem.parameter_ids.index(parameter)
    lower, upper = problem.lower_theta[i], problem.upper_theta[i]
    if not np.isfinite(value):
        return f"{parameter} = {value} is not a finite number."
    if value < lower or value > upper:
        return (
            f"{parameter} = {value:.6g} is outside its bounds, {lower:.6g} to {upper:.6g} on "
            f"{_scale(problem, parameter)} scale."
        )
    return float(value)


def _scale(problem: Problem, parameter: str) -> str:
    return problem.scales[problem.parameter_ids.index(parameter)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
