"""PEtab v2's tables with the columns of v1, so that all that reads tables knows one form.

What v2 says in other words is said in v1's here: an experiment is a simulation condition,
log-normal noise is normal noise of a logarithm. What only v2 has stays in columns of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from petab.v1 import C as C1
from petab.v2 import C as C2

from amijax.problems.findings import Findings
from amijax.problems.names import nearest, quoted
from amijax.problems.placeholders import COLUMNS, listed
from amijax.problems.scale_choice import ScaleChoice, chosen_scales, default_scale
from amijax.problems.tables import MISSING, Table, check_names, is_id, number, texts
from amijax.scales import Scale

OBSERVABLE_COLUMNS = (*C1.OBSERVABLE_DF_COLS, *C2.OBSERVABLE_DF_COLS)
PARAMETER_COLUMNS = (*C2.PARAMETER_DF_COLS, C1.PARAMETER_SCALE)
MEASUREMENT_COLUMNS = C2.MEASUREMENT_DF_COLS

# v2's noise distributions as v1 has them: the observable's transformation, and the distribution.
_NOISE = {
    C2.NORMAL: (C1.LIN, C1.NORMAL),
    C2.LOG_NORMAL: (C1.LOG, C1.NORMAL),
    C2.LAPLACE: (C1.LIN, C1.LAPLACE),
    C2.LOG_LAPLACE: (C1.LOG, C1.LAPLACE),
}
# Columns with a meaning in v1 and none in v2.
_OLD = {
    "measurement": (C1.SIMULATION_CONDITION_ID, C1.PREEQUILIBRATION_CONDITION_ID),
    "observable": (C1.OBSERVABLE_TRANSFORMATION,),
    "parameter": (
        C1.PARAMETER_SCALE, C1.OBJECTIVE_PRIOR_TYPE, C1.OBJECTIVE_PRIOR_PARAMETERS,
        C1.INITIALIZATION_PRIOR_TYPE, C1.INITIALIZATION_PRIOR_PARAMETERS,
    ),
}  # fmt: skip
DEFAULT_EXPERIMENT = "default"


@dataclass(frozen=True)
class Scaled:
    """A parameter table with scales.

    Attributes:
        table: with a column of scales.
        defaults: scale of each estimated parameter if nothing is chosen, in the table's order.
    """

    table: Table
    defaults: tuple[Scale, ...]


def scaled_parameters(table: Table, choice: ScaleChoice | None, findings: Findings) -> Scaled:
    """The parameter table with the scales that are asked for.

    Raises:
        ProblemError: a scale or a parameter that is asked for is unknown.
    """
    table = _without_old(table, findings)
    check_names(table, PARAMETER_COLUMNS, findings)
    ids = table.column(C2.PARAMETER_ID)
    free = [row for row, cell in enumerate(table.column(C2.ESTIMATE)) if cell.lower() == "true"]
    values = {
        column: [_number(cell) for cell in table.column(column)]
        for column in (C2.LOWER_BOUND, C2.UPPER_BOUND, C2.NOMINAL_VALUE)
    }
    defaults = tuple(default_scale(*(column[row] for column in values.values())) for row in free)
    scales = np.array([C1.LIN] * len(ids), dtype=object)
    named = {str(ids[row]): default for row, default in zip(free, defaults, strict=True)}
    chosen = chosen_scales(tuple(named), tuple(named.values()), choice)
    by_name = dict(zip(named, chosen, strict=True))
    scales[free] = [by_name[str(ids[row])] for row in free]
    return Scaled(_with(table, {C1.PARAMETER_SCALE: scales}), defaults)


def _number(cell: str) -> float:
    value = number(cell)
    return np.nan if value is None else value


def with_v1_noise(table: Table, findings: Findings) -> Table:
    """The observable table with v1's names of noise distributions."""
    table = _without_old(table, findings)
    check_names(table, OBSERVABLE_COLUMNS, findings)
    cells = table.column(C2.NOISE_DISTRIBUTION)
    unknown = np.array([cell not in MISSING and cell not in _NOISE for cell in cells], dtype=bool)
    for value, rows in table.each(C2.NOISE_DISTRIBUTION, unknown):
        table.error(
            findings, "word",
            f"noiseDistribution {quoted(value)} is unknown; PEtab v2 has {', '.join(_NOISE)}"
            f"{nearest(value, _NOISE)}.",
            rows, C2.NOISE_DISTRIBUTION,
        )  # fmt: skip
    pairs = [_NOISE.get(cell, _NOISE[C2.NORMAL]) for cell in cells]
    for column in COLUMNS.values():
        for cell, rows in table.each(column, table.column(column) != ""):
            names = listed(cell)
            if bad := [name for name in names if not is_id(name)]:
                table.error(
                    findings, "placeholder", f"{quoted(bad[0])} is not a valid placeholder.",
                    rows, column,
                )  # fmt: skip
            if len(set(names)) < len(names):
                table.error(
                    findings, "placeholder", f"{quoted(cell)} names a placeholder twice.",
                    rows, column,
                )  # fmt: skip
    return _with(
        table,
        {
            C1.OBSERVABLE_TRANSFORMATION: [transformation for transformation, _ in pairs],
            C1.NOISE_DISTRIBUTION: [distribution for _, distribution in pairs],
            **{column: table.column(column) for column in COLUMNS.values()},
        },
    )


def with_v1_conditions(
    table: Table, model_id: str, taken: Collection[str], findings: Findings
) -> tuple[Table, str]:
    """The measurement table with experiments in the column of simulation conditions.

    Args:
        table: as text.
        model_id: that of the only model.
        taken: ids of experiments.
        findings: where mistakes are noted.

    Returns:
        The table, and the id that stands for none.
    """
    table = _without_old(table, findings)
    check_names(table, MEASUREMENT_COLUMNS, findings)
    models = table.column(C2.MODEL_ID)
    other = np.array([cell not in (*MISSING, model_id) for cell in models], dtype=bool)
    for value, rows in table.each(C2.MODEL_ID, other):
        table.error(
            findings, "unknown_model",
            f"the model {quoted(value)} is not the problem's, which is called {model_id}.",
            rows, C2.MODEL_ID,
        )  # fmt: skip
    default = DEFAULT_EXPERIMENT
    while default in taken:
        default += "_"
    given = table.column(C2.EXPERIMENT_ID)
    named = [cell if cell in taken or cell not in MISSING else default for cell in given]
    return _with(table, {C1.SIMULATION_CONDITION_ID: named}), default


def _without_old(table: Table, findings: Findings) -> Table:
    """A table without columns that v1 knows and v2 does not."""
    for column in _OLD[table.kind]:
        if column in table and (table.column(column) != "").any():
            findings.warning(
                f"the column {column} belongs to PEtab v1 and is ignored: the problem says that it "
                "is PEtab v2.",
                "old_column", table.name, "", column,
            )  # fmt: skip
    kept = {name: cells for name, cells in table.columns.items() if name not in _OLD[table.kind]}
    return replace(table, columns=kept)


def _with(table: Table, columns: dict[str, object]) -> Table:
    made = {name: texts(list(cells)) for name, cells in columns.items()}  # type: ignore[call-overload]
    return replace(table, columns={**table.columns, **made})
