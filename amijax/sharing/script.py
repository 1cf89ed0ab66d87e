"""A state as a Python script that needs no amijax: AMICI, PEtab, JAX and NumPy only."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from amijax.problems.opening import read_tables_and_model
from amijax.problems.problem import Problem
from amijax.sharing.snapshots import clean_name
from amijax.simulation.settings import SolverSettings
from amijax.versions import versions

# Everything between @ is filled in; the rest is the script as it is.
_TEMPLATE = """\
# Log-likelihood and gradient of @TITLE@ from AMICI, and from AMICI inside JAX.
#
# Written by amijax on @DATE@ with @VERSIONS@.
# Solver: @SOLVER@.
#
# The model is compiled once, into the folder of --model; delete that after a change of the model.
# Compile only PEtab files that you trust: AMICI writes names from them into C++ code.
import argparse
import logging
import os
import sys
import warnings

os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]  # swig
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import amici.sim.sundials as sundials
import jax
import jax.numpy as jnp
import numpy as np
import petab.v1 as petab
from amici.importers.petab.v1 import import_petab_problem
from amici.sim.sundials.petab.v1 import simulate_petab

jax.config.update("jax_enable_x64", True)  # the dtype of theta is the precision
jax.config.update("jax_cpu_enable_async_dispatch", False)  # a callback waits for no other thread

PARAMETERS = {  # PEtab's scale, and the value on it
@PARAMETERS@
}
cli = argparse.ArgumentParser()
cli.add_argument("yaml"@YAML@)
cli.add_argument("--model", default=@MODEL@, help="folder of the compiled model")
cli.add_argument("--precision", default="@PRECISION@", choices=["float32", "float64"])
options = cli.parse_args()
problem = petab.Problem.from_yaml(options.yaml)
@FLATTEN@model = import_petab_problem(
    problem, options.model, verbose=False, discard_sbml_annotations=True
)
@STEADY_STATE@solver = model.create_solver()
solver.set_relative_tolerance(@RTOL@)
solver.set_absolute_tolerance(@ATOL@)
solver.set_max_steps(@MAX_STEPS@)
solver.set_max_time(@TIME_LIMIT@)  # seconds for one condition
solver.set_sensitivity_method(sundials.SensitivityMethod.@SENSITIVITIES@)
scales = np.array([scale for scale, _ in PARAMETERS.values()])
log10, log = scales == "log10", scales == "log"


def simulate(theta, order):  # AMICI's llh and its gradient by theta, float64; NaN after a failure
    solver.set_sensitivity_order(order)
    result = simulate_petab(
        problem, amici_model=model, solver=solver, scaled_parameters=True, scaled_gradients=True,
        problem_parameters=dict(zip(PARAMETERS, theta, strict=True)),
    )
    if any(rdata.status != 0 for rdata in result["rdatas"]):
        return np.nan, np.full(len(theta), np.nan)
    return result["llh"], np.array([(result["sllh"] or {}).get(name, 0.0) for name in PARAMETERS])


def host(p, order):  # from linear parameters back to theta; the gradient is by linear ones
    dtype, p = p.dtype, np.asarray(p, np.float64)
    theta, slope = p.copy(), np.ones_like(p)
    theta[log10], theta[log] = np.log10(p[log10]), np.log(p[log])
    slope[log10], slope[log] = p[log10] * np.log(10.0), p[log]
    llh, sllh = simulate(theta, order)
    return np.asarray(llh, dtype), np.asarray(sllh / slope, dtype)


def call_host(p, order):
    shapes = jax.ShapeDtypeStruct((), p.dtype), jax.ShapeDtypeStruct(p.shape, p.dtype)
    return jax.pure_callback(lambda p: host(p, order), shapes, p, vmap_method="sequential")


@jax.custom_jvp
def llh_of_linear(p):
    return call_host(p, sundials.SensitivityOrder.none)[0]


@llh_of_linear.defjvp
def value_and_change(primals, tangents):  # one simulation for both
    llh, slope = call_host(primals[0], sundials.SensitivityOrder.first)
    return llh, jnp.dot(slope, tangents[0])


def llh_of_theta(theta):
    ten = jnp.asarray(10, theta.dtype)
    p = jnp.where(log10, jnp.power(ten, jnp.where(log10, theta, 0)), theta)
    return llh_of_linear(jnp.where(log, jnp.exp(jnp.where(log, theta, 0)), p))


theta = np.array([value for _, value in PARAMETERS.values()])
amici = simulate(theta, sundials.SensitivityOrder.first)
inside = jax.jit(jax.value_and_grad(llh_of_theta))(theta.astype(options.precision))
print(f"{'':24}{'AMICI':>26}{f'JAX, {options.precision}':>26}{'rel_diff':>12}")
for name, a, b in zip(["llh", *PARAMETERS], np.append(*amici), np.append(*inside), strict=True):
    rel_diff = (a - b) / abs(a) if a else (0.0 if b == 0 else np.inf)
    print(f"{name:24}{a:26.17g}{b:26.17g}{rel_diff:12.1e}")
"""

_FLATTEN = """\
petab.flatten_timepoint_specific_output_overrides(problem)  # AMICI can't express them
"""


def script(
    problem: Problem,
    theta: ArrayLike,
    solver: SolverSettings,
    precision: Literal["float32", "float64"] = "float64",
    *,
    known_path: bool = True,
) -> str:
    """A program that prints llh and gradient at theta, of AMICI and of AMICI inside JAX.

    It reads the PEtab files at the path of its first argument, by default where they are on this
    machine, and compiles the model in AMICI's own way. The same versions give the same numbers as
    here up to what the compiler makes of the generated code.

    Args:
        problem: the problem.
        theta: shape (n_parameters,), on the PEtab scale; written to the last bit.
        solver: settings, all of them definite.
        precision: what JAX computes in unless the script is told otherwise.
        known_path: whether the script names the PEtab files' path on this machine; without it the
            path has to be given.

    Raises:
        ValueError: theta has the wrong shape or is not finite.
        ProblemError: the problem's files can't be read any more.
    """
    theta = np.array(theta, dtype=np.float64)
    if theta.shape != (problem.n_parameters,) or not np.isfinite(theta).all():
        raise ValueError(f"theta must be {problem.n_parameters} finite numbers.")
    title = clean_name(problem.problem_id)
    file_name = "".join(c if c.isalnum() and c.isascii() else "_" for c in title)
    steady = {
        "computation": (solver.steady_state, "Computation"),
        "sensitivity": (solver.steady_state_sensitivities, "Sensitivity"),
    }
    filled = {
        "TITLE": title,
        "DATE": f"{datetime.now(UTC):%Y-%m-%d}",
        "VERSIONS": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "SOLVER": str(solver),
        "PARAMETERS": "\n".join(
            f"    {_quoted(name)}: ({_quoted(scale)}, {float(value)!r}),"
            for name, scale, value in zip(problem.parameter_ids, problem.scales, theta, strict=True)
        ),
        "YAML": f', nargs="?", default={_quoted(str(problem.source))}' if known_path else "",
        "MODEL": _quoted(f"amici_model_{file_name}"),
        "PRECISION": precision,
        "FLATTEN": _FLATTEN if _has_replicated_observables(problem) else "",
        "STEADY_STATE": "".join(
            f"model.set_steady_state_{kind}_mode(sundials.SteadyState{name}Mode.{mode})\n"
            for kind, (mode, name) in steady.items()
            if mode != "integrationOnly"
        ),
        "RTOL": repr(float(solver.rtol)),
        "ATOL": repr(float(solver.atol)),
        "MAX_STEPS": str(int(solver.max_steps)),
        "TIME_LIMIT": repr(float(solver.time_limit)),
        "SENSITIVITIES": solver.sensitivities,
    }
    return re.sub(r"@([A-Z_]+)@", lambda match: filled[match[1]], _TEMPLATE)


def _has_replicated_observables(problem: Problem) -> bool:
    """Whether observables were replicated when the problem was opened: then they have other ids
    than in the files.
    """
    in_files = read_tables_and_model(problem.source).observable_df.index
    return set(in_files) != set(problem.observables.index)


def _quoted(text: str) -> str:
    """A Python literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)
