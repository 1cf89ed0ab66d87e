"""The contenders of `bench_peers.py`: one module each, imported where it is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """One way to a log-likelihood and its gradient.

    Attributes:
        name: in the JSON.
        label: in the tables.
        module: the module of this package that has its `set_up(objective)`, which returns a
            function of `gradient` that makes a `Call`.
        isolated: it may hang or fill the memory, so it gets a process of its own; raw AMICI is
            measured there, too, in turns with it.
    """

    name: str
    label: str
    module: str
    isolated: bool = False


RAW = "raw"
OURS = "amici_objective"

CONTENDERS = (
    Contender(RAW, "raw AMICI", "raw"),
    Contender(OURS, "AmiciObjective", "ours"),
    Contender("tuned", "AmiciObjective, tuned to the same error", "ours_tuned"),
    Contender("jax_objective", "JaxObjective", "ours_jax"),
    Contender("batch", "batch of 64, per point", "ours_batch"),
    Contender("simulate_petab", "simulate_petab", "petab_simulation"),
    Contender("notebook", "notebook", "notebook"),
    Contender("pypesto", "pyPESTO", "pypesto_amici"),
    Contender("diffrax", "AMICI's JAX export", "diffrax_export", isolated=True),
)
