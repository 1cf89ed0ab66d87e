"""The precision page: what to study and at what cost, the study under way, and its panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st

from amijax.audit.jobs import stored_audit
from amijax.audit.record import Audit
from amijax.precision import (
    PIECE_NAMES,
    PIECES,
    PieceName,
    Study,
    forecast,
    stored_study,
    with_needs,
)
from amijax.precision.jobs import StudyJob, StudyProgress, latest_study, start_study
from amijax.ui.cancel import cancel_button
from amijax.ui.context import Context
from amijax.ui.evaluation import Result
from amijax.ui.memo import point, remembered

# Studies that take less than this start by themselves; of slower ones the page says the price.
_AFFORDABLE = 30.0
_ABANDON_AFTER = 30.0  # seconds without a page that asks; studies asked for go on
_FEW = 5  # parameters chosen at first where all would take long
_ESSENTIAL: tuple[PieceName, ...] = ("budget", "reference", "audit", "noise")

LABELS: dict[PieceName, str] = {
    "budget": "Error budget",
    "reference": "Reference",
    "audit": "Audit",
    "noise": "Noise floor",
    "bits": "Bits",
    "tolerances": "Tolerances",
    "curvature": "Curvature",
    "work": "Work against precision",
    "export": "AMICI's JAX export",
}


def study_of(context: Context, result: Result) -> tuple[Study | None, bool]:
    """Draw what is studied and how far it is; return what there is of it, and if it is all."""
    objective, evaluation = result.settled.objective, result.settled.evaluation
    audit = stored_audit(objective, evaluation.theta)  # by the first page
    parameters, pieces = _choose(context, result, audit)
    if not parameters or not pieces:
        st.info("Choose at least one parameter and one panel.")
        return None, False
    theta = evaluation.theta
    cost = forecast(objective, evaluation, len(parameters), audit=audit)
    seconds = sum(cost[piece] for piece in with_needs(pieces))

    def left(taken: Mapping[str, float]) -> float:
        """Seconds for the pieces that have not run, by what the others took."""
        rest = forecast(objective, evaluation, len(parameters), taken, audit=audit)
        return sum(rest[piece] for piece in with_needs(pieces) if piece not in taken)

    def start() -> None:
        start_study(
            objective, theta, parameters=parameters, pieces=pieces, owner=context.session.owner
        )

    job = latest_study(objective, theta, parameters=parameters, pieces=pieces)
    # Shown immediately: in the background it would wait for a busy machine.
    if job is None and (stored := _stored(context, result, parameters, pieces)) is not None:
        return stored, True
    # Nobody asked for a while: the window was hidden, or the machine busy. Nobody cancelled it.
    if (job is None and seconds < _AFFORDABLE) or (job is not None and job.is_abandoned):
        job = start_study(
            objective, theta, parameters=parameters, pieces=pieces, abandon_after=_ABANDON_AFTER,
            owner=context.session.owner,
        )  # fmt: skip
    if job is None or job.state in ("cancelled", "failed"):
        _offer(job, seconds, start)
    elif not job.progress().is_over:
        _watch(job, _n_pieces(job.progress()), left)
    if job is None:
        return None, False
    progress = job.progress()
    return progress.study, progress.is_over


def _stored(
    context: Context, result: Result, parameters: Sequence[str], pieces: Sequence[PieceName]
) -> Study | None:
    """The study if all of it lies on disk."""
    objective, theta = result.settled.objective, result.settled.evaluation.theta
    view = (tuple(parameters), tuple(pieces))
    return remembered(
        "study", point(context.problem, objective.solver, theta, view=view),
        lambda: stored_study(objective, theta, parameters=parameters, pieces=pieces),
        latest=2,  # of all parameters, and of the chosen ones
    )  # fmt: skip


def _choose(
    context: Context, result: Result, audit: Audit | None
) -> tuple[tuple[str, ...], tuple[PieceName, ...]]:
    """Draw the choice of parameters and panels, with what each costs."""
    objective, evaluation = result.settled.objective, result.settled.evaluation
    ids = context.problem.parameter_ids
    name = context.session.name
    full = forecast(objective, evaluation, len(ids), audit=audit)
    everything = sum(full[piece] for piece in PIECE_NAMES)
    costly = everything > _AFFORDABLE and not _stored(context, result, ids, PIECE_NAMES)
    if costly:
        st.info(
            f"All of it for all {len(ids)} parameters would take about {_duration(everything)}. "
            "Fewer parameters and panels take less: sensitivities are then computed for the "
            "chosen ones alone.",
            icon=":material/schedule:",
        )
    with st.expander("What is studied", expanded=costly, key="study_options"):
        chosen = st.multiselect(
            "Parameters", ids, default=_most_changed(result) if costly else ids,
            key=f"study_parameters_{name}",
            persist_state="session", help="Whose gradient entries are studied.", wrap=True,
        )  # fmt: skip
        cost = forecast(objective, evaluation, len(chosen), audit=audit)
        labels = {piece: f"{LABELS[piece]}, {_duration(cost[piece])}" for piece in PIECES}
        pieces = st.pills(
            "Panels, and what each costs for these parameters",
            list(PIECES), default=list(_ESSENTIAL if costly else PIECE_NAMES),
            selection_mode="multi", format_func=labels.__getitem__, key=f"study_pieces_{name}",
            persist_state="session",
            wrap=True,
            help="Roughly, on this machine. Results are kept on disk: the second time is free.",
        )  # fmt: skip
    return tuple(p for p in ids if p in set(chosen)), tuple(p for p in PIECES if p in pieces)


def _most_changed(result: Result) -> list[str]:
    """The parameters whose gradient entries differ most between float32 and AMICI."""
    comparison = result.comparisons["float32"]
    size = np.nan_to_num(np.abs(comparison.gradient_rel_diff), nan=-1.0)
    chosen = np.sort(np.argsort(-size, kind="stable")[:_FEW])
    return [comparison.parameter_ids[i] for i in chosen]


def _offer(job: StudyJob | None, seconds: float, start: Callable[[], None]) -> None:
    if job is not None and job.state == "cancelled":
        st.info("The study was cancelled. What was finished is kept.")
    elif job is not None:
        st.error(f"The study broke off. {job.progress().error}")
    label = f"Compute (about {_duration(seconds)})" if job is None else "Go on"
    st.button(label, key="start_study", type="primary", on_click=start)


@st.fragment(run_every=0.5)
def _watch(job: StudyJob, seen: int, left: Callable[[Mapping[str, float]], float]) -> None:
    progress = job.progress()
    if progress.is_over or _n_pieces(progress) != seen:
        st.rerun()
    if progress.piece is None:
        text = "Waiting for another study" if progress.state == "waiting" else "Starting"
        share = 0.0
    else:
        done = progress.pieces.index(progress.piece)
        within = progress.done / max(progress.total, 1)
        share = min((done + within) / len(progress.pieces), 1.0)
        text = (
            f"{LABELS[progress.piece]}: {progress.done} of {progress.total} evaluations, "
            f"{_spent(progress, left)}"
        )
    st.progress(share, text)
    cancel_button(job, "cancel_study")


def _spent(progress: StudyProgress, left: Callable[[Mapping[str, float]], float]) -> str:
    """Time so far and to go, corrected by what has run; longer than foretold is said."""
    taken = (progress.study.seconds if progress.study is not None else None) or {}
    to_go = left(taken) - max(progress.elapsed - sum(taken.values()), 0.0)
    rest = f"about {_duration(to_go)} to go" if to_go > 1 else "longer than foretold"
    return f"{progress.elapsed:.0f} s so far, {rest}"


def _n_pieces(progress: StudyProgress) -> int:
    study = progress.study
    return 0 if study is None else len(study.seconds or ()) + len(study.impossible)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
