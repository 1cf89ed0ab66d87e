"""What witnesses other than AMICI say of the numbers on a page, found out in the background."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from amijax.audit import jax_export_process
from amijax.audit.audit import Entries
from amijax.audit.causes import TOLERANCE
from amijax.audit.jobs import AuditJob, latest_audit, start_audit, stored_audit
from amijax.audit.record import Audit
from amijax.audit.verdicts import QuantityVerdict
from amijax.comparison import Comparison
from amijax.figures import audit_figure
from amijax.sharing.points import point_in_words
from amijax.ui import charts, numbers
from amijax.ui.cancel import cancel_button
from amijax.ui.context import Context
from amijax.ui.evaluation import Result
from amijax.ui.markdown import plain
from amijax.ui.session import current

_ABANDON_AFTER = 10.0  # seconds without a page that asks
_DRAWN = 24  # entries at once


def line(result: Result, comparison: Comparison) -> None:
    """One line below the first page's numbers: whether they are confirmed, or what is wrong."""
    job = _started(result, comparison.theta, "auto")
    progress = job.progress()
    if progress.state == "failed":
        st.caption(f"The audit of these numbers broke off. {progress.error}")
    elif progress.audit is None:
        _watch(job)
    else:
        _say(progress.audit)


def finished(result: Result, comparison: Comparison) -> Audit | None:
    """The audit of these numbers, the one of all entries if there is one; None while it runs."""
    if comparison.failure:
        return None
    for entries in ("all", "auto"):
        job = latest_audit(result.settled.objective, comparison.theta, entries=entries)
        if job is not None and (audit := job.progress().audit) is not None:
            return audit
    return None


def _say(audit: Audit) -> None:
    """In one line, whatever the verdict, so that what is below stays where it is."""
    with st.container(key="audit_line", horizontal=True, vertical_alignment="center"):
        if audit.anything_wrong:
            st.markdown(f":red-background[:material/gpp_bad: {_wrong(audit)}]", width="content")
        elif audit.llh.verdict == "right" or any(e.verdict == "right" for e in audit.gradient):
            st.markdown(f":green[:material/verified: {plain(audit.summary)}]", width="content")
        else:
            st.markdown(f":orange[:material/help: {plain(audit.summary)}]", width="content")
        st.page_link("pages/audit.py", label="Entry by entry", icon=":material/fact_check:")


def _wrong(audit: Audit) -> str:
    causes = {audit.directions.cause, *(entry.cause for entry in audit.gradient)}
    lead = "**Agreement is not accuracy.** " if TOLERANCE in causes else ""
    return f"{lead}{plain(audit.summary)}"


def page(context: Context, result: Result) -> None:
    """The audit entry by entry, drawn."""
    theta = context.session.theta
    evaluation = result.settled.evaluation
    n = len(evaluation.theta)
    entries: Entries = "all" if _was_asked(result, theta) else "auto"
    job = _started(result, theta, entries)
    progress = job.progress()
    if progress.state == "failed":
        st.error(f"The audit broke off. {progress.error}")
        return
    if progress.state == "cancelled":
        st.info("The audit was cancelled.")
        st.button("Audit again", key="audit_again", on_click=lambda: _begin(result, theta, entries))
        return
    audit = progress.audit
    if audit is None:
        _watch(job)
        cancel_button(job, "cancel_audit")
        return
    _say_on_page(audit)
    open_entries = [e for e in audit.gradient if e.witness is None]
    if entries == "auto" and (open_entries or jax_export_process.is_installed()):
        st.button(
            f"Audit all {n} entries one by one" if open_entries else "Ask AMICI's JAX export, too",
            key="audit_all", type="primary" if open_entries else "secondary",
            on_click=lambda: _begin(result, theta, "all"),
            help="Differences of llh for every entry: some ten simulations each, on all cores; and "
            "AMICI's JAX export, where it is installed, which takes a minute or more.",
        )  # fmt: skip
    _table(audit)
    _figure(context, audit)
    _details(audit)


def _say_on_page(audit: Audit) -> None:
    if audit.anything_wrong:
        st.error(_wrong(audit), icon=":material/gpp_bad:")
    else:
        st.success(plain(audit.summary), icon=":material/verified:")
    counts = {
        v: sum(e.verdict == v for e in audit.gradient) for v in ("right", "wrong", "unproven")
    }
    with numbers.row("audit_figures"):
        numbers.figure(
            "llh", audit.llh.verdict, help=plain(f"{audit.llh.sentence} {audit.llh.cause}")
        )
        for verdict, number in counts.items():
            numbers.figure(f"entries {verdict}", number, help=_HELP[verdict])
        numbers.figure(
            "directions that agree",
            f"{audit.directions.agree} of {audit.directions.tried}",
            help="Random directions: the gradient as a whole against differences of llh that move "
            "all parameters at once",
        )


_HELP = {
    "right": "A witness that is not AMICI's own sensitivities confirms at least two digits",
    "wrong": "A witness whose uncertainty is small enough contradicts by more than 1 %",
    "unproven": "No witness is sharp enough, or none was asked",
}
_ORDER = {"wrong": 0, "unproven": 1, "right": 2}


def _table(audit: Audit) -> None:
    quantities = [audit.llh, *audit.gradient]
    consistent = [np.nan, *audit.digits_self_consistent]
    frame = pd.DataFrame(
        {
            "verdict": [e.verdict for e in quantities],
            "AMICI": [e.value for e in quantities],
            "witness says": [e.witness_value for e in quantities],
            "±": [e.uncertainty for e in quantities],
            "digits": [e.digits for e in quantities],
            "consistent": consistent,
            "witness": [e.witness for e in quantities],
            "in words": [f"{e.sentence} {e.cause}".strip() for e in quantities],
        },
        index=pd.Index([e.quantity for e in quantities], name="quantity"),
    )
    numbers.grid(
        "audit_table", frame,
        {
            "AMICI": "%.10g", "witness says": "%.10g", "±": "%.1e", "digits": "%.1f",
            "consistent": "%.1f",
        },
        alt="Verdict on llh and every gradient entry", help=_COLUMN_HELP,
        texts={"in words": 480},
    )  # fmt: skip


_COLUMN_HELP = {
    "AMICI": "Log-likelihood, or gradient with respect to theta",
    "witness says": "The sharpest witness that is not AMICI",
    "±": "The truth is within, in 95 of 100 cases",
    "digits": "Confirmed by the witness",
    "consistent": "In which AMICI agrees with itself at tight tolerances: no proof",
}


def _figure(context: Context, audit: Audit) -> None:
    known = [e for e in audit.gradient if e.claims]
    if not known:
        return
    chosen = sorted(known, key=lambda e: _ORDER[e.verdict])
    if len(chosen) > _DRAWN:
        names = [e.quantity for e in chosen]
        picked = st.multiselect(
            "Entries", names, default=names[:_DRAWN], key="audit_entries",
            help="Wrong ones first, then those unproven",
        )  # fmt: skip
        chosen = [e for e in chosen if e.quantity in set(picked)]
    if chosen:
        shown: list[QuantityVerdict] = ([audit.llh] if audit.llh.claims else []) + chosen
        charts.draw(
            audit_figure(shown), "audit_chart",
            "AMICI's value and each witness with its uncertainty, an axis for each quantity",
            (point_in_words(context.problem, audit.theta), str(audit.solver)),
        )  # fmt: skip


def _details(audit: Audit) -> None:
    for refusal in audit.refusals:
        st.caption(f"Not heard: {refusal}")
    st.caption(
        f"The audit took {audit.seconds:.1f} s; one gradient takes "
        f"{audit.gradient_seconds * 1e3:.0f} ms. Finite differences: central, extrapolated, of llh "
        "at tight tolerances without sensitivities; their uncertainty holds in 95 of 100 cases. "
        "libRoadRunner simulates the SBML file itself, and PEtab's own functions make llh of it. "
        "AMICI's JAX export is asked with all entries: other code, integrated by diffrax, with "
        "automatic differentiation."
    )


def _started(result: Result, theta: np.ndarray, entries: Entries) -> AuditJob:
    objective = result.settled.objective
    job = latest_audit(objective, theta, entries=entries)
    if job is None or job.is_abandoned:
        job = _start(result, theta, entries)
    return job


def _start(result: Result, theta: np.ndarray, entries: Entries) -> AuditJob:
    return start_audit(
        result.settled.objective, theta, entries=entries, evaluation=result.settled.evaluation,
        abandon_after=_ABANDON_AFTER if entries == "auto" else None, owner=current().owner,
    )  # fmt: skip


def _begin(result: Result, theta: np.ndarray, entries: Entries) -> None:
    _start(result, theta, entries)


def _was_asked(result: Result, theta: np.ndarray) -> bool:
    """Whether all entries were asked for, in this process or before."""
    objective = result.settled.objective
    if latest_audit(objective, theta, entries="all") is not None:
        return True
    return stored_audit(objective, theta, "all") is not None


@st.fragment(run_every=1.0)
def _watch(job: AuditJob) -> None:
    if job.progress().is_over:
        st.rerun()
    st.caption(
        ":material/hourglass_empty: Auditing these numbers in the background, by witnesses other "
        "than AMICI …"
    )
