"""What we use of AMICI's JAX export, which AMICI calls experimental, each in a function of its own.

"The API may substantially change in the future" (`amici.sim.jax`). Nothing is loaded before a
function needs it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_STEPS = 2**16  # of one simulation
# A measurement has two noise parameters in the export: sigma = first * formula + second, so that a
# number of the measurement table takes the place of the formula.
_SIGMA = "noiseParameter1 * ({formula}) + noiseParameter2"


def exported_model(files: Mapping[str, bytes], folder: Path) -> Any:
    """Let AMICI write a model as a module for JAX, and load it.

    Upstream: https://github.com/AMICI-dev/AMICI/blob/main/python/sdist/amici/importers/sbml/__init__.py

    When it changes: AMICI's SBML importer no longer exports a model with the project's observables
    to JAX, and the audit's witness "AMICI's JAX export" can't testify.

    Args:
        files: of a `ModelSource`: `model.xml` and `observation.json`.
        folder: where the module goes.

    Returns:
        An instance of `amici.sim.jax.JAXModel`.

    Raises:
        Exception: whatever AMICI raises for what it can't export.
    """
    import amici

    observation = json.loads(files["observation.json"])
    sbml = folder / "model.xml"
    sbml.write_bytes(files["model.xml"])
    importer = amici.SbmlImporter(str(sbml), discard_annotations=True)
    importer.sbml2jax(
        "exported",
        folder / "exported",
        observation_model=[
            amici.MeasurementChannel(
                observable["id"],
                formula=observable["formula"],
                sigma=_SIGMA.format(formula=observable["sigma"]),
                noise_distribution=observable["distribution"],
            )
            for observable in observation["observables"]
        ],
        fixed_parameters=observation["fixed"],
    )
    path = folder / "exported" / "__init__.py"
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model()


def exported_llh(
    model: Any,
    parameters: Any,
    times: Any,
    measurements: Any,
    observables: Any,
    sigma: Any,
    is_measured: Any,
    rtol: Any,
    atol: Any,
    longest_step: Any,
    growth: Any,
) -> Any:
    """The log-likelihood of one simulation from the initial values, by diffrax; differentiable.

    Kvaerno5 and AMICI's own step size control, whose error control leaves sensitivities out: the
    longest step, and how much longer than the one before it may be, are what bounds their error
    where the states themselves hardly move.

    Upstream: https://github.com/AMICI-dev/AMICI/blob/main/python/sdist/amici/sim/jax/model.py

    When it changes: the model that AMICI exports no longer simulates a condition from arrays of
    times, measurements and noise parameters, and the audit's witness "AMICI's JAX export" can't
    testify.

    Args:
        model: from `exported_model`, without events.
        parameters: linear, in the order of `model.parameter_ids`.
        times: of the measurements, finite, ascending, shape (n,).
        measurements: shape (n,).
        observables: positions in `model.observable_ids`, shape (n,).
        sigma: the noise scale where it is a number, else NaN, shape (n,).
        is_measured: False for those that only fill up, shape (n,).
        rtol: relative tolerance.
        atol: absolute tolerance.
        longest_step: in units of time.
        growth: of a step, in units of the one before.

    Returns:
        A scalar; not finite where the solver gave up.
    """
    import diffrax
    import jax.numpy as jnp
    import optimistix
    from amici.sim.jax.petab import (
        DEFAULT_CONTROLLER_SETTINGS,
        DEFAULT_ROOT_FINDER_SETTINGS,
        SteadyStateEvent,
    )

    n = len(times)
    is_number = jnp.isfinite(sigma)
    noise_parameters = jnp.stack(
        [jnp.where(is_number, 0.0, 1.0), jnp.where(is_number, sigma, 0.0)], axis=1
    )
    settings = DEFAULT_CONTROLLER_SETTINGS | {"rtol": rtol, "atol": atol}
    return model.simulate_condition_unjitted(
        p=parameters,
        ts_dyn=times,
        ts_posteq=jnp.zeros(0),
        my=measurements,
        iys=observables,
        iy_trafos=jnp.zeros(n, dtype=int),
        ops=jnp.zeros((n, 0)),
        nps=noise_parameters,
        solver=diffrax.Kvaerno5(),
        controller=diffrax.PIDController(**settings, dtmax=longest_step, factormax=growth),
        root_finder=optimistix.Newton(**DEFAULT_ROOT_FINDER_SETTINGS),
        adjoint=diffrax.ForwardMode(),
        steady_state_event=SteadyStateEvent(),
        max_steps=MAX_STEPS,
        ts_mask=is_measured,
    )[0]
