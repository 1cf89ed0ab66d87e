"""PEtab v2's tables made ready for linting."""

from __future__ import annotations

from collections.abc import Mapping

from petab.v2 import C

from amijax.problems.findings import Findings
from amijax.problems.linting import ExperimentTables, ProblemTables
from amijax.problems.linting.experiments import read_changes, read_experiments
from amijax.problems.petab_v2 import scaled_parameters, with_v1_conditions, with_v1_noise
from amijax.problems.scale_choice import ScaleChoice
from amijax.problems.tables import Table, require
from amijax.scales import Scale


def read_v2(
    tables: Mapping[str, Table | None],
    model_id: str,
    choice: ScaleChoice | None,
    findings: Findings,
) -> tuple[ProblemTables, tuple[Scale, ...]]:
    """The tables of a PEtab v2 problem in v1's form, its experiments, and the default scales.

    Args:
        tables: as text, by kind; conditions, experiments and mappings may be None.
        model_id: that of the only model.
        choice: scales that are asked for.
        findings: where mistakes are noted.

    Raises:
        ProblemError: a scale that is asked for can't be used.
    """
    parameters, measurements = tables["parameter"], tables["measurement"]
    observables = tables["observable"]
    assert parameters is not None
    assert measurements is not None
    assert observables is not None
    require(parameters, (C.PARAMETER_ID, C.ESTIMATE), findings)
    conditions = read_changes(tables["condition"], findings)
    experiments = read_experiments(tables["experiment"], conditions, findings)
    scaled = scaled_parameters(parameters, choice, findings)
    measured, default = with_v1_conditions(measurements, model_id, experiments, findings)
    return (
        ProblemTables(
            scaled.table, None, measured, with_v1_noise(observables, findings),
            ExperimentTables(
                tables["condition"], conditions, experiments, default, tables["mapping"]
            ),
        ),
        scaled.defaults,
    )  # fmt: skip
