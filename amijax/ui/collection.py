"""The table of all problems, and checking them in the background."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pandas as pd
import streamlit as st

from amijax.checks.check import CheckResult, known_results
from amijax.checks.run import CheckRun, latest_checks, start_checks
from amijax.models.lookup import find_model
from amijax.problems import ProblemError, ProblemInfo, list_problems, load_problem
from amijax.ui.picker import link_to

_STATUS = {
    "ok": "✓ ok",
    "differs": "≠ differs",
    "failed": "✗ failed",
    "unavailable": "not here",
    None: "not checked",
}


def show() -> None:
    """Draw filter, table, and what can be done with the chosen rows."""
    st.markdown("#### Problems")
    st.markdown(
        "Those that come with amijax and the 35 of the PEtab benchmark collection. A check "
        "compiles a problem, evaluates it at its nominal parameters, and compares: llh with the "
        "value in AMICI's own benchmark tests, JAX with AMICI. Choose rows to open or check them."
    )
    infos = list_problems()
    results = known_results()
    compiled = _compile_seconds(tuple(info.problem_id for info in infos if info.is_here))
    table = problems_table(infos, results, compiled)
    left, right = st.columns([2, 3])
    text = left.text_input("Filter", key="filter", placeholder="part of a name, source or feature")
    states = right.pills(
        "Status", list(_STATUS.values()), selection_mode="multi", key="status_filter"
    )
    shown = filtered(table, text, states)
    event: Any = st.dataframe(
        shown, key="problems_table", on_select="rerun", selection_mode="multi-row",
        column_config=_columns(), height=min(len(shown), 18) * 35 + 38,
        placeholder="—", alt="All problems with features and results of the latest check",
    )  # fmt: skip
    chosen = tuple(shown.index[i] for i in event.selection.rows)
    _actions(infos, chosen)
    for name in chosen:
        if name in results and results[name].explanation:
            st.info(f"{name}: {results[name].explanation}")


@st.cache_data(ttl=30, show_spinner="Looking for compiled models")
def _compile_seconds(problem_ids: tuple[str, ...]) -> dict[str, float]:
    """What compiling took, for those whose models are in the cache and that can be opened."""
    found = {}
    for problem_id in problem_ids:
        with suppress(ProblemError):
            if (model := find_model(load_problem(problem_id))) is not None:
                found[problem_id] = model.seconds["total"]
    return found


def problems_table(
    infos: tuple[ProblemInfo, ...], results: dict[str, CheckResult], compiled: dict[str, float]
) -> pd.DataFrame:
    """One row for each problem: its features, and the latest check's results."""
    rows = []
    for info in infos:
        known, result = info.features, results.get(info.problem_id)
        rows.append(
            {
                "problem": info.problem_id,
                "status": _STATUS[result.status if result else None],
                "audit": result.verdict or "" if result else "",
                "llh": result and result.llh,
                "reference": known and known.reference_llh,
                "digits": result and result.reference_digits,
                "float64": result and result.rel_diff_float64,
                "float32": result and result.rel_diff_float32,
                "gradient ms": result and _milliseconds(result.gradient_seconds),
                "llh ms": result and _milliseconds(result.llh_seconds),
                "compile s": compiled.get(info.problem_id),
                "atol": result and result.solver and result.solver["atol"],
                "source": info.source,
                "states": known and known.species,
                "parameters": known and known.estimated_parameters,
                "measurements": known and known.measurements,
                "conditions": known and known.conditions,
                "preequilibration": known and known.preequilibration,
                "events": known and known.events,
                "noise": ", ".join(known.noise_distributions) if known else "",
                "priors": ", ".join(known.objective_priors) if known else "",
                "why": result.explanation if result else "",
                "witnesses": result.audit if result else "",
            }
        )
    return pd.DataFrame(rows).set_index("problem")


def filtered(table: pd.DataFrame, text: str, states: list[str]) -> pd.DataFrame:
    """The rows that contain a text in name, source, noise or priors, and have one of the states."""
    searched = table.reset_index()[["problem", "source", "noise", "priors"]]
    words = searched.astype(str).agg(" ".join, axis=1).str.lower()
    keep = words.str.contains(text.strip().lower(), regex=False).to_numpy()
    if states:
        keep &= table["status"].isin(states).to_numpy()
    return table[keep]


def _actions(infos: tuple[ProblemInfo, ...], chosen: tuple[str, ...]) -> None:
    here = tuple(info.problem_id for info in infos if info.is_here)
    with st.container(horizontal=True):
        if len(chosen) == 1:
            link_to(chosen[0])
        if chosen and st.button(f"Check the chosen ({len(chosen)})", key="check_chosen"):
            start_checks(chosen)
        if st.button(
            f"Check all that are here ({len(here)})", key="check_here",
            help="One after the other, in the background; it goes on when you leave the page.",
        ):  # fmt: skip
            start_checks(here)
    run = latest_checks()
    if run is not None and not run.progress().is_over:
        _watch(run, len(run.progress().done))
    elif run is not None:
        progress = run.progress()
        verb = "was cancelled after" if progress.state == "cancelled" else "took"
        st.caption(
            f"The latest run checked {len(progress.done)} and {verb} {progress.elapsed:.0f} s."
        )


@st.fragment(run_every=1.0)
def _watch(run: CheckRun, seen: int) -> None:
    progress = run.progress()
    if progress.is_over or len(progress.done) != seen:
        st.rerun()
    total = len(progress.done) + len(progress.waiting) + 1
    st.progress(
        len(progress.done) / total,
        f"Checking {progress.current}: {len(progress.done) + 1} of {total}, "
        f"{progress.elapsed:.0f} s so far",
    )
    st.button("Cancel", key="cancel_checks", icon=":material/cancel:", on_click=run.cancel)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "audit": st.column_config.TextColumn(
            help="Whether llh and the gradient as a whole are right, by witnesses other than AMICI"
        ),
        "llh": number(format="%.8g", help="Log-likelihood at nominal, from AMICI"),
        "reference": number(format="%.8g", help="As AMICI's own benchmark tests hold it"),
        "digits": number(format="%.1f", help="In which llh and reference agree"),
        "float64": number(format="%.1e", help="Largest |rel_diff| of llh and gradient"),
        "float32": number(format="%.1e", help="Largest |rel_diff| of llh and gradient"),
        "gradient ms": number(format="%.1f", help="Value and gradient, one core"),
        "llh ms": number(format="%.1f", help="Value alone, one core"),
        "compile s": number(format="%.1f", help="What compiling took; empty: not compiled yet"),
        "atol": number(format="%.0e", help="The absolute tolerance that auto found"),
    }
