"""The fit page: what is asked for, a fit under way, and which one is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from amijax.cluster.client import executor_of_setting
from amijax.figures import progress_figure, waterfall_figure
from amijax.fit.checkpoints import stored_fits
from amijax.fit.jobs import FitJob, FitRequest, fits_of, start_fit
from amijax.fit.optimizers import OPTIMIZERS
from amijax.fit.record import FitResult
from amijax.objective import AmiciObjective
from amijax.problems.priors import objective_priors
from amijax.scales import FloatArray
from amijax.ui import fit_views, numbers
from amijax.ui.cancel import cancel_button
from amijax.ui.cluster import cluster_errors
from amijax.ui.context import Context
from amijax.ui.markdown import plain
from amijax.ui.results import number
from amijax.ui.session import start_at
from amijax.ui.settled import settled_objective

_STARTS = 20
_SHOWN_STORED = 10
_AS_SET = "of the solver's settings"
_AS_DEFAULTS = "as AMICI's defaults, but faster"
_OPTIMIZERS = {
    "fides": "fides (trust region, with AMICI's Fisher information)",
    "scipy-lbfgsb": "L-BFGS-B (scipy; gradients only)",
    "least-squares": "least squares (scipy; for normal noise)",
}


@dataclass(frozen=True, eq=False)
class _Known:
    """A fit that can be shown: a job of this server, or a result on disk."""

    job: FitJob | None
    result: FitResult | None

    @property
    def id(self) -> str:
        """What tells it from the others."""
        return f"{id(self.job)}" if self.result is None else self.result.started

    @property
    def name(self) -> str:
        """What it is, in words."""
        if self.job is not None:
            asked, when = self.job.request, f"{self.job.asked:%Y-%m-%d %H:%M}"
            return f"{asked.n_starts} starts, {asked.optimizer}, {when} UTC"
        assert self.result is not None
        settings = self.result.settings
        when = self.result.started.replace("T", " ")[:16]
        return f"{settings.n_starts} starts, {settings.optimizer}, {when} UTC"


def page(context: Context) -> None:
    """Draw all of the page."""
    problem = context.problem
    st.markdown(f"#### Fit: {plain(problem.problem_id)}")
    st.caption(
        "Local optimisations from many points, within the bounds: where llh is largest. Each start "
        "is kept as it goes; the fit goes on when you leave this page."
    )
    objective = settled_objective(context, st.session_state.get("fit_optimizer", "fides"))
    if objective is None:
        return
    request = _asked(context)
    known = _known(objective)
    if request is not None:
        with cluster_errors():
            job = start_fit(
                objective, request, owner=context.session.owner, executor=executor_of_setting()
            )
        new = _Known(job, None)
        known = [new, *(each for each in known if each.job is not job)]
        st.session_state["fit_shown"] = new.id
    if not known:
        st.info("There is no fit of this problem yet: begin one.", icon=":material/trending_up:")
        return
    shown = known[0]
    if len(known) > 1:
        by_id = {each.id: each for each in known}
        if st.session_state.get("fit_shown") not in by_id:
            st.session_state["fit_shown"] = shown.id
        chosen = st.selectbox(
            f"Fits of this problem ({len(known)})", list(by_id), key="fit_shown",
            format_func=lambda each: by_id[each].name, persist_state="session",
        )  # fmt: skip
        shown = by_id[chosen]
    _show(context, objective, shown)


def _asked(context: Context) -> FitRequest | None:
    """Draw what can be chosen; the request if the button was just pressed."""
    problem = context.problem
    start_at("fit_starts", _STARTS)
    start_at("fit_seed", 0)
    start_at("fit_optimizer", "fides")
    start_at("fit_from_current", True)
    start_at("fit_priors", True)
    with st.container(horizontal=True, vertical_alignment="bottom", key="fit_choices"):
        n_starts = st.number_input(
            "Starts", min_value=1, max_value=10_000, step=1, key="fit_starts",
            persist_state="session", width=130,
            help="Local optimisations. More of them find better optima, and say how sure the best "
            "one is: found many times, it is likely to be the best there is.",
        )  # fmt: skip
        optimizer = st.selectbox(
            "Optimiser", list(OPTIMIZERS), key="fit_optimizer", persist_state="session",
            format_func=lambda name: _OPTIMIZERS[name], width=420,
            help="How each compares is measured by tests/benchmarks/bench_fit.py --optimizers.",
        )  # fmt: skip
        begin = st.button(
            "Fit", key="fit_begin", type="primary", icon=":material/play_arrow:",
            help="Starts run on all cores, at low priority",
        )  # fmt: skip
    with st.expander("Bounds, start points and time", key="fit_more"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            from_current = st.toggle(
                "Begin one start at the current point", key="fit_from_current",
                persist_state="session",
            )  # fmt: skip
            seed = st.number_input(
                "Seed", min_value=0, step=1, key="fit_seed", persist_state="session", width=130,
                help="Of the random points: the same seed gives the same fit",
            )  # fmt: skip
            limit = st.number_input(
                "Time limit in seconds", min_value=0.0, step=60.0, key="fit_limit", width=180,
                persist_state="session", format="%.0f",
                help="For all starts; 0 is none. Starts under way keep their best point.",
            )  # fmt: skip
            tuned = st.selectbox(
                "Digits of the gradient", [_AS_SET, _AS_DEFAULTS, *map(str, range(2, 9))],
                key="fit_digits", persist_state="session", width=280,
                help="For other than the solver's, the fastest settings are searched first, which "
                "takes as long as some 500 gradients, once. Starts always go most of the way with "
                "coarser settings.",
            )  # fmt: skip
            priors = False
            if objective_priors(problem):
                priors = st.toggle(
                    "Priors count", key="fit_priors", persist_state="session",
                    help="llh + log prior is maximised: the parameter table has objective priors",
                )  # fmt: skip
        lower, upper, complaints = _bounds(context)
    for complaint in complaints:
        st.warning(complaint)
    if not begin or complaints:
        return None
    own = context.session.theta[None] if from_current else np.empty((0, problem.n_parameters))
    return FitRequest(
        n_starts=int(n_starts), seed=int(seed), optimizer=optimizer, lower=lower, upper=upper,
        start_points=own, priors=priors, time_limit=limit or None,
        digits=None if tuned in (_AS_SET, _AS_DEFAULTS) else float(tuned),
        search=tuned == _AS_DEFAULTS,
    )  # fmt: skip


def _bounds(context: Context) -> tuple[FloatArray, FloatArray, list[str]]:
    """The bounds, as a table to be edited; and sentences about those that can't be used."""
    problem = context.problem
    st.caption(
        "Bounds on each parameter's scale. Random starts lie within them, and no start leaves them."
    )
    frame = pd.DataFrame(
        {
            "scale": problem.scales,
            "lower": np.array(problem.lower_theta),
            "upper": np.array(problem.upper_theta),
        },
        index=pd.Index(problem.parameter_ids, name="parameter"),
    )
    edited = st.data_editor(
        frame, key=f"fit_bounds_{context.session.name}", num_rows="fixed",
        disabled=["parameter", "scale"], alt="Lower and upper bounds of each parameter",
        height=min(len(frame) + 1, 12) * 35 + 3,
        column_config={
            "lower": st.column_config.NumberColumn(format="%.8g", required=True),
            "upper": st.column_config.NumberColumn(format="%.8g", required=True),
        },
    )  # fmt: skip
    lower = edited["lower"].to_numpy(dtype=np.float64)
    upper = edited["upper"].to_numpy(dtype=np.float64)
    wrong = [problem.parameter_ids[i] for i in np.flatnonzero(~(lower < upper))]
    complaints = []
    if wrong:
        complaints.append(
            f"The lower bound must be below the upper one: look at {', '.join(wrong[:4])}."
        )
    return lower, upper, complaints


def _known(objective: AmiciObjective) -> list[_Known]:
    """Fits that can be shown, the latest first: jobs, then what is on disk."""
    jobs = [job for job in reversed(fits_of(objective)) if _has_something(job)]
    known = [_Known(job, None) for job in jobs]
    results = {
        progress.result.started for job in jobs if (progress := job.progress()).result is not None
    }
    for result in stored_fits(objective):
        if len(known) >= _SHOWN_STORED:
            break
        if result.started not in results:
            known.append(_Known(None, result))
    return known


def _has_something(job: FitJob) -> bool:
    """Whether there is something to see of a job: not of one that was cancelled while it waited."""
    progress = job.progress()
    return progress.state != "cancelled" or progress.result is not None


def _show(context: Context, objective: AmiciObjective, shown: _Known) -> None:
    job, result = shown.job, shown.result
    if job is not None:
        progress = job.progress()
        if not progress.is_over:
            _watch(job)
            return
        if progress.state == "failed":
            st.error(f"The fit broke off. {plain(progress.error)}")
        result = progress.result
        if progress.state == "cancelled" and result is not None:
            result = _interrupted(result)
    if result is None:
        return
    if not result.is_complete:
        st.button(
            "Go on with this fit", key="fit_go_on", icon=":material/play_arrow:",
            on_click=_go_on, args=(context, objective, result),
            help="Starts that are over are kept; interrupted ones go on from their best point",
        )  # fmt: skip
    fit_views.draw(context, objective, result)


def _interrupted(result: FitResult) -> FitResult:
    starts = tuple(
        replace(start, exit="cancelled") if start.exit == "running" else start
        for start in result.starts
    )
    return replace(result, starts=starts)


def _go_on(context: Context, objective: AmiciObjective, result: FitResult) -> None:
    settings = result.settings
    request = FitRequest(
        n_starts=settings.n_starts, seed=settings.seed, optimizer=settings.optimizer,
        lower=settings.lower, upper=settings.upper, start_points=settings.own_starts,
        priors=settings.priors, digits=settings.digits, time_limit=settings.time_limit,
        search=settings.search,
    )  # fmt: skip
    job = start_fit(
        objective.with_solver(settings.stages[-1]), request, owner=context.session.owner,
        executor=executor_of_setting(),
    )  # fmt: skip
    st.session_state["fit_shown"] = _Known(job, None).id


@st.fragment(run_every=1.0)
def _watch(job: FitJob) -> None:
    progress = job.progress()
    if progress.is_over:
        st.rerun()
    n = job.request.n_starts
    result = progress.result
    over = 0 if result is None else sum(start.is_over for start in result.starts)
    if progress.state == "waiting":
        ahead = progress.ahead
        behind = f"{len(ahead)} {'job runs' if len(ahead) == 1 else 'jobs run'} before this one"
        names = "; ".join(plain(name) for name in ahead[:4])
        st.info(
            f"Waiting for a turn: {behind}{': ' + names if names else ''}. People have their turns "
            "in rotation.",
            icon=":material/hourglass_empty:",
        )
    else:
        words = {
            "settings": "Looking for the solver's settings",
            "audit": "All starts are over. Auditing llh and gradient at the best point",
        }.get(progress.phase or "", f"{over} of {n} starts are over")
        st.progress(over / n, text=f"{words}, {progress.elapsed:.0f} s")
    cancel_button(job, "fit_cancel")
    if result is None or result.best is None:
        st.caption("The waterfall appears with the first point.")
        return
    running = sum(start.exit == "running" for start in result.starts)
    with numbers.row("fit_live"):
        numbers.figure("best llh so far", number(result.best.llh, 9))
        numbers.figure("found", _times(result.n_found), help="Starts within 0.1 of the best")
        numbers.figure("starts under way", running)
        numbers.figure(
            "evaluations", f"{sum(start.n_evaluations for start in result.starts):,}",
            help="Of llh and gradient, one simulation of all conditions each",
        )  # fmt: skip
    left, right = st.columns([1, 1.4])
    with left:
        st.plotly_chart(
            waterfall_figure(result),
            key="fit_live_waterfall",
            config={"displaylogo": False},
            alt="Starts by how far their value is below the best",
        )
    with right:
        st.plotly_chart(
            progress_figure(result),
            key="fit_live_progress",
            config={"displaylogo": False},
            alt="The best value against time and evaluations",
        )


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
