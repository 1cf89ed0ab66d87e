"""The process that measures some contenders at one problem: `python -m peers.worker REQUEST FILE`.

REQUEST is JSON: problem, settings, contenders (names), budget (seconds for each call). What
happens is written to FILE as it happens, one JSON object a line, so that a process that is killed
leaves what it had:

    {"event": "phase", "contender": ..., "phase": ...}
    {"event": "set up", "contender": ..., "seconds": ...}
    {"event": "failed", "contender": ..., "quantity": ... or null, "reason": ...}
    {"event": "first", "contender": ..., "quantity": ..., "seconds": ..., "llh": ..., "gradient":
     ... or null}
    {"event": "measured", "contender": ..., "quantity": ..., the fields of `timing.Spread`}
"""

import importlib
import json
import sys
import time
import warnings
from dataclasses import asdict

import numpy as np

from amijax import AmiciObjective, load_problem
from amijax.jax_setup import set_up_jax
from amijax.logs import quiet_amici
from amijax.simulation.settings import SolverSettings

from . import CONTENDERS
from .call import NoResultError
from .reasons import reason
from .timing import measure, spread


def work(request, tell):
    """Set up, call once, then measure; a contender that fails is left out from then on."""
    objective = AmiciObjective(
        load_problem(request["problem"]), SolverSettings(**request["settings"])
    )
    modules = {c.name: c.module for c in CONTENDERS if c.name in request["contenders"]}
    ready = {}
    for name, module in modules.items():
        tell(event="phase", contender=name, phase="set-up")
        start = time.perf_counter()
        try:
            contender = importlib.import_module(f".{module}", __package__)
            ready[name] = contender.set_up(objective)
        except Exception as error:
            tell(event="failed", contender=name, quantity=None, reason=reason(error))
        else:
            tell(event="set up", contender=name, seconds=time.perf_counter() - start)
    quiet_amici()
    for quantity in ("llh", "gradient"):
        calls = {}
        for name, make in ready.items():
            tell(event="phase", contender=name, phase=f"first {quantity}")
            try:
                calls[name] = _first(make, quantity, name, tell)
            except Exception as error:
                tell(event="failed", contender=name, quantity=quantity, reason=reason(error))
        tell(event="phase", contender=None, phase=f"measuring {quantity}")
        durations = measure({name: call.run for name, call in calls.items()}, request["budget"])
        for name, call in calls.items():
            each = [seconds / call.points for seconds in durations[name]]
            tell(event="measured", contender=name, quantity=quantity, **asdict(spread(each)))


def _first(make, quantity, name, tell):
    """The first call, with all that is compiled for it, and a look at its result."""
    start = time.perf_counter()
    call = make(quantity == "gradient")
    result = call.run()
    seconds = time.perf_counter() - start
    llh, gradient = call.read(result)
    if not np.isfinite(llh):
        raise NoResultError(f"llh is {llh}")
    if gradient is not None and (bad := int((~np.isfinite(gradient)).sum())):
        raise NoResultError(f"{bad} of {len(gradient)} entries of the gradient are not finite")
    tell(
        event="first", contender=name, quantity=quantity, seconds=seconds, llh=float(llh),
        gradient=None if gradient is None else [float(entry) for entry in gradient],
    )  # fmt: skip
    return call


def main():
    request, path = json.loads(sys.argv[1]), sys.argv[2]
    warnings.simplefilter("ignore")
    set_up_jax()
    with open(path, "a") as stream:

        def tell(**event):
            stream.write(json.dumps(event) + "\n")
            stream.flush()

        work(request, tell)


if __name__ == "__main__":
    main()
