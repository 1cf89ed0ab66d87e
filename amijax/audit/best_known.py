"""The best known value of a number that was audited, for showing how far others are from it."""

from __future__ import annotations

from amijax.audit.testimony import CONFIRMING, Kind
from amijax.audit.verdicts import QuantityVerdict
from amijax.digit_stack import BestKnown


def best_known(verdict: QuantityVerdict, kind: Kind) -> BestKnown | None:
    """What the sharpest witness says that is not AMICI; None without one.

    AMICI at tight tolerances is no witness: it can be wrong in all its digits.

    Args:
        verdict: on llh or on a gradient entry.
        kind: which of both.
    """
    witnesses = [claim for claim in verdict.claims if claim.witness in CONFIRMING[kind]]
    if verdict.witness is None or not witnesses:
        return None
    best = min(witnesses, key=lambda claim: claim.uncertainty)
    return BestKnown(best.value, best.uncertainty, best.witness)
