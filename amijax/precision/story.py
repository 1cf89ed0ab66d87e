"""The whole story of a study in words, with its own numbers, and its sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from amijax.precision.budget import STAGES
from amijax.precision.study import Study
from amijax.precision.verdicts import LIMITS, QuantityPrecision, in_words

SOURCES: tuple[tuple[str, str], ...] = (
    (
        "D. Sohier, P. de Oliveira Castro, F. Févotte, B. Lathuilière, E. Petit, O. Jamond: "
        "Confidence Intervals for Stochastic Arithmetic. ACM Trans. Math. Softw. 47 (2021)",
        "https://doi.org/10.1145/3432184",
    ),
    (
        "N. J. Higham: Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM (2002): "
        "rounding, condition numbers, forward and backward error",
        "https://doi.org/10.1137/1.9780898718027",
    ),
    (
        "A. C. Hindmarsh et al.: SUNDIALS. ACM Trans. Math. Softw. 31 (2005): tolerances and "
        "error control of CVODES",
        "https://doi.org/10.1145/1089014.1089020",
    ),
    (
        "F. Fröhlich et al.: AMICI: high-performance sensitivity analysis for large ordinary "
        "differential equation models. Bioinformatics 37 (2021)",
        "https://doi.org/10.1093/bioinformatics/btab227",
    ),
    (
        "IEEE Standard for Floating-Point Arithmetic, IEEE 754-2019",
        "https://doi.org/10.1109/IEEESTD.2019.8766229",
    ),
)


def story(study: Study) -> tuple[str, ...]:
    """Paragraphs that tell what a study found; as many as there are pieces to tell about."""
    tell = (_float32, _truth, _witnesses, _bits, _tolerances, _curvature)
    return tuple(text for part in tell if (text := part(study)))


def worst(entries: Iterable[QuantityPrecision], name: str) -> QuantityPrecision | None:
    """The entry with the least of some digits; None if none of them is known."""
    known = [entry for entry in entries if np.isfinite(getattr(entry, name))]
    return min(known, key=lambda entry: float(getattr(entry, name)), default=None)


def _float32(study: Study) -> str:
    if study.budget is None:
        return ""
    budget, entries = study.budget, study.verdicts[1:]
    if budget.failed_stage is not None:
        return (
            f"**float32 has no result here.** It is lost at the stage “"
            f"{STAGES[budget.failed_stage]}”: the point that float32 arithmetic leads to can't be "
            "simulated, or its result does not fit into float32."
        )
    least = worst(entries, "digits_float32")
    if least is None:
        return ""
    sizes = np.abs(budget.errors()[:, 1:])
    typical = [float(np.median(row[np.isfinite(row)])) for row in sizes]
    return (
        f"**float32.** Going from float64 to float32 leaves {least.digits_float32:.1f} digits of "
        f"`{least.quantity}`, the gradient's weakest entry. In the median, rounding theta moves "
        f"an entry by {in_words(typical[0])} and the transformation by {in_words(typical[1])}; "
        f"rounding AMICI's result moves it by {in_words(typical[2])} and the chain rule by "
        f"{in_words(typical[3])} (24 bits allow 6e-08). AMICI itself never leaves "
        "float64: it simulates another point."
    )


def _truth(study: Study) -> str:
    reference, entries = study.reference, study.verdicts[1:]
    if reference is None or not entries:
        return ""
    if not reference.values.is_finite:
        return (
            "**No reference.** No tolerance tighter than the current one works within reasonable "
            "time, so nobody knows how many digits are right; the noise is all there is to go by."
        )
    least = worst(entries, "digits_self_consistent")
    if least is None:
        return ""
    agreed = worst(entries, "digits_agreement")
    counts = Counter(entry.limited_by for entry in entries)
    limits = ", ".join(f"{LIMITS[kind]} ({n})" for kind, n in counts.most_common())
    agreement = (
        f"AMICI alone and AMICI inside JAX agree in at least {agreed.digits_agreement:.1f} digits "
        "in float64. "
        if agreed is not None
        else ""
    )
    trust = (
        "It has converged"
        if reference.converged
        else "**It has not converged**, so its own digits limit what can be said"
    )
    return (
        f"**Agreement is not accuracy.** {agreement}Against AMICI itself at rtol "
        f"{reference.solver.rtol:g} and "
        f"atol {reference.solver.atol:g}, the float64 gradient at {study.solver} has "
        f"{least.digits_self_consistent:.1f} self-consistent digits in its weakest entry, "
        f"`{least.quantity}` "
        f"({least.float64:.4g}; the reference says {least.reference:.4g}). {trust}: at 10 times "
        f"the tolerances it keeps {np.fmin.reduce(reference.digits[1:]):.1f} digits or more. "
        f"What limits the {len(entries)} entries in float32: {limits}."
    )


def _witnesses(study: Study) -> str:
    """What is confirmed by somebody else: AMICI may agree with itself and be wrong."""
    if study.audit is None or not study.verdicts:
        return ""
    counts = Counter(entry.verdict for entry in study.verdicts[1:])
    found = ", ".join(f"{counts[kind]} {kind}" for kind in ("right", "wrong", "unproven"))
    least = worst([e for e in study.verdicts[1:] if e.verdict == "right"], "digits_accuracy")
    confirmed = (
        f" The weakest of the right ones, `{least.quantity}`, has "
        f"{least.digits_accuracy:.1f} confirmed digits."
        if least is not None
        else ""
    )
    wrong = next((entry for entry in study.verdicts if entry.verdict == "wrong"), None)
    contradicted = f" `{wrong.quantity}`: {wrong.audit}" if wrong is not None else ""
    return (
        f"**Tight is not right.** AMICI at tight tolerances is still AMICI. Witnesses that are "
        f"not call the {len(study.verdicts) - 1} gradient entries: {found}. llh: "
        f"{study.verdicts[0].audit}{confirmed}{contradicted}"
    )


def _bits(study: Study) -> str:
    if study.bits is None:
        return ""
    bits = study.bits
    medians = np.array([_median(row[1:]) for row in bits.errors])
    useful = bits.mantissa_bits[np.isfinite(medians) & (medians > 1e-2)]
    lowest = bits.mantissa_bits[np.isfinite(medians)]
    if not lowest.size:
        return "**Bits.** Not one number of mantissa bits gives a result."
    text = (
        f"From {useful.max()} mantissa bits downwards more than half of the entries are off by "
        "over a percent. "
        if useful.size
        else f"Even {lowest.min()} mantissa bits leave half of the entries right to a percent. "
    )
    lost = [
        f"{form.name} can't hold {_some(names)}"
        for form, names in zip(bits.formats, bits.out_of_range, strict=True)
        if names
    ]
    return f"**Bits.** {text}" + (f"On linear scale {'; '.join(lost)}." if lost else "")


def _tolerances(study: Study) -> str:
    if study.tolerances is None:
        return ""
    return f"**Tolerance.** By the median error: {study.tolerances.advice('median')}"


def _curvature(study: Study) -> str:
    if study.curvature is None:
        return ""
    curvature = study.curvature
    fits = sum(outcome == "predicted" for outcome in curvature.outcomes)
    misses = Counter(outcome for outcome in curvature.outcomes if outcome != "predicted")
    why = ", ".join(f"{_MISSES[kind]} ({n})" for kind, n in misses.items())
    top = int(np.nanargmax(curvature.condition)) if np.isfinite(curvature.condition).any() else 0
    return (
        f"**Curvature.** The Hessian ({curvature.method}, which misses the measured change of the "
        f"gradient by {curvature.misses[curvature.method]:.0e}) times the rounding of theta "
        f"predicts {fits} of {len(curvature.outcomes)} float32 errors within a factor of two"
        + (f"; what rules the others: {why}" if why else "")
        + f". The condition number is {curvature.condition[top]:.0e} for "
        f"`{study.parameter_ids[top]}`: times 2⁻²⁴ that bounds its float32 error by "
        f"{curvature.condition[top] * 2.0**-24:.0e}, to first order."
    )


_MISSES = {
    "noise floor": "the solver's noise",
    "result": "rounding of the result",
    "higher order": "higher derivatives",
}


def _median(values: np.ndarray) -> float:
    finite = values[~np.isnan(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
