"""What a witness says: values with their uncertainty, or why it can't testify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from amijax.scales import FloatArray

Witness = Literal[
    "closed form",
    "libRoadRunner",
    "finite differences",
    "AMICI's JAX export",
    "other sensitivities",
    "tight tolerances",
]
Kind = Literal["llh", "gradient"]

# Who may call a number right: who shares nothing with it but the problem itself, or nothing but
# llh. AMICI's JAX export is AMICI's own reading of the model, so it confirms no llh; but how it
# gets from there to a gradient is other code, another integrator and automatic differentiation.
_INDEPENDENT: frozenset[Witness] = frozenset({"closed form", "libRoadRunner", "finite differences"})
CONFIRMING: dict[Kind, frozenset[Witness]] = {
    "llh": _INDEPENDENT,
    "gradient": _INDEPENDENT | {"AMICI's JAX export"},
}
# Who may call a number wrong: AMICI at tight tolerances, or exported, contradicts itself.
CONTRADICTING: frozenset[Witness] = CONFIRMING["gradient"] | {"tight tolerances"}


class OutOfReachError(Exception):
    """The problem has something that a witness can't express; the message says what."""


@dataclass(frozen=True, eq=False)
class Testimony:
    """What a witness says of llh, of gradient entries or of directional derivatives.

    Attributes:
        witness: who.
        values: what it found, shape (n,); NaN where it has nothing to say.
        uncertainty: how far the truth may be from them, shape (n,), in their units: the true error
            is smaller in 95 of 100 cases. Infinite where nothing is known.
        reason: why it can't testify at all, a sentence; empty if it does.
        evaluations: simulations of all conditions that it took.
        seconds: how long it took.
    """

    witness: Witness
    values: FloatArray
    uncertainty: FloatArray
    reason: str = ""
    evaluations: int = 0
    seconds: float = 0.0

    @classmethod
    def refusal(cls, witness: Witness, n: int, reason: str, seconds: float = 0.0) -> Testimony:
        """A witness that can't testify.

        Args:
            witness: who.
            n: of how many numbers.
            reason: why, a sentence.
            seconds: how long it took to find out.
        """
        return cls(witness, np.full(n, np.nan), np.full(n, np.inf), reason, 0, seconds)
