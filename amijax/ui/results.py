"""The comparison on the page: metrics, figure, tables, downloads, failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from amijax.comparison import Comparison
from amijax.figures import gradient_figure
from amijax.precisions import Precision
from amijax.problems import Problem, log_prior
from amijax.ui.charts import draw


def metrics(comparison: Comparison) -> None:
    """One row of what matters."""
    columns = st.columns([1.2, 1.2, 1, 1.3, 1])
    columns[0].metric("llh, AMICI", number(comparison.llh_amici, 9), help="Log-likelihood")
    columns[1].metric(f"llh, JAX {comparison.precision}", number(comparison.llh_jax, 9))
    columns[2].metric(
        "rel_diff of llh", _relative(comparison.llh_rel_diff), help="(amici − jax) / |amici|"
    )
    worst = comparison.worst
    nothing = "—" if comparison.failure else "all exact"
    columns[3].metric(
        "worst gradient entry",
        nothing if worst is None else _relative(comparison.gradient_rel_diff[worst]),
        help="The gradient entry with the largest |rel_diff|",
        delta=None if worst is None else comparison.parameter_ids[worst],
        delta_color="off",
        delta_arrow="off",
    )
    columns[4].metric(
        "time, AMICI in JAX",
        _duration(comparison.timings.jax_wall),
        help="Value and gradient, one simulation, without JAX's compilation",
    )


def charts(comparisons: Mapping[Precision, Comparison], precision: Precision) -> None:
    """Gradient bars and relative differences, scrollable where there are many parameters."""
    draw(
        gradient_figure(comparisons, precision),
        "gradient_chart",
        "Gradient entries from AMICI and JAX, and their relative differences",
    )


def prior(problem: Problem, comparison: Comparison) -> None:
    """The log-prior and its sum with llh, where the problem has objective priors."""
    value = log_prior(problem, comparison.theta)
    if value is not None:
        st.caption(
            f"Log-prior {value:.8g}; llh + log-prior {comparison.llh_amici + value:.8g}. "
            "The tables are about llh alone."
        )


def tables(comparisons: Mapping[Precision, Comparison], precision: Precision) -> None:
    """The llh and gradient tables of the notebook, full digits on demand, and the download."""
    comparison = comparisons[precision]
    both = pd.concat([each.frame() for each in comparisons.values()])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("#### Values")
        full = st.toggle("Full digits", key="full_digits", help="All 17 significant digits")
        st.download_button(
            "CSV",
            both.to_csv(index=False),
            key="download",
            file_name=f"{comparison.problem_id}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Both tables in both precisions, with parameters, solver settings, durations; all "
            "digits",
        )
    llh, gradient = st.columns([1, 2])
    with llh:
        st.markdown("Log-likelihood")
        _grid(comparison.llh_frame(), "llh_table", full, "Log-likelihood from AMICI and JAX")
        _timings(comparison)
    with gradient:
        st.markdown("Gradient with respect to the parameters on their scales")
        _grid(comparison.gradient_frame(), "gradient_table", full, "Gradient from AMICI and JAX")


def _grid(table: pd.DataFrame, key: str, full: bool, alt: str) -> None:
    with st.container(key=key):
        st.dataframe(
            _readable(table, full),
            column_config=_columns(full),
            height=min(len(table), 16) * 35 + 38,
            placeholder="—",
            alt=alt,
        )


def _timings(comparison: Comparison) -> None:
    def wall_and_cpu(wall: float, cpu: float) -> str:
        return f"{_duration(wall)} (simulation {_duration(cpu)} CPU)" if wall else "not run"

    seconds = comparison.timings
    st.markdown("Time and solver")
    st.table(
        {
            "AMICI": wall_and_cpu(seconds.amici_wall, seconds.amici_cpu),
            "AMICI in JAX": wall_and_cpu(seconds.jax_wall, seconds.jax_cpu),
            "JAX's compilation": f"{_duration(seconds.jax_compile)}, first call only",
            "Solver": str(comparison.solver),
        },
        border="horizontal",
    )


_NUMERIC = ("amici", "jax", "rel_diff", "theta", "linear")


def _readable(table: pd.DataFrame, full: bool) -> pd.DataFrame:
    """Numbers as text with all digits, where they are wanted: the grid itself rounds."""
    if not full:
        return table
    return table.assign(
        **{c: [f"{v:.17g}" for v in table[c]] for c in _NUMERIC if c in table.columns}
    )


def _columns(full: bool) -> dict[str, Any]:
    if full:
        return {name: st.column_config.TextColumn(name, alignment="right") for name in _NUMERIC}
    formats = {"rel_diff": "%.2e"}
    return {
        name: st.column_config.NumberColumn(name, format=formats.get(name, "%.6g"))
        for name in _NUMERIC
    }


def number(value: float, digits: int) -> str:
    """A number with some significant digits; a dash for what is none."""
    return f"{value:.{digits}g}" if np.isfinite(value) else "—"


def _duration(seconds: float) -> str:
    if seconds == 0:
        return "not run"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _relative(value: float) -> str:
    if not np.isfinite(value):
        return "—" if np.isnan(value) else "∞"
    return "0 (exact)" if value == 0 else f"{value:.1e}"
