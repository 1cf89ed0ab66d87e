"""Raw AMICI: `run_simulations` on ExpData that are ready, with AMICI's default reporting."""

import amici.sim.sundials as sundials

from amijax.simulation.evaluation import condition_result, evaluation_of
from amijax.simulation.run import sensitivity_order

from .call import Call, NoResultError, Values
from .reasons import short


def set_up(objective):
    model = objective.simulator.model

    def call(gradient):
        edatas = [sundials.ExpData(edata) for edata in objective.simulator.edatas]
        solver = objective.simulator.new_solver()
        solver.set_sensitivity_order(sensitivity_order(gradient))

        def read(rdatas):
            results = [
                condition_result(condition, rdata.ptr, gradient)
                for condition, rdata in zip(objective.simulator.conditions, rdatas, strict=True)
            ]
            evaluation = evaluation_of(
                objective.problem.nominal_theta, objective.simulator.conditions, results, 0.0,
                objective.solver,
            )  # fmt: skip
            if evaluation.failure is not None:
                raise NoResultError(short(evaluation.failure))
            return Values(evaluation.llh, evaluation.gradient)

        return Call(lambda: sundials.run_simulations(model, solver, edatas), read)

    return call
