"""Log-likelihood and gradient of a PEtab problem from AMICI, in NumPy float64 and without JAX."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import amici.sim.sundials as sundials
import numpy as np
from amici.sim.sundials.petab.v1 import create_edatas, fill_in_parameters
from amici.sim.sundials.petab.v1._parameter_mapping import create_parameter_mapping
from numpy.typing import ArrayLike

from amijax.failures import NOT_RUN, Failure, input_failure, integration_failure, output_failure
from amijax.logs import quiet_amici
from amijax.models import CompiledModel, get_model
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import FloatArray, to_linear


@dataclass(frozen=True)
class SolverSettings:
    """How AMICI integrates. The defaults are AMICI's own, but for the time limit.

    Attributes:
        rtol: relative tolerance.
        atol: absolute tolerance.
        max_steps: most solver steps between two outputs.
        time_limit: seconds for one simulation (one condition).
        sensitivities: forward or adjoint sensitivity equations.
    """

    rtol: float = 1e-8
    atol: float = 1e-16
    max_steps: int = 10_000
    time_limit: float = 60.0
    sensitivities: Literal["forward", "adjoint"] = "forward"

    def __post_init__(self) -> None:
        for name in ("rtol", "atol", "max_steps", "time_limit"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a number above 0, but is {value!r}.")
        if self.sensitivities not in ("forward", "adjoint"):
            raise ValueError(
                f"sensitivities must be 'forward' or 'adjoint', but is {self.sensitivities!r}."
            )

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of a problem's log-likelihood at a point.

    Attributes:
        theta: the point, shape (n_parameters,), on the PEtab scale.
        llh: log-likelihood, NaN after a failure.
        gradient: its derivative with respect to theta, shape (n_parameters,); NaN after a
            failure, None if it was not asked for.
        failure: why there is no result, None if there is one.
        wall_seconds: duration of the whole call.
        cpu_seconds: AMICI's own CPU time, summed over conditions.
        solver: the settings that produced it.
    """

    theta: FloatArray
    llh: float
    gradient: FloatArray | None
    failure: Failure | None
    wall_seconds: float
    cpu_seconds: float
    solver: SolverSettings


class _Condition(NamedTuple):
    """How theta enters one simulation and how its sensitivities come back."""

    label: str
    free_parameters: FloatArray  # the model's, on the PEtab scale; fixed ones already filled in
    targets: np.ndarray  # positions in free_parameters, AMICI's plist ...
    sources: np.ndarray  # ... and in theta, whose entries are written to them


class _Prepared(NamedTuple):
    """Everything that does not change between calls: built once, shared by all of them."""

    model: Any
    conditions: tuple[_Condition, ...]
    edatas: tuple[Any, ...]


class _Workspace(NamedTuple):
    """What AMICI's setters mutate, hence one for each call under way."""

    solver: Any
    edatas: list[Any]


class AmiciObjective:
    """The log-likelihood of a PEtab problem as a function of theta, simulated by AMICI.

    theta is the vector of free parameters on their PEtab scale, in the order of
    `problem.parameter_ids`; gradients are with respect to it. Simulation happens on the PEtab
    scale as well, since AMICI's error control of sensitivities depends on the scale. One object
    may be called from many threads at once.
    """

    def __init__(
        self,
        problem: Problem,
        solver: SolverSettings | None = None,
        *,
        model: CompiledModel | None = None,
        num_threads: int = 1,
    ) -> None:
        """Prepare a problem for evaluation; compiles its model if that was never done.

        Args:
            problem: from `load_problem`.
            solver: AMICI's defaults if not given.
            model: the compiled model, if it is at hand.
            num_threads: cores used for the conditions of one call.

        Raises:
            CompileError: the model can't be compiled.
            ProblemError: AMICI can't express the problem.
        """
        self.problem = problem
        self.solver = solver or SolverSettings()
        self.num_threads = num_threads
        self._prepared = _prepare(problem, (model or get_model(problem)).load())
        self._idle: deque[_Workspace] = deque()

    def with_solver(self, solver: SolverSettings) -> AmiciObjective:
        """The same problem with other solver settings; costs next to nothing."""
        other = object.__new__(AmiciObjective)
        other.problem = self.problem
        other.solver = solver
        other.num_threads = self.num_threads
        other._prepared = self._prepared
        other._idle = deque()
        return other

    @property
    def scales(self) -> tuple[str, ...]:
        """The parameters' PEtab scales."""
        return self.problem.scales

    def llh(self, theta: ArrayLike) -> float:
        """Log-likelihood at theta, NaN if it can't be computed.

        One simulation without sensitivities.

        Raises:
            ValueError: theta has the wrong shape.
        """
        return self.evaluate(theta, gradient=False).llh

    def llh_and_gradient(self, theta: ArrayLike) -> tuple[float, FloatArray]:
        """Log-likelihood and its gradient with respect to theta, NaN if they can't be computed.

        One simulation with sensitivities. Its log-likelihood differs from that of `llh` by what
        the solver's tolerance allows: the solver takes other steps.

        Raises:
            ValueError: theta has the wrong shape.
        """
        evaluation = self.evaluate(theta)
        assert evaluation.gradient is not None
        return evaluation.llh, evaluation.gradient

    def evaluate(self, theta: ArrayLike, gradient: bool = True) -> Evaluation:
        """Evaluate at theta; a failure is part of the result, never raised.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            gradient: whether to compute the gradient as well.

        Raises:
            ValueError: theta has the wrong shape.
        """
        start = time.perf_counter()
        theta = np.array(theta, dtype=np.float64)
        if theta.shape != (self.problem.n_parameters,):
            raise ValueError(
                f"theta must have shape ({self.problem.n_parameters},), one value for each free "
                f"parameter of {self.problem.problem_id}, but has shape {theta.shape}."
            )
        p = to_linear(theta, self.problem.scales)
        failure = input_failure(self.problem.parameter_ids, theta, p)
        cpu_seconds = 0.0
        llh, sllh = np.nan, np.full(theta.shape, np.nan)
        if failure is None:
            rdatas = self._simulate(theta, gradient)
            cpu_seconds = sum(rdata.cpu_time_total for rdata in rdatas) * 1e-3  # AMICI's are ms
            failure = self._failure(rdatas, gradient)
            if failure is None:
                llh = float(sum(rdata.llh for rdata in rdatas))
                if gradient:
                    sllh = self._aggregate(rdatas)
        return Evaluation(
            theta=theta,
            llh=llh,
            gradient=sllh if gradient else None,
            failure=failure,
            wall_seconds=time.perf_counter() - start,
            cpu_seconds=cpu_seconds,
            solver=self.solver,
        )

    def _simulate(self, theta: FloatArray, gradient: bool) -> list[Any]:
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._new_workspace()
        for condition, edata in zip(self._prepared.conditions, workspace.edatas, strict=True):
            values = condition.free_parameters.copy()
            values[condition.targets] = theta[condition.sources]
            edata.free_parameters = values
        workspace.solver.set_sensitivity_order(
            sundials.SensitivityOrder.first if gradient else sundials.SensitivityOrder.none
        )
        rdatas = sundials.run_simulations(
            self._prepared.model,
            workspace.solver,
            workspace.edatas,
            failfast=True,
            num_threads=min(self.num_threads, len(workspace.edatas)),  # idle threads cost time
        )
        self._idle.append(workspace)
        # The views' own accessors cost more than all the rest of this call.
        return [rdata.ptr for rdata in rdatas]

    def _new_workspace(self) -> _Workspace:
        solver = self._prepared.model.create_solver()
        settings = self.solver
        solver.set_relative_tolerance(settings.rtol)
        solver.set_absolute_tolerance(settings.atol)
        solver.set_max_steps(settings.max_steps)
        solver.set_max_time(settings.time_limit)
        solver.set_sensitivity_method(sundials.SensitivityMethod[settings.sensitivities])
        # Nothing else is read, and copying trajectories out of the solver takes time.
        solver.set_return_data_reporting_mode(sundials.RDataReporting.likelihood)
        return _Workspace(solver, [sundials.ExpData(edata) for edata in self._prepared.edatas])

    def _failure(self, rdatas: list[Any], gradient: bool) -> Failure | None:
        for condition, rdata in zip(self._prepared.conditions, rdatas, strict=True):
            if rdata.status < 0 and rdata.status != NOT_RUN:
                return integration_failure(
                    condition.label,
                    rdata.t_last,
                    rdata.status,
                    sundials.simulation_status_to_str(rdata.status),
                    [message.message for message in rdata.messages],
                )
        for condition, rdata in zip(self._prepared.conditions, rdatas, strict=True):
            if not np.isfinite(rdata.llh):
                return output_failure(condition.label, "log-likelihood")
            if gradient and not np.isfinite(rdata.sllh).all():
                return output_failure(condition.label, "gradient")
        return None

    def _aggregate(self, rdatas: list[Any]) -> FloatArray:
        gradient = np.zeros(self.problem.n_parameters)
        for condition, rdata in zip(self._prepared.conditions, rdatas, strict=True):
            if condition.targets.size:  # else AMICI differentiates for all, of which none is ours
                np.add.at(gradient, condition.sources, rdata.sllh)
        return gradient


def _prepare(problem: Problem, model: Any) -> _Prepared:
    """Build the parameter mapping and the ExpData objects of all conditions."""
    quiet_amici()
    petab_problem = problem.petab_problem
    mapping = create_parameter_mapping(
        petab_problem=petab_problem,
        simulation_conditions=problem.simulation_conditions,
        scaled_parameters=True,
        amici_model=model,
    )
    edatas = create_edatas(
        amici_model=model,
        petab_problem=petab_problem,
        simulation_conditions=problem.simulation_conditions,
    )
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
    conditions = tuple(
        _prepare_condition(problem, model_ids, mapping_for_condition, edata)
        for mapping_for_condition, edata in zip(mapping, edatas, strict=True)
    )
    return _Prepared(model, conditions, tuple(edatas))


def _prepare_condition(
    problem: Problem, model_ids: tuple[str, ...], mapping: Any, edata: Any
) -> _Condition:
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
    return _Condition(
        label=edata.id,
        free_parameters=np.array(edata.free_parameters, dtype=np.float64),
        targets=np.array(targets, dtype=np.intp),
        sources=np.array(sources, dtype=np.intp),
    )
