"""Below the first page's figure: how accurate the gradient is that both sides agree on."""

from __future__ import annotations

import numpy as np
import streamlit as st

from amijax.comparison import Comparison
from amijax.precision import Accuracy, accuracy_of
from amijax.precision.jobs import StudyJob, latest_study, start_study
from amijax.ui.evaluation import Result

_ABANDON_AFTER = 10.0  # seconds without a page that asks


def show(result: Result, comparison: Comparison) -> None:
    """Compute a reference in the background; when it is there, say how far to trust agreement."""
    objective, theta = result.settled.objective, comparison.theta
    job = latest_study(objective, theta, pieces=("reference",))
    if job is None or job.state == "cancelled":
        job = start_study(
            objective, theta, pieces=("reference",), abandon_after=_ABANDON_AFTER, own_queue=True
        )
    progress = job.progress()
    if progress.state == "failed":
        st.caption(f"How accurate this gradient is could not be found out. {progress.error}")
        return
    if not progress.is_over:
        _watch(job)
        return
    if progress.study is None or progress.study.reference is None:
        return
    reference = progress.study.reference
    if not reference.values.is_finite:
        st.caption(
            "How accurate this gradient is could not be found out: no tighter tolerance works "
            "within reasonable time."
        )
        return
    accuracy = accuracy_of(comparison, reference)
    if accuracy.misleading:
        st.warning(_warning(accuracy, reference.solver.rtol), icon=":material/warning:")
    else:
        st.caption(_mention(accuracy, reference.solver.rtol))


def _warning(accuracy: Accuracy, rtol: float) -> str:
    n, wrong = len(accuracy.parameter_ids), len(accuracy.misleading)
    positions = [accuracy.parameter_ids.index(name) for name in accuracy.misleading]
    least = positions[int(np.argmin(accuracy.digits_accuracy[positions]))]
    agreed = float(accuracy.digits_agreement[positions].min())
    entries = "entry has" if wrong == 1 else "entries have"
    return (
        f"**Agreement is not accuracy.** {wrong} of {n} gradient {entries} fewer than 2 digits "
        f"right, although AMICI and JAX agree in {agreed:.1f}: the weakest is "
        f"`{accuracy.parameter_ids[least]}` with {accuracy.digits_accuracy[least]:.1f}. The "
        f"solver's tolerance is to blame (reference: rtol {rtol:g}"
        + ("" if accuracy.converged else ", not fully converged")
        + "): a smaller rtol, in the sidebar, mends it. The page *Precision* shows why."
    )


def _mention(accuracy: Accuracy, rtol: float) -> str:
    least = int(np.argmin(accuracy.digits_accuracy))
    return (
        f"AMICI's gradient against rtol {rtol:g}: {np.median(accuracy.digits_accuracy):.1f} digits "
        f"right in the median entry, {accuracy.digits_accuracy[least]:.1f} in the weakest, "
        f"`{accuracy.parameter_ids[least]}`. The page *Precision* says why."
    )


@st.fragment(run_every=1.0)
def _watch(job: StudyJob) -> None:
    if job.progress().is_over:
        st.rerun()
    st.caption(":material/hourglass_empty: Finding out in the background how accurate this is …")
