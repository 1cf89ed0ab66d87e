"""Whether what AMICI took for a steady state is one.

AMICI stops once the relative rate of change is below its tolerance. What grows for ever gets there,
too: its rate divided by its size falls with time. It has not stopped changing, though.
"""

from __future__ import annotations

from typing import Any

import amici.sim.sundials as sundials
import numpy as np

from amijax.models.amici_internals import run_simulations
from amijax.simulation.failures import Failure
from amijax.simulation.preparation import Condition
from amijax.simulation.vectors import as_array

# Steady states that were reached earlier are not looked at: with AMICI's default tolerances a
# quantity that grows linearly counts as steady at 1e5 or later.
_LATE = 1e4
# A state that changes by more while time doubles is none: linear growth changes by 1, a square
# root by 0.4, and what decays to a steady state by less than the solver's tolerances.
_CHANGE = 1e-2


def never_steady(
    condition: Condition, model: Any, solver: Any, edata: Any, rdata: Any
) -> Failure | None:
    """The failure of a simulation that goes on changing after its supposed steady state.

    None if there is no steady state in the simulation, if it was reached early, or if it stays.

    Args:
        condition: what was simulated.
        model: AMICI's.
        solver: AMICI's, with the settings; it is left as it is.
        edata: AMICI's ExpData that was simulated, with its parameters.
        rdata: AMICI's ReturnData of it.
    """
    if not condition.equilibrates or rdata.status < 0:
        return None
    for before, time in ((True, rdata.preeq_t), (False, rdata.posteq_t)):  # NaN without one
        if time > _LATE and _changes_after(model, solver, edata, time, before):
            where = "preequilibration" if before else "the simulation"
            return Failure(
                "output",
                f"No steady state was found: {where} still changes while time goes from {time:.2g} "
                f"to {2 * time:.2g}",
                "See whether the model has a steady state at these parameters, for example whether "
                "something is produced and never removed.",
                condition.label,
            )
    return None


def _changes_after(model: Any, solver: Any, edata: Any, time: float, before: bool) -> bool:
    probe = sundials.ExpData(edata)
    if before:
        probe.fixed_parameters = list(probe.fixed_parameters_pre_equilibration)
        probe.fixed_parameters_pre_equilibration = []
        probe.reinitialization_state_idxs_sim = []
    probe.set_timepoints([time, 2.0 * time])
    nothing = [float("nan")] * (2 * model.nytrue)
    probe.set_measurements(nothing)
    probe.set_noise_scales(nothing)
    order, mode = solver.get_sensitivity_order(), solver.get_return_data_reporting_mode()
    solver.set_sensitivity_order(sundials.SensitivityOrder.none)
    solver.set_return_data_reporting_mode(sundials.RDataReporting.full)
    (rdata,) = run_simulations(model, solver, [probe], failfast=False)
    solver.set_sensitivity_order(order)
    solver.set_return_data_reporting_mode(mode)
    if rdata.status < 0:
        return False
    first, second = as_array(rdata.x).reshape(2, -1)
    size = np.maximum(np.abs(first), np.abs(second))
    return bool((np.abs(second - first) > _CHANGE * size + 1e-6 * size.max(initial=0.0)).any())
