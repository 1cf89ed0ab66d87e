"""A problem made ready for AMICI: parameter mapping and ExpData of all conditions, built once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import amici.sim.sundials as sundials
import numpy as np
from amici.sim.sundials.petab.v1 import fill_in_parameters
from amici.sim.sundials.petab.v1._parameter_mapping import create_parameter_mapping

from amijax.logs import quiet_amici
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import FloatArray
from amijax.simulation.measurements import measured_edatas


class Condition(NamedTuple):
    """How theta enters one simulation and how its sensitivities come back."""

    label: str
    free_parameters: FloatArray  # the model's, on the PEtab scale; fixed ones already filled in
    targets: np.ndarray  # positions in free_parameters ...
    sources: np.ndarray  # ... and in theta, whose entries are written to them
    sensitivity_positions: (
        np.ndarray
    )  # positions in theta of AMICI's plist, whose sensitivities are computed


class Prepared(NamedTuple):
    """Everything that does not change between calls: built once, shared by all of them."""

    conditions: tuple[Condition, ...]
    edatas: tuple[Any, ...]
    # Of all conditions together, so that a call makes few array operations, however many there
    # are: after a simulation each starts with cold caches and takes microseconds.
    free_parameters: FloatArray  # shape (n_conditions, n_model_parameters)
    targets: np.ndarray  # positions in the flattened free_parameters ...
    sources: np.ndarray  # ... and in theta

    @classmethod
    def of(cls, conditions: Sequence[Condition], edatas: Sequence[Any]) -> Prepared:
        """Put conditions and their ExpData together."""
        free_parameters = np.array([condition.free_parameters for condition in conditions])
        width = free_parameters.shape[1]
        targets = [i * width + condition.targets for i, condition in enumerate(conditions)]
        sources = [condition.sources for condition in conditions]
        return cls(
            tuple(conditions), tuple(edatas), free_parameters, np.concatenate(targets),
            np.concatenate(sources),
        )  # fmt: skip

    def model_parameters(self, theta: FloatArray) -> list[list[float]]:
        """The model's free parameters in each condition, as `ExpData.free_parameters` takes them.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
        """
        values = self.free_parameters.copy()
        values.reshape(-1)[self.targets] = theta[self.sources]
        return values.tolist()


def prepare(problem: Problem, model: Any) -> Prepared:
    """Build the parameter mapping and the ExpData objects of all conditions."""
    quiet_amici()
    petab_problem = problem.petab_problem
    mapping = create_parameter_mapping(
        petab_problem=petab_problem,
        simulation_conditions=problem.simulation_conditions,
        scaled_parameters=True,
        amici_model=model,
    )
    edatas = measured_edatas(problem, model)
    nominal = dict(zip(problem.parameter_ids, problem.nominal_theta, strict=True))
    reached = mapping.free_symbols
    fill_in_parameters(
        edatas=edatas,
        problem_parameters={name: nominal[name] for name in nominal if name in reached},
        scaled_parameters=True,
        parameter_mapping=mapping,
        amici_model=model,
    )
    model_ids = model.get_free_parameter_ids()
    conditions = [
        _prepare_condition(problem, model_ids, mapping_for_condition, edata)
        for mapping_for_condition, edata in zip(mapping, edatas, strict=True)
    ]
    return Prepared.of(conditions, edatas)


def _prepare_condition(
    problem: Problem, model_ids: tuple[str, ...], mapping: Any, edata: Any
) -> Condition:
    positions = {name: i for i, name in enumerate(problem.parameter_ids)}
    for fixed in (mapping.map_sim_fix, mapping.map_preeq_fix):
        if estimated := sorted({str(v) for v in fixed.values() if v in positions}):
            raise ProblemError(
                f"{problem.problem_id}: AMICI treats model quantities set by "
                f"{', '.join(estimated)} as constants in condition {edata.id}, so there is no "
                "gradient with respect to them. Set initial values of preequilibrated "
                "conditions by numbers or by fixed parameters."
            )
    free = {**mapping.map_sim_fix, **mapping.map_sim_var}
    targets, sources = [], []
    for i, model_id in enumerate(model_ids):
        value = mapping.map_sim_var[model_id]
        # An initial value may refer to a model parameter that the mapping sets in turn.
        while isinstance(value, str) and value not in positions:
            value = free[value]
        if isinstance(value, str):
            if mapping.scale_map_sim_var[model_id] != problem.scales[positions[value]]:
                raise ProblemError(
                    f"{problem.problem_id}: AMICI takes {value} on another scale than the "
                    f"parameter table gives ({problem.scales[positions[value]]})."
                )
            targets.append(i)
            sources.append(positions[value])
    if targets:
        edata.plist = targets
    return Condition(
        label=edata.id,
        free_parameters=np.array(edata.free_parameters, dtype=np.float64),
        targets=np.array(targets, dtype=np.intp),
        sources=np.array(sources, dtype=np.intp),
        sensitivity_positions=np.array(sources, dtype=np.intp),
    )


def restrict(prepared: Prepared, positions: np.ndarray) -> Prepared:
    """The same simulations with sensitivities for some entries of theta only.

    Args:
        prepared: all of them.
        positions: entries of theta.
    """
    conditions, edatas = [], []
    for condition, original in zip(prepared.conditions, prepared.edatas, strict=True):
        edata = sundials.ExpData(original)
        chosen = np.isin(condition.sources, positions)
        if chosen.any():
            edata.plist = [int(target) for target in condition.targets[chosen]]
        elif condition.targets.size:  # an empty plist means all parameters; one is the least
            edata.plist = [int(condition.targets[0])]
        conditions.append(condition._replace(sensitivity_positions=condition.sources[chosen]))
        edatas.append(edata)
    return Prepared.of(conditions, edatas)
