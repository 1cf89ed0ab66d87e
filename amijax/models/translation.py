"""From a PEtab problem to the model that is compiled and to what each simulation does with it.

AMICI's own import of PEtab is not used: it computes wrong numbers for whole kinds of valid
problems. The tables are read here as PEtab's text says it, the model is repaired where AMICI would
be wrong, and everything gets neutral ids.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from copy import deepcopy
from dataclasses import replace

from amijax.models.conditions import set_table_values
from amijax.models.distrust import note_distrusts, note_missing_repairs
from amijax.models.draft import Draft
from amijax.models.observation import Observation, observe
from amijax.models.periods import set_periods
from amijax.models.plan import ModelPlan, SimulationPlan, Value
from amijax.models.repairs.algebraic import solve_algebraic_rules
from amijax.models.repairs.events import event_times, merge_events
from amijax.models.repairs.preequilibration import compare_times_before_zero
from amijax.models.repairs.starts import settle_edges_at_start
from amijax.models.repairs.unchanging import (
    drop_zero_rates,
    make_rules,
    start_at_time_zero,
    write_parameters_out,
)
from amijax.models.sbml_tree import SbmlTree
from amijax.models.values import simulations
from amijax.problems.problem import Problem

# In this order; each is a function of its own, with a test on its kind.
_BEFORE_TABLES = (drop_zero_rates, solve_algebraic_rules)
_AFTER_TABLES = (
    start_at_time_zero,
    merge_events,
    settle_edges_at_start,
    compare_times_before_zero,
    write_parameters_out,
    make_rules,
)


def translate(problem: Problem, sbml: ET.Element) -> ModelPlan:
    """Make a problem ready for AMICI.

    Args:
        problem: the problem.
        sbml: its model, looked over, functions expanded and local parameters made global.

    Raises:
        ProblemError: something can't be computed rightly; the message says what.
    """
    missing = (
        () if problem.repair else translate(replace(problem, repair=True), deepcopy(sbml)).repairs
    )
    draft = Draft(problem, SbmlTree(sbml), simulations(problem))
    before, after = (_BEFORE_TABLES, _AFTER_TABLES) if problem.repair else ((), ())
    for repair in before:
        repair(draft)
    set_table_values(draft)
    set_periods(draft)
    for repair in after:
        repair(draft)
    observation = observe(draft)
    if problem.repair and draft.preequilibrates and not _constants(draft):
        # AMICI skips preequilibration if it has no constants.
        draft.indicator()
    note_distrusts(draft)
    note_missing_repairs(draft, missing)
    return ModelPlan(
        sbml=draft.tree.text(),
        observables=observation.observables,
        fixed=_constants(draft),
        own_ids=dict(draft.own_ids),
        simulations=_simulations(draft, observation),
        repairs=tuple(dict.fromkeys(draft.repairs)),
        distrusts=tuple(dict.fromkeys(draft.distrusts)),
        event_times=event_times(draft),
    )


def _model_parameters(draft: Draft) -> list[str]:
    """The parameters that AMICI keeps as such, in the model's order."""
    entities = draft.entities
    return [name for name in entities.parameters if entities.is_plain_parameter(name)]


def _constants(draft: Draft) -> tuple[str, ...]:
    return tuple(name for name in _model_parameters(draft) if not draft.is_free(name))


def _simulations(draft: Draft, observation: Observation) -> tuple[SimulationPlan, ...]:
    numbers: dict[str, tuple[Value, Value]] = {}
    for name in _model_parameters(draft):
        if name not in draft.values:
            number = draft.entities.number_of(name)
            numbers[name] = _without_nan((number, number))
    found = []
    for i, planned in enumerate(draft.simulations):
        values = numbers | {name: _without_nan(pairs[i]) for name, pairs in draft.values.items()}
        rows = planned.rows
        found.append(
            SimulationPlan(
                condition=planned.condition,
                preequilibration=planned.preequilibration,
                values=values,
                reset=tuple(draft.resets[i]),
                rows=rows,
                observables=observation.columns[rows],
                sigma=observation.sigma[rows],
                has_value=observation.has_value[i],
                has_scale=observation.has_scale[i],
                start=planned.start,
                equilibrates_from_zero=planned.experiment is not None,
            )
        )
    return tuple(found)


def _without_nan(pair: tuple[Value, Value]) -> tuple[Value, Value]:
    """AMICI spreads NaN into derivatives, even where a value is not used."""
    first, second = (0.0 if isinstance(v, float) and math.isnan(v) else v for v in pair)
    return first, second
