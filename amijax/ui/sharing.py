"""What can be taken away from the what-if page: tables, figures, the state, a script."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from amijax.cluster.errors import ClusterError
from amijax.comparison import compare_precisions
from amijax.problems import ProblemError
from amijax.sharing.exports import parameter_table, state_as_json
from amijax.sharing.script import script
from amijax.ui.context import Context
from amijax.ui.whatif import WhatIf
from amijax.whatif.prediction import predict_step


def show(context: Context, whatif: WhatIf) -> None:
    """Download buttons; each file is made when it is asked for."""
    problem, theta = context.problem, whatif.theta
    name = problem.problem_id
    st.markdown(
        "The state as files. A link to it is in the sidebar; figures and snapshots have buttons of "
        "their own."
    )
    evaluation = whatif.baseline.evaluation

    def as_script() -> str:
        return script(problem, theta, evaluation.solver, context.precision)

    def everything() -> str:
        comparisons = compare_precisions(whatif.objective, theta)
        return state_as_json(comparisons, extra={"baseline": evaluation.theta.tolist()})

    def table() -> str:
        return parameter_table(problem, theta)

    _row(
        "Python script",
        "A program with AMICI, JAX and NumPy that prints the same llh and gradient.",
        f"{name}.py", "text/x-python", "export_script", as_script,
    )  # fmt: skip
    _row(
        "PEtab parameter table",
        "The problem's own table with the current values as nominal ones.",
        f"parameters_{name}.tsv", "text/tab-separated-values", "export_parameters", table,
    )  # fmt: skip
    _row(
        "Everything as JSON",
        "Theta, llh and gradients of AMICI and JAX in both precisions, settings, versions.",
        f"{name}.json", "application/json", "export_json", everything,
    )  # fmt: skip
    _row(
        "Time courses",
        "All observables in all conditions, densely, with their noise scales, as CSV.",
        f"{name}_trajectories.csv", "text/csv", "export_courses",
        lambda: whatif.simulator.simulate(theta).frame().to_csv(index=False),
    )  # fmt: skip
    _row(
        "Measurements",
        "Beside their simulation, with residuals and shares of llh, as CSV.",
        f"{name}_residuals.csv", "text/csv", "export_points",
        lambda: whatif.simulator.simulate(theta).points.frame().to_csv(),
    )  # fmt: skip
    if (theta != evaluation.theta).any():
        _row(
            "Step from the baseline",
            "Prediction against fact along the step, as CSV.",
            f"{name}_step.csv", "text/csv", "export_step",
            lambda: predict_step(whatif.objective, evaluation, theta).line().to_csv(index=False),
        )  # fmt: skip


def _row(
    label: str, what: str, file_name: str, mime: str, key: str, make: Callable[[], str]
) -> None:
    def made() -> str:
        try:
            return make()
        except (ClusterError, ProblemError, ValueError) as error:
            return f"This file could not be made. {error}\n"

    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            label, made, file_name=file_name, mime=mime, key=key, on_click="ignore",
            icon=":material/download:",
        )  # fmt: skip
        st.caption(what)
