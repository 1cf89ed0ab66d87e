"""The bits of one parameter of the session's point; flipping one moves the point."""

from __future__ import annotations

import numpy as np
import streamlit as st

from amijax.bit_patterns import float32_rounding
from amijax.problems import Problem
from amijax.ui.bit_view import bit_view
from amijax.ui.context import Context
from amijax.ui.markdown import plain
from amijax.ui.session import start_at


def draw(context: Context, *, key: str, first: str | None = None) -> None:
    """Let a parameter be chosen, draw its bits, and move the session's point with them.

    Args:
        context: the page's; its session is moved, and the script run again.
        key: of the widgets.
        first: the parameter that is chosen first; by default the table's first.
    """
    session, problem = context.session, context.problem
    ids = list(problem.parameter_ids)
    chosen = f"{key}_parameter_{session.name}"
    start_at(chosen, first if first in ids else ids[0])  # stays, whatever comes first later
    name = st.selectbox("Parameter", ids, key=chosen, width=320)
    i = ids.index(name)
    theta = float(session.theta[i])
    moved = bit_view(
        theta,
        key=f"{key}_{session.name}_{name}",
        lower=float(problem.lower_theta[i]),
        upper=float(problem.upper_theta[i]),
    )
    st.caption(plain(what_it_does(problem, i, theta)))
    if moved != theta:
        point = np.array(session.theta)
        point[i] = moved
        session.move_to(point)
        st.rerun()


def what_it_does(problem: Problem, position: int, theta: float) -> str:
    """What a parameter is at a value, in words: its scale, linear value, nominal value, rounding.

    Args:
        problem: the parameter's.
        position: its place among the free parameters.
        theta: its value on the PEtab scale.
    """
    name, scale = problem.parameter_ids[position], problem.scales[position]
    nominal = float(problem.nominal_theta[position])
    place = "nominal" if theta == nominal else f"nominal {theta - nominal:+.2g}"
    words = f"{name} is {theta:.17g} ({place})"
    if scale == "lin":
        return f"{words} on its linear scale."
    base = {"log10": np.log(10.0), "log": 1.0}[scale]
    linear = problem.linear(_with(problem, position, theta))[position]
    error = float32_rounding(theta).error
    rounded = f"{abs(np.expm1(base * error)):.1e}"
    return (
        f"{words} on its {scale} scale, {linear:.6g} on linear scale. Rounding theta to float32 "
        f"moves the linear value by {rounded} of itself."
    )


def _with(problem: Problem, position: int, theta: float) -> np.ndarray:
    point = np.array(problem.nominal_theta)
    point[position] = theta
    return point
