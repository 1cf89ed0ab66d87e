"""The best known value of a number that was audited, for showing how far others are from it."""

from __future__ import annotations

from amijax.audit.testimony import CONFIRMING, Kind
from amijax.audit.verdicts import Claim, QuantityVerdict, confirmed_digits
from amijax.digit_stack import BestKnown


def best_known(verdict: QuantityVerdict, kind: Kind) -> BestKnown | None:
    """The value of the sharpest witness; None if there is none that is not AMICI.

    AMICI's own value at tight tolerances takes its place where that is sharper and no farther from
    it than both may be off: so far a witness vouches for it, and behind that it is known no better
    than AMICI agrees with itself.

    Args:
        verdict: on llh or on a gradient entry.
        kind: which of both.
    """
    witnesses = [claim for claim in verdict.claims if claim.witness in CONFIRMING[kind]]
    if verdict.witness is None or not witnesses:
        return None
    best = min(witnesses, key=lambda claim: claim.uncertainty)
    tight = next((c for c in verdict.claims if c.witness == "tight tolerances"), None)
    if (
        tight is None
        or tight.uncertainty >= best.uncertainty
        or abs(tight.value - best.value) > tight.uncertainty + best.uncertainty
    ):
        return BestKnown(best.value, best.uncertainty, best.witness)
    return BestKnown(
        tight.value, tight.uncertainty, f"AMICI at tight tolerances ({_vouched(best, tight)})"
    )


def _vouched(best: Claim, tight: Claim) -> str:
    digits = int(confirmed_digits(tight.value, best))
    return f"{best.witness}: {digits} digit{'s' * (digits != 1)} of it confirmed"
