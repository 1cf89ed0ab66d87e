"""Overhead of one evaluation over raw AMICI, and the speed-up over the notebook's way.

    AMIJAX_COLLECTION=../shared/benchmark-collection python tests/benchmarks/bench_evaluation.py

Raw is `run_simulations` on prepared ExpData, with AMICI's default reporting. The notebook's way
is a `pure_callback` around `simulate_petab`; for PEtab v2 it is AMICI's `PetabSimulator`. Calls
are interleaved; the table has medians.
"+ ms" is what a gradient, or JAX's value_and_grad, spends outside of AMICI's library, less what raw
spends there; "- raw ms" compares whole calls, in pairs: AMICI itself is faster when it returns the
likelihood only.
"""

import statistics
import time
from dataclasses import dataclass

import amici.sim.sundials as sundials
import click
import jax
import jax.numpy as jnp
from common import problems_argument, seconds_option
from peers import notebook, petab_v2, raw

from amijax import AmiciObjective, JaxObjective, load_problem
from amijax.jax_setup import set_up_jax
from amijax.logs import quiet_amici

PROBLEMS = [
    "Boehm_JProteomeRes2014",
    "Bruno_JExpBot2016",
    "Schwen_PONE2014",
    "Fiedler_BMCSystBiol2016",
    "Sneyd_PNAS2002",
    "Brannmark_JBC2010",
    "Raia_CancerResearch2011",
    "Inhibited_Conversion",
    "Infused_Tracer",
]


class Native:
    """Stands in for AMICI's `run_simulations` and adds up what is spent inside."""

    def __init__(self):
        self.function, self.seconds = sundials.amici.run_simulations, 0.0

    def __call__(self, *arguments):
        """Simulate."""
        start = time.perf_counter()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.perf_counter() - start


@dataclass(frozen=True)
class Measured:
    """Median milliseconds of each function.

    Attributes:
        all: of the whole call.
        outside: of what it spends outside of AMICI's library. AMICI's own time varies by more.
        more: of what it takes longer than the first one in the same turn.
    """

    all: dict[str, float]
    outside: dict[str, float]
    more: dict[str, float]


def measure(functions, seconds):
    """What functions take that are called in turns until the time is up."""
    native = sundials.amici.run_simulations = Native()
    durations = {name: [] for name in functions}
    outside = {name: [] for name in functions}
    for function in functions.values():
        function()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(durations.values()))) < 5:
        for name, function in functions.items():
            native.seconds = 0.0
            start = time.perf_counter()
            function()
            elapsed = time.perf_counter() - start
            durations[name].append(elapsed * 1e3)
            outside[name].append((elapsed - native.seconds) * 1e3)
    sundials.amici.run_simulations = native.function
    first = durations[next(iter(functions))]
    more = {
        name: [value - other for value, other in zip(values, first, strict=True)]
        for name, values in durations.items()
    }
    return Measured(
        *(
            {name: statistics.median(values) for name, values in each.items()}
            for each in (durations, outside, more)
        )
    )


def row(name, seconds):
    """The table's row for one problem."""
    objective = AmiciObjective(load_problem(name))
    inside, theta = JaxObjective(objective), objective.problem.nominal_theta
    theta_jax = jnp.asarray(theta)
    quiet_amici()
    value, both = jax.jit(inside), jax.jit(jax.value_and_grad(inside))
    llh = measure(
        {
            "raw": raw.set_up(objective)(gradient=False).run,
            "ours": lambda: objective.llh(theta),
            "jax": lambda: jax.block_until_ready(value(theta_jax)),
        },
        seconds,
    ).all
    measured = measure(
        {
            "raw": raw.set_up(objective)(gradient=True).run,
            "ours": lambda: objective.llh_and_gradient(theta),
            "jax": lambda: jax.block_until_ready(both(theta_jax)),
        },
        seconds,
    )
    grad, outside, more = measured.all, measured.outside, measured.more
    peer = notebook if objective.problem.petab_version == "1" else petab_v2
    slow = [
        measure({"notebook": peer.set_up(objective)(gradient).run}, 1.0).all["notebook"]
        for gradient in (False, True)
    ]
    return (
        f"{name:26}{llh['raw']:9.2f}{llh['ours'] / llh['raw']:9.2f}{grad['raw']:10.2f}"
        f"{grad['ours'] / grad['raw']:10.2f}"
        f"{outside['ours'] - outside['raw']:10.2f}{outside['jax'] - outside['raw']:10.2f}"
        f"{more['jax']:10.2f}"
        f"{slow[0] / llh['jax']:14.0f}{slow[1] / grad['jax']:15.0f}"
    )


@click.command(help=__doc__.splitlines()[0])
@problems_argument(PROBLEMS)
@seconds_option(4.0, "for a problem and quantity")
def main(problems, seconds):
    """Print the table."""
    set_up_jax()
    widths = (26, 9, 9, 10, 10, 10, 10, 10, 14, 15)
    for header in (
        ("", "raw llh", "llh", "raw grad", "grad", "grad", "JAX", "JAX", *["notebook"] * 2),
        ("", "ms", "/ raw", "ms", "/ raw", "+ ms", "+ ms", "- raw ms", "llh / ours", "grad / ours"),
    ):
        print("".join(f"{text:>{width}}" for text, width in zip(header, widths, strict=True)))
    for name in problems:
        print(row(name, seconds), flush=True)


if __name__ == "__main__":
    main()
