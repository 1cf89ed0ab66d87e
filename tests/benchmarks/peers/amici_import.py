"""AMICI's own import of a problem, which shares nothing with ours: its reading of PEtab, its model.

Peers that read PEtab's tables themselves need it, and tests compare with it.
"""

import copy
import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import amici
import libsbml
import numpy as np
import petab.v1 as petab
from amici.importers.petab.v1 import import_petab_problem
from amici.sim.sundials.petab.v1 import simulate_petab

from amijax.logs import quiet_amici
from amijax.paths import cache_dir
from amijax.problems import Problem


class Imported(NamedTuple):
    """A problem as AMICI imports it.

    Attributes:
        petab_problem: observables replicated where AMICI can't express their overrides.
        model: AMICI's, with the ids of the problem.
    """

    petab_problem: petab.Problem
    model: Any

    def simulate(self, problem, theta, solver):
        """What `simulate_petab` makes of theta, on the PEtab scale."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parameters that don't reach the model
            return simulate_petab(
                self.petab_problem,
                amici_model=self.model,
                solver=solver,
                scaled_parameters=True,
                scaled_gradients=True,
                problem_parameters=dict(zip(problem.parameter_ids, np.asarray(theta), strict=True)),
            )


def gradient_of(result, problem) -> np.ndarray:
    """The gradient with respect to theta from a result of `simulate_petab`."""
    return np.array([result["sllh"].get(name, 0.0) for name in problem.parameter_ids])


@cache
def imported(problem: Problem) -> Imported:
    """A problem imported by AMICI alone; 20 s the first time, and from the cache folder later."""
    petab_problem = replicated(problem)
    name = f"own_{''.join(c if c.isalnum() else '_' for c in problem.problem_id)}"
    folder = cache_dir().absolute() / "amici_import" / f"{problem.problem_id}-{_key(petab_problem)}"
    quiet_amici()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = tempfile.mkdtemp(dir=folder.parent)
        # AMICI finds swig on the path only.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with warnings.catch_warnings(), mock.patch.dict(os.environ, PATH=path):
            warnings.simplefilter("ignore")
            import_petab_problem(
                petab_problem, part, model_name=name, verbose=False, discard_sbml_annotations=True
            )
        try:
            os.rename(part, folder)
        except OSError:  # another process was faster
            shutil.rmtree(part)
    return Imported(petab_problem, amici.import_model_module(name, folder).get_model())


def replicated(problem: Problem) -> petab.Problem:
    """A copy of PEtab's own object, with observables replicated where AMICI needs that."""
    petab_problem = copy.deepcopy(problem.petab_problem)
    trivial = not petab.lint.observable_table_has_nontrivial_noise_formula(
        petab_problem.observable_df
    )
    if petab.lint.measurement_table_has_timepoint_specific_mappings(
        petab_problem.measurement_df, allow_scalar_numeric_noise_parameters=trivial
    ):
        petab.flatten_timepoint_specific_output_overrides(petab_problem)
    return petab_problem


def _key(petab_problem: petab.Problem) -> str:
    """A digest of what AMICI's import reads."""
    digest = hashlib.sha256(version("amici").encode())
    digest.update(libsbml.writeSBMLToString(petab_problem.model.sbml_document).encode())
    for name in ("parameter_df", "condition_df", "observable_df", "measurement_df"):
        digest.update(getattr(petab_problem, name).to_csv().encode())
    return digest.hexdigest()[:16]
