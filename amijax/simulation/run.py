"""AMICI's solvers and models as the settings want them."""

from __future__ import annotations

from typing import Any

import amici.sim.sundials as sundials

from amijax.simulation.settings import SETTERS, SolverSettings


def solver_of(model: Any, settings: SolverSettings) -> Any:
    """A new AMICI solver for a model.

    Args:
        model: AMICI's.
        settings: all but those of steady states, which are the model's.
    """
    solver = model.create_solver()
    solver.set_relative_tolerance(settings.rtol)
    solver.set_absolute_tolerance(settings.atol)
    solver.set_max_steps(settings.max_steps)
    solver.set_max_time(settings.time_limit)
    solver.set_sensitivity_method(sundials.SensitivityMethod[settings.sensitivities])
    for name, value in settings.unusual.items():
        setter, options = SETTERS[name]
        getattr(solver, setter)(getattr(sundials, options)[value] if options else value)
    return solver


def sensitivity_order(gradient: bool) -> Any:
    """AMICI's sensitivity order for a value with its gradient or for the value alone."""
    return sundials.SensitivityOrder.first if gradient else sundials.SensitivityOrder.none


def without_measurements(edata: Any) -> Any:
    """A copy of an ExpData that has none."""
    bare = sundials.ExpData(edata)
    bare.set_measurements([float("nan")] * len(edata.get_measurements()))
    return bare


def with_steady_state(model: Any, settings: SolverSettings) -> Any:
    """The model, or a copy where the settings ask for another way to steady states."""
    modes = (
        sundials.SteadyStateComputationMode[settings.steady_state],
        sundials.SteadyStateSensitivityMode[settings.steady_state_sensitivities],
    )
    own = (model.get_steady_state_computation_mode(), model.get_steady_state_sensitivity_mode())
    if own != modes:
        model = model.clone()
        model.set_steady_state_computation_mode(modes[0])
        model.set_steady_state_sensitivity_mode(modes[1])
    return model
