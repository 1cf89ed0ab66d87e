"""AMICI's JAX export as a witness: other generated code, diffrax, automatic differentiation.

The model is the one that the project compiles, repairs included, and it goes to AMICI's SBML
importer, as for C++; AMICI's PEtab import is not used. Run in a process of its own
(`jax_export_process`).
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from amijax.audit.jax_export_internals import exported_llh, exported_model
from amijax.audit.testimony import OutOfReachError
from amijax.logs import quiet_amici
from amijax.models.plan import Free, ProblemNumbers, SimulationPlan
from amijax.models.sbml_tree import MATHML
from amijax.models.source import model_source, problem_numbers
from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.scaling import unscale

_KINKS = ("abs", "ceiling", "floor", "max", "min")


class _Data(NamedTuple):
    """One simulation as arrays; the same shapes for all of them, so that JAX compiles once.

    Measurements are filled up with copies of the last one that don't count.
    """

    constants: np.ndarray  # of the model's parameters that are numbers, shape (n_parameters,)
    sources: np.ndarray  # position in theta of the others, -1 for numbers
    times: np.ndarray
    measurements: np.ndarray
    observables: np.ndarray
    sigma: np.ndarray
    is_measured: np.ndarray


class ExportedProblem:
    """A problem as AMICI's JAX export simulates it."""

    def __init__(self, problem: Problem, folder: Path) -> None:
        """Export a problem's model.

        Args:
            problem: the problem.
            folder: for the generated module.

        Raises:
            ImportError: diffrax, or what comes with it, is not installed.
            OutOfReachError: the problem has something that can't be expressed here.
            ProblemError: the problem can't be simulated at all.
        """
        source, numbers = model_source(problem), problem_numbers(problem)
        simulations = source.plan.simulations
        _refuse_steady_states(simulations, numbers)
        _refuse_kinks(source.plan.sbml)
        quiet_amici()
        try:
            self._model = exported_model(source.files, folder)
        except ImportError:
            raise
        except Exception as error:  # whatever AMICI raises for what it can't export
            words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise OutOfReachError(f"AMICI can't export the model ({words}).") from error
        if self._model.n_events:
            raise OutOfReachError("the model has events or discontinuities.")
        if not len(self._model.state_ids):
            raise OutOfReachError("the model has no states.")
        names = tuple(self._model.parameter_ids)
        measured = [s for s in simulations if np.isfinite(numbers.measurements[s.rows]).any()]
        longest = max((len(s.rows) for s in measured), default=0)
        self._data = [_data(s, numbers, names, longest) for s in measured]
        self._scales = problem.scales
        # All entries at once, by forward differentiation: what JAX compiles in half the time.
        self._function: Any = jax.jit(self._value_and_gradient)

    def compile(self, theta: FloatArray) -> float:
        """Compile the function, once for all simulations, and return the seconds that it took.

        Otherwise the first `llh_and_gradient` does it.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
        """
        start = time.perf_counter()
        if self._data:
            lowered = self._function.lower(jnp.asarray(theta), self._data[0], 0.0, 0.0, 0.0, 0.0)
            self._function = lowered.compile()
        return time.perf_counter() - start

    def llh_and_gradient(
        self, theta: FloatArray, rtol: float, atol: float, steps: int, growth: float
    ) -> tuple[float, FloatArray]:
        """The log-likelihood, and its gradient with respect to theta, NaN where JAX can't tell.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            rtol: diffrax's relative tolerance.
            atol: its absolute tolerance.
            steps: the least number of steps for a simulation.
            growth: of a step, at most, in units of the one before.

        Raises:
            OutOfReachError: it can't be simulated here.
        """
        llh, gradient = 0.0, np.zeros(len(theta))
        for data in self._data:
            # There are models that are measured at time 0 only.
            longest_step = max(data.times[-1], np.finfo(float).tiny) / steps
            value, slope = self._function(
                jnp.asarray(theta), data, rtol, atol, longest_step, growth
            )
            llh += float(value)
            gradient += np.asarray(slope)
        if not np.isfinite(llh):
            raise OutOfReachError("diffrax gave up, or llh is not finite.")
        if len(gradient) and not np.isfinite(gradient).any():
            raise OutOfReachError("no entry of its gradient is finite.")
        return llh, gradient

    def _value_and_gradient(
        self, theta: jax.Array, data: _Data, *control: float
    ) -> tuple[jax.Array, jax.Array]:
        def llh(theta: jax.Array) -> jax.Array:
            linear = unscale(theta, self._scales)
            parameters = jnp.where(data.sources >= 0, linear[data.sources], data.constants)
            return exported_llh(self._model, parameters, *data[2:], *control)

        def along(direction: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jax.jvp(llh, (theta,), (direction,))

        return jax.vmap(along, out_axes=(None, 0))(jnp.eye(len(theta)))


def _refuse_steady_states(simulations: Sequence[SimulationPlan], numbers: ProblemNumbers) -> None:
    if any(simulation.preequilibration is not None for simulation in simulations):
        raise OutOfReachError("the problem has preequilibration.")
    if any(simulation.start for simulation in simulations):
        raise OutOfReachError("a simulation does not begin at time 0.")
    if np.isinf(numbers.times).any():
        raise OutOfReachError("a steady state is measured.")


def _refuse_kinks(sbml: bytes) -> None:
    """Step sizes say nothing of the gradient's error there: it was ten times what they said."""
    tags = {element.tag for element in ET.fromstring(sbml).iter()}
    found = [name for name in _KINKS if f"{{{MATHML}}}{name}" in tags]
    if found:
        raise OutOfReachError(f"the model has kinks ({', '.join(found)}).")


def _data(
    simulation: SimulationPlan, numbers: ProblemNumbers, names: tuple[str, ...], n: int
) -> _Data:
    measurements = numbers.measurements[simulation.rows]
    times = numbers.times[simulation.rows]
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(measurements[order])]
    filled = np.append(order, np.repeat(order[-1], n - len(order)))
    values = [simulation.values[name][1] for name in names]
    return _Data(
        np.array([0.0 if isinstance(v, Free) else v for v in values]),
        np.array([v.position if isinstance(v, Free) else -1 for v in values], dtype=int),
        times[filled],
        measurements[filled],
        simulation.observables[filled].astype(int),
        simulation.sigma[filled],
        np.arange(n) < len(order),
    )
