"""AMICI's own way with PEtab v2: `PetabSimulator`, which builds all ExpData in every call."""

import logging
import os
import sys

import petab.v2 as petab
from amici.importers.petab import PetabImporter, flatten_timepoint_specific_output_overrides

from amijax.paths import cache_dir
from amijax.simulation.run import sensitivity_order

from .call import Call, Values


def set_up(objective):
    problem = petab.Problem.from_yaml(objective.problem.source)
    flatten_timepoint_specific_output_overrides(problem)
    name = f"petab_v2_{objective.problem.problem_id}"
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]  # swig
    importer = PetabImporter(
        problem, module_name=name, output_dir=cache_dir() / "peers" / name, verbose=logging.WARNING
    )
    simulator = importer.create_simulator()
    solver = simulator.solver
    solver.set_relative_tolerance(objective.solver.rtol)
    solver.set_absolute_tolerance(objective.solver.atol)

    def call(gradient):
        def run():
            solver.set_sensitivity_order(sensitivity_order(gradient))
            return simulator.simulate()

        return Call(run, lambda result: Values(result.llh, None))

    return call
