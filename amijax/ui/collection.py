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
from amijax.ui import numbers
from amijax.ui.cancel import cancel_button
from amijax.ui.picker import link_to

_STATUS = {
    "ok": "✓ ok",
    "differs": "≠ differs",
    "failed": "✗ failed",
    "unavailable": "not here",
    None: "not checked",
}
# A window that is too narrow for the columns up to float32 has words alone in the grid: a column
# that ends at the window's edge shows a part of its numbers. Words follow those columns.
_WIDE_PIXELS = 880
_WIDE_OR_NARROW = f"""<style>
.st-key-problems_table {{ container-type: inline-size; }}
@container (min-width: {_WIDE_PIXELS}px) {{ .st-key-problems_table_narrow {{ display: none; }} }}
@container (max-width: {_WIDE_PIXELS - 0.02}px) {{
  .st-key-problems_table_wide {{ display: none; }} }}
</style>"""
_WORDS = ("status", "audit", "source", "noise", "priors", "features", "why", "witnesses")
_FORMATS = {
    "llh": "%.8g", "reference": "%.8g", "digits": "%.1f", "float64": "%.1e", "float32": "%.1e",
    "gradient ms": "%.1f", "llh ms": "%.1f", "compile s": "%.1f", "atol": "%.0e",
    "states": "%d", "parameters": "%d", "measurements": "%d", "conditions": "%d",
    "preequilibration": "%d", "events": "%d",
}  # fmt: skip


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
    text = left.text_input(
        "Filter",
        key="filter",
        persist_state="session",
        placeholder="part of a name, source or feature",
        help="Features: events, preequilibration, postequilibration, steady state, "
        "discontinuities, priors and their types, and noise, such as laplace or log10-normal.",
    )
    states = right.pills(
        "Status",
        list(_STATUS.values()),
        selection_mode="multi",
        key="status_filter",
        wrap=True,
        persist_state="session",
    )
    shown = filtered(table, text, states)
    chosen = _choose(shown)
    _actions(infos, chosen)
    for name in chosen:
        if name in results and results[name].explanation:
            st.info(f"{name}: {results[name].explanation}")


def _choose(shown: pd.DataFrame) -> tuple[str, ...]:
    """Draw the table; return the problems of the chosen rows.

    Rows are chosen by their place, so another filter's table is another widget, which starts with
    those that were chosen before. What a filter hides stays chosen for when it is shown again.
    """
    kept: set[str] = st.session_state.setdefault("amijax_chosen_problems", set())
    names = list(shown.index)
    with st.container(key="problems_table"):
        st.html(_WIDE_OR_NARROW)
        with st.container(key="problems_table_wide"):
            _grid("wide", shown, kept)
        with st.container(key="problems_table_narrow"):
            _grid("narrow", shown[list(_WORDS)], kept)
            numbers_of = [name for name in names if name in kept]
            if numbers_of:
                numbers.grid(
                    "chosen_problems", shown.loc[numbers_of, list(_FORMATS)], _FORMATS,
                    alt="Results and features of the chosen problems",
                )  # fmt: skip
            else:
                st.caption("Choose rows to see their numbers.")
    return tuple(name for name in names if name in kept)


def _grid(kind: str, shown: pd.DataFrame, kept: set[str]) -> None:
    """Draw one of the two grids; the other one starts anew with what is chosen in this one."""
    names = list(shown.index)
    rows = [i for i, name in enumerate(names) if name in kept]
    versions: dict[str, int] = st.session_state.setdefault("amijax_problem_grids", {})
    seen: dict[str, list[int]] = st.session_state.setdefault("amijax_problem_rows", {})
    key = f"problems_{kind}_{versions.get(kind, 0)}_{hash(tuple(names))}"
    event: Any = st.dataframe(
        shown, key=key, on_select="rerun",
        selection_mode="multi-row", selection_default={"selection": {"rows": rows}},
        column_config=_columns(), height=min(len(shown), 18) * 35 + 38,
        placeholder="—", alt="All problems with features and results of the latest check",
    )  # fmt: skip
    now = [i for i in event.selection.rows if i < len(names)]
    if now != seen.get(key, rows):
        kept.difference_update(names)
        kept.update(names[i] for i in now)
        other = "narrow" if kind == "wide" else "wide"
        versions[other] = versions.get(other, 0) + 1
    seen[key] = now


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
                "audit": result and result.verdict,
                "llh": result and result.llh,
                "reference": known and known.reference_llh,
                "digits": result and result.reference_digits,
                "float64": result and result.rel_diff_float64,
                "float32": result and result.rel_diff_float32,
                "source": info.source,
                "features": ", ".join(known.keywords) if known else "",
                "noise": ", ".join(known.noise_distributions) if known else "",
                "priors": ", ".join(known.objective_priors) if known else "",
                "why": result.explanation if result else "",
                "witnesses": result.audit if result else "",
                "gradient ms": result and _milliseconds(result.gradient_seconds),
                "llh ms": result and _milliseconds(result.llh_seconds),
                "compile s": compiled.get(info.problem_id),
                "atol": result and result.solver and result.solver["atol"],
                "states": known and known.species,
                "parameters": known and known.estimated_parameters,
                "measurements": known and known.measurements,
                "conditions": known and known.conditions,
                "preequilibration": known and known.preequilibration,
                "events": known and known.events,
            }
        )
    table = pd.DataFrame(rows).set_index("problem")
    # Of one type even if all are empty: a column that changes its type is drawn anew.
    return table.astype(dict.fromkeys(_FORMATS, float))


def filtered(table: pd.DataFrame, text: str, states: list[str]) -> pd.DataFrame:
    """The rows that contain a text in name, source or features, and have one of the states."""
    searched = table.reset_index()[["problem", "source", "features"]]
    words = searched.astype(str).agg(" ".join, axis=1).str.lower()
    has_text = words.str.contains(text.strip().lower(), regex=False).to_numpy()
    has_state = table["status"].isin(states or list(_STATUS.values())).to_numpy()
    return table[has_text & has_state]


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
    cancel_button(run, "cancel_checks")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _columns() -> dict[str, Any]:
    """Formats and widths: a table whose widths follow its content jumps when a check ends."""
    text = st.column_config.TextColumn

    def number(name: str, width: int, help: str | None = None) -> Any:
        return st.column_config.NumberColumn(width=width, format=_FORMATS[name], help=help)

    return {
        "problem": text(width=230, pinned=True),
        "status": text(width=100, help="Of the latest check"),
        "audit": text(
            width=80,
            help="Whether llh and the gradient as a whole are right, wrong or unproven, by "
            "witnesses other than AMICI; the column witnesses has the sentence",
        ),
        "llh": number("llh", width=100, help="Log-likelihood at nominal, from AMICI"),
        "reference": number("reference", width=100, help="As AMICI's benchmark tests hold it"),
        "digits": number("digits", width=60, help="In which llh and reference agree"),
        "float64": number("float64", width=75, help="Largest |rel_diff| of llh and gradient"),
        "float32": number("float32", width=75, help="Largest |rel_diff| of llh and gradient"),
        "gradient ms": number("gradient ms", width=90, help="Value and gradient, one core"),
        "llh ms": number("llh ms", width=75, help="Value alone, one core"),
        "compile s": number(
            "compile s", width=80, help="What compiling took; empty: not compiled yet"
        ),
        "atol": number("atol", width=65, help="The absolute tolerance that auto found"),
        "source": text(width=120),
        "states": number("states", width=70),
        "parameters": number("parameters", width=85, help="Estimated ones"),
        "measurements": number("measurements", width=105),
        "conditions": number("conditions", width=85),
        "preequilibration": number(
            "preequilibration", width=115, help="Simulations that begin at a steady state"
        ),
        "events": number("events", width=65),
        "noise": text(width=150),
        "priors": text(width=180, help="Objective priors"),
        "features": text(width=220, help="What the filter searches"),
        "why": text(width=300, help="Of a check that did not end well"),
        "witnesses": text(width=400, help="The audit in a sentence"),
    }
