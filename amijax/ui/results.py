"""The comparison on the page: figure, tables, downloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from amijax.audit.record import Audit
from amijax.comparison import CONVENTIONS, Comparison, Convention
from amijax.figures import gradient_figure
from amijax.html_tables import Column, Number, Row
from amijax.precisions import Precision
from amijax.problems import Problem, log_prior
from amijax.sharing.points import point_in_words
from amijax.ui import charts, digit_view, html_tables
from amijax.ui.summary import cell, duration

_SCROLLED_FROM = 26  # rows of the gradient table
_SCROLLED_HEIGHT = 760
_REL_DIFF = {
    "magnitude": "(amici − jax) / |amici|, 0 where both are 0",
    "notebook": "(amici − jax) / amici for llh and (amici − jax) / jax for the gradient, as in "
    "AMICI's notebook; 0 where both are 0",
}


def charts_of(
    comparisons: Mapping[Precision, Comparison],
    precision: Precision,
    order: Sequence[int],
    axis_on_top: bool,
) -> None:
    """Gradient bars and both precisions' relative differences, a row for each parameter."""
    figure = gradient_figure(comparisons, precision, order, axis_on_top=axis_on_top)
    st.plotly_chart(
        figure,
        key="gradient_chart",
        height=int(figure.layout.height),
        config={"displaylogo": False, "displayModeBar": False},
        alt="Gradient entries from AMICI and JAX, and their relative differences in float32 and "
        "float64",
    )


def prior(problem: Problem, comparison: Comparison) -> None:
    """The log-prior and its sum with llh, where the problem has objective priors."""
    value = log_prior(problem, comparison.theta)
    if value is not None:
        st.caption(
            f"Log-prior {value:.8g}; llh + log-prior {comparison.llh_amici + value:.8g}. "
            "The tables are about llh alone."
        )


def tables(
    problem: Problem,
    comparisons: Mapping[Precision, Comparison],
    precision: Precision,
    order: Sequence[int],
    audit: Audit | None = None,
) -> None:
    """One entry digit by digit, the llh and gradient tables of the notebook, and the downloads."""
    bar = st.container(horizontal=True, vertical_alignment="center")
    with bar:
        st.markdown("#### Values", width="content")
        convention = _choose_convention()
    comparisons = {name: c.in_convention(convention) for name, c in comparisons.items()}
    comparison = comparisons[precision]
    with bar:
        both = pd.concat([each.frame() for each in comparisons.values()])
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
        if not comparison.failure:
            charts.download(
                gradient_figure(comparisons, precision, order),
                "gradient_chart",
                "gradient from AMICI and JAX",
                (point_in_words(problem, comparison.theta), str(comparison.solver)),
            )
    if comparison.failure_amici is None:
        digit_view.choose(comparisons, audit)
    st.caption(
        f"JAX in {precision}. rel_diff is {_REL_DIFF[convention]}. theta: the parameter on its "
        "scale. The gradient is with respect to theta. Point at a number for all 17 digits of it; "
        "the CSV file has them, too."
    )
    _llh_table(comparison)
    _gradient_table(comparison, order)
    _timings(comparison)


def _choose_convention() -> Convention:
    notebook = st.toggle(
        "Notebook's rel_diff",
        key="notebook_convention",
        persist_state="session",
        help="AMICI's notebook “AMICI & JAX” divides llh's difference by AMICI's value and the "
        "gradient's by JAX's, both with their signs: entries below 0 have the other sign there. "
        "Off: divided by AMICI's value without its sign.",
    )
    return CONVENTIONS[1] if notebook else CONVENTIONS[0]


def _llh_table(comparison: Comparison) -> None:
    rel_diff = _REL_DIFF[comparison.convention]
    columns = [Column("amici", "AMICI alone"), Column("jax", _jax(comparison))]
    columns.append(Column("rel_diff", rel_diff))
    cells: list[Number | str] = [cell(comparison.llh_amici, 10, all_of_them=True)]
    if comparison.jax_was_run:
        cells += [
            cell(comparison.llh_jax, 10, all_of_them=True),
            _difference(comparison.llh_rel_diff),
        ]
    else:
        cells += ["not run", "—"]
    html_tables.draw("llh_table", "quantity", columns, [Row("llh", cells, "Log-likelihood")])


def _gradient_table(comparison: Comparison, order: Sequence[int]) -> None:
    columns = [
        Column("scale", "PEtab's parameterScale, on which the parameter is estimated"),
        Column("theta", "The parameter's value on that scale"),
        Column("linear", "The parameter's value as it enters the model"),
        Column("amici", "∂llh/∂theta from AMICI alone"),
        Column("jax", f"∂llh/∂theta from {_jax(comparison)}"),
        Column("rel_diff", _REL_DIFF[comparison.convention]),
    ]
    frame = comparison.gradient_frame()
    rows = []
    for i in order:
        row = frame.iloc[i]
        cells: list[Number | str] = [row["scale"]]
        cells += [cell(row[name], 8) for name in ("theta", "linear")]
        cells.append(cell(row["amici"], 8, all_of_them=True))
        if comparison.jax_was_run:
            cells += [
                cell(row["jax"], 8, all_of_them=True),
                _difference(row["rel_diff"]),
            ]
        else:
            cells += ["not run", "—"]
        name = comparison.parameter_names[i]
        rows.append(Row(comparison.parameter_ids[i], cells, name))
    tall = len(rows) >= _SCROLLED_FROM
    with st.container(height=_SCROLLED_HEIGHT if tall else "content", border=False):
        html_tables.draw("gradient_table", "parameter", columns, rows)


def _jax(comparison: Comparison) -> str:
    return f"AMICI inside JAX, in {comparison.precision}"


def _timings(comparison: Comparison) -> None:
    def wall_and_cpu(wall: float, cpu: float) -> str:
        return f"{duration(wall)} (simulation {duration(cpu)} CPU)" if wall else "not run"

    seconds = comparison.timings
    st.markdown("Time and solver")
    st.table(
        {
            "AMICI": wall_and_cpu(seconds.amici_wall, seconds.amici_cpu),
            "AMICI in JAX": wall_and_cpu(seconds.jax_wall, seconds.jax_cpu),
            "JAX's compilation": f"{duration(seconds.jax_compile)}, first call only",
            "Solver": str(comparison.solver),
        },
        border="horizontal",
    )


def _difference(value: float) -> Number:
    return Number(value, f"{value:.2e}")


def number(value: float, digits: int) -> str:
    """A number with some significant digits; a dash for what is none."""
    return f"{value:.{digits}g}" if np.isfinite(value) else "—"
