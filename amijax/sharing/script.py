"""A state as a Python script that needs no amijax: AMICI, JAX and NumPy only."""

from __future__ import annotations

import base64
import json
import math
import re
import textwrap
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from petab.v1 import C

from amijax.models.plan import Free, ModelPlan, SimulationPlan, Value
from amijax.models.source import model_source
from amijax.precisions import Precision
from amijax.problems.problem import Problem
from amijax.sharing.snapshots import clean_name
from amijax.simulation.measurements import data_arrays
from amijax.simulation.settings import SETTERS, SolverSettings
from amijax.versions import versions

# Everything between @ is filled in; the rest is the script as it is.
_TEMPLATE = Path(__file__).with_name("script_template.py.txt")
# The same for PEtab v2: AMICI's own import beside it.
_TEMPLATE_V2 = Path(__file__).with_name("script_template_v2.py.txt")
_OPTION_V2 = (
    'cli.add_argument("--petab", help="the problem\'s YAML file, for AMICI\'s own PEtab v2 import")'
    "\n"
)
_WIDTH = 99


def script(
    problem: Problem,
    theta: ArrayLike,
    solver: SolverSettings,
    precision: Precision = "float64",
) -> str:
    """A program that prints llh and gradient at theta, of AMICI and of AMICI inside JAX.

    It holds the model and the measurements as amijax hands them to AMICI, repairs included (where
    those are switched off, a comment at its top says what is not to be trusted), and compiles the
    model in AMICI's own way. The same versions give the same numbers as here up to what the
    compiler makes of the generated code. For a PEtab v2 problem it can also be given the YAML file:
    it then shows what AMICI's own classes for PEtab v2 make of it, without repairs.

    Args:
        problem: the problem.
        theta: shape (n_parameters,), on the PEtab scale; written to the last bit.
        solver: settings, all of them definite.
        precision: what JAX computes in unless the script is told otherwise.

    Raises:
        ValueError: theta has the wrong shape or is not finite.
        ProblemError: the problem can't be made ready for AMICI.
    """
    theta = np.array(theta, dtype=np.float64)
    if theta.shape != (problem.n_parameters,) or not np.isfinite(theta).all():
        raise ValueError(f"theta must be {problem.n_parameters} finite numbers.")
    title = clean_name(problem.problem_id)
    file_name = "".join(c if c.isalnum() and c.isascii() else "_" for c in title)
    plan = model_source(problem).plan
    steady = {
        "computation": (solver.steady_state, "Computation"),
        "sensitivity": (solver.steady_state_sensitivities, "Sensitivity"),
    }
    filled = {
        "TITLE": title,
        "DATE": f"{datetime.now(UTC):%Y-%m-%d}",
        "VERSIONS": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "SOLVER": str(solver),
        "REPAIRS": "".join(
            textwrap.fill(
                " ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# "
            )
            + "\n"
            for text in (
                *(f"Repair: {repair.message}" for repair in plan.repairs),
                *(f"Not to be trusted: {distrust.message}" for distrust in plan.distrusts),
            )
        ),
        "PARAMETERS": "\n".join(
            f"    {_quoted(name)}: ({_quoted(scale)}, {float(value)!r}),"
            for name, scale, value in zip(problem.parameter_ids, problem.scales, theta, strict=True)
        ),
        "DATA": _packed(_data(problem, plan, f"amici_model_{file_name}")),
        "MODEL": _quoted(f"amici_model_{file_name}"),
        "PRECISION": precision,
        "OPTIONS": _OPTION_V2 if problem.petab_version == "2" else "",
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
        "METHODS": "".join(
            f"solver.{SETTERS[name][0]}({_argument(SETTERS[name][1], value)})\n"
            for name, value in solver.unusual.items()
        ),
    }
    own = _TEMPLATE_V2.read_text(encoding="utf-8") if problem.petab_version == "2" else ""
    filled["PETAB_V2"] = _filled(own.rstrip("\n"), filled)
    return _filled(_TEMPLATE.read_text(encoding="utf-8"), filled)


def _filled(template: str, words: dict[str, str]) -> str:
    return re.sub(r"@([A-Z_0-9]+)@", lambda match: words[match[1]], template)


def _data(problem: Problem, plan: ModelPlan, name: str) -> dict[str, Any]:
    """The model and its simulations as plain data."""
    return {
        "name": name,
        "sbml": plan.sbml.decode(),
        "observables": {
            observable.id: {
                "formula": observable.formula,
                "sigma": observable.sigma,
                "noise_distribution": observable.distribution,
            }
            for observable in plan.observables
        },
        "fixed": plan.fixed,
        "simulations": [
            _simulation(problem, simulation, len(plan.observables))
            for simulation in plan.simulations
        ],
    }


def _simulation(problem: Problem, plan: SimulationPlan, n_observables: int) -> dict[str, Any]:
    table = problem.measurements
    times = table[C.TIME].to_numpy(dtype=np.float64)
    measurements = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    data = data_arrays(plan, times, measurements, n_observables)
    return {
        "times": data.times.tolist(),
        "measurements": [_number(value) for value in data.measurements.ravel().tolist()],
        "sigma": [_number(value) for value in data.sigma.ravel().tolist()],
        "start": plan.start,
        "preequilibrated": plan.preequilibration is not None,
        "reset": plan.reset,
        "values": {
            kind: {name: _value(pair[i]) for name, pair in plan.values.items()}
            for i, kind in enumerate(("preequilibration", "simulation"))
        },
    }


def _argument(options: str, value: str | float) -> str:
    """What a setter of AMICI's solver is given, as Python."""
    return f"sundials.{options}.{value}" if options else repr(value)


def _value(value: Value) -> float | dict[str, int]:
    return {"theta": value.position} if isinstance(value, Free) else value


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _packed(data: dict[str, Any]) -> str:
    """Data as lines of base64."""
    text = base64.b64encode(zlib.compress(json.dumps(data).encode(), 9)).decode()
    return "\n".join(textwrap.wrap(text, _WIDTH))


def _quoted(text: str) -> str:
    """A Python literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)
