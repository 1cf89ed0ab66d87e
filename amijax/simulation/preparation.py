"""A problem made ready for AMICI: parameter mapping and ExpData of all conditions, built once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import amici.sim.sundials as sundials
import numpy as np

from amijax.logs import quiet_amici
from amijax.models.plan import Free, ModelPlan, ProblemNumbers, SimulationPlan
from amijax.scales import FloatArray
from amijax.simulation.measurements import MeasuredNoise, data_arrays, measured_noise


class Condition(NamedTuple):
    """How theta enters one simulation and how its sensitivities come back."""

    label: str
    free_parameters: FloatArray  # the model's, on the PEtab scale; fixed ones already filled in
    targets: np.ndarray  # positions in free_parameters ...
    sources: np.ndarray  # ... and in theta, whose entries are written to them
    sensitivity_positions: np.ndarray  # positions in theta of AMICI's plist
    own_ids: Mapping[str, str]  # neutral ids in AMICI's messages to the user's
    equilibrates: bool  # whether a steady state is part of it
    rows: np.ndarray  # of its measurements in the measurement table ...
    times: np.ndarray  # ... the positions of their time points in AMICI's results
    observables: np.ndarray  # ... and of their observables


class Prepared(NamedTuple):
    """Everything that does not change between calls: built once, shared by all of them."""

    conditions: tuple[Condition, ...]
    edatas: tuple[Any, ...]
    noise: MeasuredNoise
    # Of all conditions together, so that a call makes few array operations, however many there
    # are: after a simulation each starts with cold caches and takes microseconds.
    free_parameters: FloatArray  # shape (n_conditions, n_model_parameters)
    targets: np.ndarray  # positions in the flattened free_parameters ...
    sources: np.ndarray  # ... and in theta

    @classmethod
    def of(
        cls, conditions: Sequence[Condition], edatas: Sequence[Any], noise: MeasuredNoise
    ) -> Prepared:
        """Put conditions, their ExpData and the measurements' noise together."""
        free_parameters = np.array([condition.free_parameters for condition in conditions])
        width = free_parameters.shape[1]
        targets = [i * width + condition.targets for i, condition in enumerate(conditions)]
        sources = [condition.sources for condition in conditions]
        return cls(
            tuple(conditions), tuple(edatas), noise, free_parameters, np.concatenate(targets),
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


def prepare(numbers: ProblemNumbers, plan: ModelPlan, model: Any) -> Prepared:
    """Build the ExpData objects of all simulations, and how theta enters them.

    Args:
        numbers: the problem's.
        plan: what became of the problem.
        model: AMICI's model that was compiled of the plan.
    """
    quiet_amici()
    conditions, edatas = [], []
    for simulation in plan.simulations:
        data = data_arrays(simulation, numbers.times, numbers.measurements, len(plan.observables))
        edata = sundials.ExpData(model)
        edata.id = simulation.label
        edata.t_start = simulation.start
        if simulation.equilibrates_from_zero:
            edata.t_start_preeq = 0.0
        edata.set_timepoints(data.times)
        edata.set_measurements(data.measurements.ravel())
        edata.set_noise_scales(data.sigma.ravel())
        conditions.append(_set_parameters(numbers, plan, simulation, model, edata, data.at))
        edatas.append(edata)
    return Prepared.of(conditions, edatas, measured_noise(plan, numbers.measurements))


_SCALES = {
    "lin": sundials.ParameterScaling.none,
    "log": sundials.ParameterScaling.ln,
    "log10": sundials.ParameterScaling.log10,
}


def _set_parameters(
    numbers: ProblemNumbers, plan: ModelPlan, simulation: SimulationPlan, model: Any, edata: Any,
    times: np.ndarray,
) -> Condition:  # fmt: skip
    """Write a simulation's parameters into its ExpData, free ones at nominal."""
    free = [simulation.values[name][1] for name in model.get_free_parameter_ids()]
    targets = [i for i, value in enumerate(free) if isinstance(value, Free)]
    sources = [value.position for value in free if isinstance(value, Free)]
    scales = ["lin"] * len(free)
    written = [0.0 if isinstance(value, Free) else value for value in free]
    for target, source in zip(targets, sources, strict=True):
        scales[target] = numbers.scales[source]
        written[target] = float(numbers.nominal_theta[source])
    if free:
        edata.pscale = sundials.parameter_scaling_from_int_vector(
            [int(_SCALES[scale]) for scale in scales]
        )
        edata.free_parameters = written
    if targets:
        edata.plist = targets
    fixed = [simulation.values[name] for name in model.get_fixed_parameter_ids()]
    edata.fixed_parameters = [float(after) for _, after in fixed]  # type: ignore[arg-type]
    if simulation.preequilibration is not None:
        before = [float(before) for before, _ in fixed]  # type: ignore[arg-type]
        edata.fixed_parameters_pre_equilibration = before
        if simulation.reset:
            states = model.get_state_ids()
            edata.reinitialization_state_idxs_sim = [states.index(s) for s in simulation.reset]
    return Condition(
        label=simulation.label,
        free_parameters=np.array(written, dtype=np.float64),
        targets=np.array(targets, dtype=np.intp),
        sources=np.array(sources, dtype=np.intp),
        sensitivity_positions=np.array(sources, dtype=np.intp),
        own_ids=plan.own_ids,
        equilibrates=simulation.preequilibration is not None
        or bool(np.isinf(edata.get_timepoints()).any()),
        rows=simulation.rows,
        times=times,
        observables=simulation.observables,
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
    return Prepared.of(conditions, edatas, prepared.noise)
