"""A failed simulation on the page: what happened, what is behind it, and buttons that mend it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from amijax.comparison import Comparison
from amijax.diagnosis import Diagnosis, Remedy, suggest
from amijax.simulation.settings import SolverChoice
from amijax.ui import numbers
from amijax.ui.context import Context
from amijax.ui.evaluation import Result
from amijax.ui.solver_settings import apply_choice


def settings_used(result: Result) -> None:
    """Which solver settings produced the result, where auto had to leave AMICI's defaults."""
    failed = result.settled.attempts
    if not failed or result.settled.evaluation.failure:
        return
    st.info(
        f"Simulated with {result.settled.evaluation.solver}, since AMICI's default tolerances "
        f"failed: {failed[0].failure.message.split(' (AMICI')[0].lower()}. "  # type: ignore[union-attr]
        "A larger absolute tolerance makes gradients less accurate."
    )


def show(context: Context, result: Result, comparison: Comparison) -> None:
    """A failure in words, in the place of the charts."""
    failure = comparison.failure
    assert failure is not None
    side = "AMICI" if comparison.failure_amici else f"AMICI inside JAX ({comparison.precision})"
    where = [f"condition `{failure.condition}`"] if failure.condition else []
    if failure.kind == "input":
        where.append("before any simulation")
    if failure.time is not None:
        where.append(f"time {failure.time:g}")
    if failure.status is not None:
        where.append(f"status {failure.status} ({failure.status_name})")
    where.append(f"with {comparison.solver}")
    st.error(f"**{side} has no result.** {failure.message}.")
    sentence = ", ".join(where)
    st.markdown(f"{sentence[0].upper()}{sentence[1:]}.")
    st.markdown(f"**What to try:** {failure.remedy}")
    objective = result.settled.objective
    _remedies(context, suggest(objective, context.session.theta, failure))
    if result.diagnosis is not None:
        _details(result.diagnosis)


def _remedies(context: Context, remedies: tuple[Remedy, ...]) -> None:
    def carry_out(remedy: Remedy) -> None:
        if remedy.theta is not None:
            context.session.move_to(remedy.theta)
        if remedy.solver is not None:
            apply_choice(SolverChoice.of(remedy.solver))

    with st.container(horizontal=True):
        for i, remedy in enumerate(remedies):
            st.button(remedy.text, key=f"remedy_{i}", on_click=carry_out, args=(remedy,))


def _details(diagnosis: Diagnosis) -> None:
    for parameter in diagnosis.parameters:
        st.markdown(f"- `{parameter.parameter}` = {parameter.theta:.6g} {parameter.reason}.")
    if diagnosis.measurements:
        count = len(diagnosis.measurements)
        st.markdown(f"Measurements that make the log-likelihood not finite ({count}):")
        suspects = pd.DataFrame([vars(m) for m in diagnosis.measurements])
        numbers.grid(
            "suspect_measurements", suspects.set_index("observable"),
            dict.fromkeys(("time", "measurement", "simulation", "sigma"), "%.6g"),
            alt="Measurements whose share of the log-likelihood is not finite",
        )  # fmt: skip
    if diagnosis.conditions:
        worked = [c for c in diagnosis.conditions if c.failure is None]
        share = sum(c.llh for c in worked if np.isfinite(c.llh))
        shared = f"; their share of the log-likelihood is {share:.6g}" if worked else ""
        st.markdown(
            f"{len(worked)} of {len(diagnosis.conditions)} conditions could be simulated{shared}."
        )
        numbers.grid(
            "failed_conditions",
            pd.DataFrame(
                {
                    "llh": [c.llh for c in diagnosis.conditions],
                    "time reached": [c.failure and c.failure.time for c in diagnosis.conditions],
                    "status": [
                        "ok" if c.failure is None else c.failure.status_name
                        for c in diagnosis.conditions
                    ],
                },
                index=pd.Index([c.condition for c in diagnosis.conditions], name="condition"),
            ),
            {"llh": "%.6g", "time reached": "%.6g"},
            alt="Each condition's share of the log-likelihood, or where its simulation failed",
            rows=8,
        )
