"""A few simulations of a problem as plain data, for a process that tries its model."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from amijax.models.plan import ModelPlan, ProblemNumbers, SimulationPlan

_MOST_SIMULATIONS = 16


@dataclass(frozen=True, eq=False)
class Sample:
    """Simulations of a model at nominal parameters.

    Attributes:
        plan: the problem's, with few simulations and without the model.
        numbers: what they take from the problem.
    """

    plan: ModelPlan
    numbers: ProblemNumbers

    @classmethod
    def of(cls, plan: ModelPlan, numbers: ProblemNumbers) -> Sample:
        """The first simulation of each kind (with preequilibration, with states that are set anew
        after it, with measurements at the steady state), then others: 16 or as many kinds as
        there are.
        """
        first: dict[tuple[bool, ...], SimulationPlan] = {}
        for simulation in plan.simulations:
            kind = (
                simulation.preequilibration is not None,
                bool(simulation.reset),
                bool(np.isinf(numbers.times[simulation.rows]).any()),
            )
            first.setdefault(kind, simulation)
        chosen = list(first.values())
        others = (s for s in plan.simulations if s not in chosen)
        chosen += islice(others, max(0, _MOST_SIMULATIONS - len(chosen)))
        return cls(replace(plan, sbml=b"", simulations=tuple(chosen)), numbers)

    def packed(self) -> bytes:
        """Bytes for `unpacked`."""
        return pickle.dumps(self)

    @staticmethod
    def unpacked(packed: bytes) -> Sample:
        """The sample that a process of the same user packed: pickles are programs."""
        sample = pickle.loads(packed)
        assert isinstance(sample, Sample)
        return sample


def has_steady_states(plan: ModelPlan, numbers: ProblemNumbers) -> bool:
    """Whether simulations look for steady states, before or after the measured times."""
    return bool(np.isinf(numbers.times).any()) or any(
        simulation.preequilibration is not None for simulation in plan.simulations
    )
