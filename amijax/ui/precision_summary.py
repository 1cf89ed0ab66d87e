"""The precision page's first row: the verdicts at a glance."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from amijax.precision import Study
from amijax.precision.story import worst
from amijax.precision.verdicts import LIMITS
from amijax.precisions import Precision
from amijax.ui import numbers


def summary(study: Study, precision: Precision) -> None:
    """The verdicts at a glance, and a warning where agreement misleads."""
    entries = study.verdicts[1:]
    if not entries:
        return
    shown = (
        ("digits_agreement", "JAX agrees with AMICI", "In float64, in the weakest entry"),
        ("digits_float32", "float32 agrees with float64", "In the weakest entry"),
        (
            "digits_accuracy",
            "float64 is confirmed",
            "By witnesses other than AMICI, in the weakest entry that has one: see panel B",
        ),
    )
    counts = Counter(entry.limited_by for entry in entries)
    kind, number = counts.most_common(1)[0]
    known = study.reference is not None
    with numbers.row("precision_figures"):
        for name, label, explanation in shown:
            least = worst(entries, name)
            numbers.figure(
                label,
                "—" if least is None else f"{getattr(least, name):.1f} digits",
                note=None if least is None else least.quantity,
                help=explanation,
            )
        numbers.figure(
            "Mostly limited by",
            LIMITS[kind] if known else "—",
            note=f"{number} of {len(entries)} gradient entries" if known else "needs the reference",
            help="What costs float32 most of its digits, or even float64: see panel B",
        )
    far = [entry for entry in entries if entry.is_far_from_accurate]
    if far:
        least = worst(far, "digits_right")
        assert least is not None
        st.warning(
            f"**Agreement is not accuracy.** AMICI and float64 JAX agree in "
            f"{least.digits_agreement:.1f} digits on `{least.quantity}`: {least.float64:.4g}. "
            + (
                f"{least.audit} "
                if least.limited_by == "amici"
                else f"At tight tolerances it is {least.reference:.4g}: x64 does not help, a "
                "smaller rtol does. "
            )
            + f"So it is for {len(far)} of {len(entries)} entries.",
            icon=":material/warning:",
        )
    elif precision == "float32" and study.budget and study.budget.failed_stage is not None:
        st.warning("float32 has no result at this point: see the error budget.")
