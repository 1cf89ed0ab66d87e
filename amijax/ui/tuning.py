"""Digits asked for, settings found: what the settings in use give, what they cost, and a search."""

from __future__ import annotations

import streamlit as st

from amijax.audit.causes import TOLERANCE
from amijax.audit.record import Audit
from amijax.digits import confirmed_text
from amijax.objective import AmiciObjective
from amijax.simulation.settings import SolverSettings
from amijax.tuning.found import forecast, stored_tuning
from amijax.tuning.jobs import TuningJob, latest_tuning, start_tuning
from amijax.tuning.record import Tuning
from amijax.ui.cancel import cancel_button
from amijax.ui.context import Context
from amijax.ui.evaluation import Result
from amijax.ui.markdown import plain
from amijax.ui.memo import point, remembered
from amijax.ui.session import current
from amijax.ui.solver_settings import asks_for_digits, digits_asked, use_settings

_WANTED = "tuning_wanted"  # digits whose settings are to be used once they are found
_LEAST_DIGITS = 0.1  # that must be confirmed before settings are offered
_QUICK = 0.5  # seconds of AMICI's for a gradient that is computed once more, to compare times


def panel(context: Context, result: Result) -> None:
    """In the sidebar's solver settings: the search for the digits that are asked for."""
    objective, digits = _searched(result), digits_asked()
    found, job = _known(objective, digits)
    if found is not None and st.session_state.get(_WANTED) == digits:
        del st.session_state[_WANTED]
        if found.digits >= _LEAST_DIGITS:
            use_settings(found.settings)
            st.rerun()
    if not asks_for_digits():
        return
    with context.tuning_slot:
        if found is not None:
            st.caption(plain(found.summary))
            if found.points and not _is_used(found, result):
                st.button(
                    "Use these settings",
                    key="tuning_use",
                    on_click=use_settings,
                    args=(found.settings,),
                )
        elif job is not None and not job.progress().is_over:
            _watch(job, digits, "panel")
        else:
            _offer_search(result, digits, job, "panel")


def line(context: Context, result: Result, audit: Audit | None) -> None:
    """On the first page: digits and cost of the settings in use.

    Args:
        context: the page's.
        result: at the session's point.
        audit: of it, None while it is not finished.
    """
    found, _ = _known(_searched(result), digits_asked())
    with st.container(key="digits_and_cost"):
        st.caption(f":material/speed: {_in_use(context, result, audit, found)}")


def mend(result: Result, audit: Audit | None) -> None:
    """On the first page, where the gradient is wrong for want of tolerance: settings that mend it.

    Args:
        result: at the session's point.
        audit: of it, None while it is not finished.
    """
    if audit is None or not _is_wrong_by_tolerance(audit):
        return
    digits = digits_asked()
    found, job = _known(_searched(result), digits)
    with st.container(key="mend", horizontal=True, vertical_alignment="center"):
        if found is None:
            if job is not None and not job.progress().is_over:
                _watch(job, digits, "line")
            else:
                _offer_search(result, digits, job, "line")
        elif found.digits < _LEAST_DIGITS:
            st.caption(
                f"A search for {digits} digits found no settings whose gradient a witness "
                "confirms.",
                width="content", help=plain(found.summary),
            )  # fmt: skip
        elif not _is_used(found, result):
            st.button(
                f"Use settings with {_promise(found)}, {found.ratio:.2g} times the time",
                key="tuning_mend", icon=":material/build:", on_click=use_settings,
                args=(found.settings,), help=plain(found.summary),
            )  # fmt: skip


def _in_use(context: Context, result: Result, audit: Audit | None, found: Tuning | None) -> str:
    """Digits of the settings in use, and their time against AMICI's defaults."""
    evaluation = result.settled.evaluation
    milliseconds = f"{evaluation.cpu_seconds * 1e3:.3g} ms"
    if found is not None and _is_used(found, result):
        return (
            f"The settings found for {found.asked:g} digits of the gradient: {_promise(found)}, at "
            f"{len(found.points)} points, for {found.ratio:.2g} times the time of AMICI's "
            f"defaults. Here a gradient takes {milliseconds}."
        )
    digits = None if audit is None else audit.digits_of_gradient
    if audit is None:
        given = "The digits of the gradient are being audited"
    elif digits is None:
        given = "No witness says how many digits of the gradient these settings give"
    else:
        given = f"These settings give {confirmed_text(digits)} digits of the gradient as a whole"
    return f"{given}. A gradient takes {milliseconds}, {_against_defaults(context, result)}."


def _promise(found: Tuning) -> str:
    if found.outcome == "reached":
        return f"{confirmed_text(found.digits)} digits"
    return (
        f"{confirmed_text(found.digits)} digits confirmed (AMICI agrees with itself in "
        f"{confirmed_text(found.digits_measured)})"
    )


def _against_defaults(context: Context, result: Result) -> str:
    evaluation, objective = result.settled.evaluation, result.settled.objective
    defaults = SolverSettings(sensitivities=evaluation.solver.sensitivities)
    if evaluation.solver == defaults:
        return "with AMICI's defaults"
    if any(
        attempt.solver.rtol == defaults.rtol and attempt.solver.atol == defaults.atol
        for attempt in result.settled.attempts
    ):
        return "and AMICI's defaults fail here"
    if evaluation.cpu_seconds > _QUICK:
        return "and how long with AMICI's defaults was not measured"
    theta = evaluation.theta
    usual = remembered(
        "evaluation at defaults", point(context.problem, defaults, theta),
        lambda: objective.with_solver(defaults).gradient_within(theta, 2 * _QUICK),
    )  # fmt: skip
    if usual is None:
        return f"with AMICI's defaults more than {2 * _QUICK:.0f} s"
    if usual.failure is not None:
        return "and AMICI's defaults fail here"
    return f"{evaluation.cpu_seconds / usual.cpu_seconds:.2g} times that with AMICI's defaults"


def _is_wrong_by_tolerance(audit: Audit) -> bool:
    causes = [audit.directions.cause, *(entry.cause for entry in audit.gradient)]
    return audit.anything_wrong and TOLERANCE in causes


def _known(objective: AmiciObjective, digits: int) -> tuple[Tuning | None, TuningJob | None]:
    """A finished search, and this process's latest job for it."""
    job = latest_tuning(objective, digits)
    if job is not None and (found := job.progress().tuning) is not None:
        return found, job
    at = point(objective.problem, objective.solver, view=(objective.model.key, digits))
    return remembered("tuning", at, lambda: stored_tuning(objective, digits)), job


def _searched(result: Result) -> AmiciObjective:
    """The objective of a search, the same whichever tolerances and methods are in use."""
    solver = result.settled.evaluation.solver
    return result.settled.objective.with_solver(
        SolverSettings(
            time_limit=solver.time_limit, steady_state=solver.steady_state,
            steady_state_sensitivities=solver.steady_state_sensitivities,
        )
    )  # fmt: skip


def _is_used(found: Tuning, result: Result) -> bool:
    return result.settled.evaluation.solver == found.settings


def _offer_search(result: Result, digits: int, job: TuningJob | None, place: str) -> None:
    if job is not None and job.progress().state == "failed":
        st.caption(f"The search broke off. {plain(job.progress().error)}")
    seconds = forecast(result.settled.objective, result.settled.evaluation)
    st.button(
        f"Find settings with {digits} digits ({_duration(seconds)})",
        key=f"tuning_start_{place}",
        icon=":material/search:", on_click=_start, args=(result, digits),
        help="The settings with the least time that give so many digits of the gradient, at the "
        "nominal parameters and at points around them; finite differences must confirm them.",
    )  # fmt: skip


def _start(result: Result, digits: int) -> None:
    st.session_state[_WANTED] = digits
    start_tuning(_searched(result), digits, owner=current().owner)


@st.fragment(run_every=0.5)
def _watch(job: TuningJob, digits: int, place: str) -> None:
    progress = job.progress()
    if progress.is_over:
        st.rerun()
    st.caption(
        f":material/hourglass_empty: Looking for settings with {digits} digits: {progress.done} "
        f"tried, {progress.elapsed:.0f} s",
        width="content",
    )
    cancel_button(job, f"tuning_cancel_{place}")


def _duration(seconds: float) -> str:
    if seconds < 5:
        return "a few seconds"
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
