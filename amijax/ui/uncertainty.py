"""The page of uncertainty: what is asked for, a job under way, and which result is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from amijax.background import is_over
from amijax.cluster.client import executor_of_setting
from amijax.figures import profiles_figure
from amijax.fit.checkpoints import stored_fits
from amijax.fit.optimizers import OPTIMIZERS
from amijax.identifiability.checkpoints import stored_profiles
from amijax.identifiability.jobs import (
    UncertaintyJob,
    UncertaintyProgress,
    UncertaintyRequest,
    start_uncertainty,
    stored_identifiability,
    uncertainties_of,
)
from amijax.identifiability.profile_record import ProfileResult
from amijax.identifiability.record import Identifiability
from amijax.objective import AmiciObjective
from amijax.problems.priors import objective_priors
from amijax.scales import FloatArray
from amijax.ui import uncertainty_views
from amijax.ui.cancel import cancel_button
from amijax.ui.cluster import cluster_errors
from amijax.ui.context import Context
from amijax.ui.markdown import plain
from amijax.ui.results import number
from amijax.ui.session import start_at
from amijax.ui.settled import settled_objective

_SHOWN_STORED = 10
_CURRENT, _NOMINAL, _FIT = "the current point", "nominal", "the best fit on this machine"


@dataclass(frozen=True, eq=False)
class _Known:
    """What can be shown: a job of this server, or profiles on disk."""

    job: UncertaintyJob | None
    result: ProfileResult | None

    @property
    def id(self) -> str:
        """What tells it from the others."""
        return f"{id(self.job)}" if self.result is None else f"{self.result.started}"

    @property
    def name(self) -> str:
        """What it is, in words."""
        if self.job is not None:
            what = _profiles_of(len(self.job.request.parameters))
            return f"{what}, {self.job.state}" if is_over(self.job.state) else f"{what}, under way"
        assert self.result is not None
        when = self.result.started.replace("T", " ")[:16]
        return f"{_profiles_of(len(self.result.asked))}, {self.result.optimizer}, {when} UTC"


def page(context: Context) -> None:
    """Draw all of the page."""
    problem = context.problem
    st.markdown(f"#### Uncertainty: {plain(problem.problem_id)}")
    st.caption(
        "How sure each estimate is. The curvature of llh answers in seconds, as if llh were a "
        "parabola; profiles follow each parameter until the data refuse it, whatever its shape. "
        "Both go on when you leave this page."
    )
    objective = settled_objective(context, st.session_state.get("uncertainty_optimizer", "fides"))
    if objective is None:
        return
    request = _asked(context, objective)
    known = _known(objective)
    if request is not None:
        with cluster_errors():
            job = start_uncertainty(
                objective, request, owner=context.session.owner, executor=executor_of_setting()
            )
        new = _Known(job, None)
        known = [new, *(each for each in known if each.job is not job)]
        st.session_state["uncertainty_shown"] = new.id
    if not known:
        st.info(
            "Nothing is known of this problem's uncertainty yet: begin with the curvature or with "
            "profiles.",
            icon=":material/query_stats:",
        )
        return
    shown = known[0]
    if len(known) > 1:
        by_id = {each.id: each for each in known}
        if st.session_state.get("uncertainty_shown") not in by_id:
            st.session_state["uncertainty_shown"] = shown.id
        chosen = st.selectbox(
            f"Results for this problem ({len(known)})", list(by_id), key="uncertainty_shown",
            format_func=lambda each: by_id[each].name, persist_state="session",
        )  # fmt: skip
        shown = by_id[chosen]
    _show(context, objective, shown)


def _asked(context: Context, objective: AmiciObjective) -> UncertaintyRequest | None:
    """Draw what can be chosen; the request if a button was just pressed."""
    problem = context.problem
    start_at("uncertainty_from", _CURRENT)
    start_at("uncertainty_optimizer", "fides")
    start_at("uncertainty_restart", True)
    start_at("uncertainty_priors", True)
    fitted = _best_fit(objective)
    points = [_CURRENT, _NOMINAL, *([_FIT] if fitted is not None else [])]
    if st.session_state["uncertainty_from"] not in points:
        st.session_state["uncertainty_from"] = _CURRENT
    with st.container(horizontal=True, vertical_alignment="bottom", key="uncertainty_choices"):
        begin_at = st.selectbox(
            "Begin at", points, key="uncertainty_from", persist_state="session", width=260,
            help="Profiles begin with a local optimisation from here; the curvature is the one "
            "here.",
        )  # fmt: skip
        curvature = st.button(
            "Curvature", key="uncertainty_curvature", icon=":material/function:",
            help=f"Differences of gradients, some {8 * problem.n_parameters} of them",
        )  # fmt: skip
        profiles = st.button(
            "Profiles", key="uncertainty_profiles", type="primary",
            icon=":material/play_arrow:",
            help="Some hundred evaluations for each parameter, on all cores, at low priority",
        )  # fmt: skip
    with st.expander("Parameters and optimiser", key="uncertainty_more"):
        chosen = st.multiselect(
            f"Parameters with a profile ({problem.n_parameters} at most; all if none is chosen)",
            problem.parameter_ids, key=f"uncertainty_parameters_{context.session.name}",
            persist_state="session", wrap=True,
        )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            optimizer = st.selectbox(
                "Optimiser", list(OPTIMIZERS), key="uncertainty_optimizer",
                persist_state="session", width=220, help="As on the page Fit",
            )  # fmt: skip
            restart = st.toggle(
                "Start anew from a better optimum", key="uncertainty_restart",
                persist_state="session",
                help="Where one comes up on the way. If not, it is reported.",
            )  # fmt: skip
            priors = True
            if objective_priors(problem):
                priors = st.toggle(
                    "Priors count", key="uncertainty_priors", persist_state="session",
                    help="The parameter table has objective priors",
                )  # fmt: skip
    if not (curvature or profiles):
        return None
    theta = {_CURRENT: context.session.theta, _NOMINAL: problem.nominal_theta}.get(begin_at, fitted)
    assert theta is not None
    followed = tuple(chosen) or problem.parameter_ids
    return UncertaintyRequest(
        theta=np.array(theta), parameters=followed if profiles else (), optimizer=optimizer,
        priors=priors, restart=restart,
    )  # fmt: skip


def _best_fit(objective: AmiciObjective) -> FloatArray | None:
    best = max(
        (fit.best for fit in stored_fits(objective) if fit.best is not None),
        key=lambda start: start.value, default=None,
    )  # fmt: skip
    return None if best is None else best.theta


def _known(objective: AmiciObjective) -> list[_Known]:
    """What can be shown, the latest first: jobs, then what is on disk."""
    jobs = [job for job in reversed(uncertainties_of(objective)) if _has_something(job)]
    known = [_Known(job, None) for job in jobs]
    results = {found.started for job in jobs if (found := job.progress().profiles) is not None}
    for result in stored_profiles(objective):
        if len(known) >= _SHOWN_STORED:
            break
        if result.started not in results and result.profiles:
            known.append(_Known(None, result))
    return known


def _has_something(job: UncertaintyJob) -> bool:
    """Whether there is something to see of a job: not of one that was cancelled while it waited."""
    progress = job.progress()
    return progress.state != "cancelled" or progress.profiles is not None


def _show(context: Context, objective: AmiciObjective, shown: _Known) -> None:
    result, local = shown.result, None
    if shown.job is not None:
        progress = shown.job.progress()
        if not progress.is_over:
            _watch(shown.job)
            return
        if progress.state == "failed":
            st.error(f"It broke off. {plain(progress.error)}")
        result, local = progress.profiles, progress.local
    if result is not None:
        local = local or _local_of(objective, result)
        if not result.is_complete:
            st.button(
                "Go on with these profiles", key="uncertainty_go_on",
                icon=":material/play_arrow:", on_click=_begin,
                args=(context, objective, _same(result, result.theta_start)),
                help="Sides that are over are kept; interrupted ones go on from their last point",
            )  # fmt: skip
        if result.better is not None:
            st.button(
                "Start anew from the better optimum", key="uncertainty_anew", type="primary",
                icon=":material/restart_alt:", on_click=_begin,
                args=(context, objective, _same(result, result.better.theta)),
            )  # fmt: skip
    if result is not None or local is not None:
        uncertainty_views.draw(context, result, local)


def _local_of(objective: AmiciObjective, result: ProfileResult) -> Identifiability | None:
    settled = objective.with_solver(result.solver)
    return stored_identifiability(settled, result.optimum.theta, result.priors)


def _same(result: ProfileResult, theta: FloatArray) -> UncertaintyRequest:
    """What was asked for, from another point."""
    return UncertaintyRequest(theta, result.asked, result.optimizer, result.priors)


def _begin(context: Context, objective: AmiciObjective, request: UncertaintyRequest) -> None:
    job = start_uncertainty(
        objective, replace(request, restart=st.session_state["uncertainty_restart"]),
        owner=context.session.owner, executor=executor_of_setting(),
    )  # fmt: skip
    st.session_state["uncertainty_shown"] = _Known(job, None).id


@st.fragment(run_every=1.0)
def _watch(job: UncertaintyJob) -> None:
    progress = job.progress()
    if progress.is_over:
        st.rerun()
    if progress.state == "waiting":
        names = "; ".join(plain(name) for name in progress.ahead[:4])
        st.info(
            f"Waiting for a turn behind {len(progress.ahead)}{': ' + names if names else ''}. "
            "People have their turns in rotation.",
            icon=":material/hourglass_empty:",
        )
    else:
        done = progress.sides_over / progress.sides if progress.sides else 0.0
        st.progress(min(done, 1.0), text=f"{_now(progress)}, {progress.elapsed:.0f} s")
    cancel_button(job, "uncertainty_cancel")
    result = progress.profiles
    if result is not None and result.profiles:
        done = sum(each.is_complete for each in result.profiles)
        st.caption(
            f"{uncertainty_views.what(result)} at the optimum: {number(result.optimum.value, 8)}. "
            f"Complete so far: {done} of {len(result.asked)} profiles."
        )
        st.plotly_chart(
            profiles_figure(result), key="uncertainty_live", config={"displaylogo": False}
        )


def _now(progress: UncertaintyProgress) -> str:
    return {
        "optimum": "Optimising from the point that was given",
        "profiles": f"{progress.sides_over} of {progress.sides} sides of profiles are over",
        "better": "A better optimum came up: optimising from it",
        "curvature": f"Curvature: {progress.gradients} gradients",
    }.get(progress.phase or "", "Beginning")


def _profiles_of(n: int) -> str:
    if not n:
        return "curvature"
    return f"profiles of {n} parameter{'s' * (n != 1)}"
