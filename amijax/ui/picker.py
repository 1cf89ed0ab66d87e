"""Picking a problem in the sidebar, and having it here: download, progress, refusals."""

from __future__ import annotations

import streamlit as st

from amijax.problems import (
    DownloadProgress,
    Problem,
    ProblemError,
    download_problem,
    list_problems,
)
from amijax.problems.scale_choice import ScaleChoice
from amijax.ui import resources
from amijax.ui.session import Session

_HELP = (
    "Problems that come with amijax, those uploaded in this session, and the PEtab benchmark "
    "collection, whose problems are downloaded when they are picked."
)


def pick(session: Session) -> str:
    """Draw the picker; return the chosen name, an id or that of an upload."""
    names = [*(info.problem_id for info in list_problems()), *session.uploads]
    if st.session_state.get("problem") not in names:
        st.session_state["problem"] = session.name if session.name in names else names[0]
    chosen: str = st.selectbox(
        "Problem", names, key="problem", required=True, help=_HELP, persist_state="session"
    )
    return chosen


def link_to(name: str) -> None:
    """Draw a link that opens a problem on the first page."""
    with st.container(key="open_problem", width="content"):
        st.page_link(
            "app.py", label=f"Open {name}", icon=":material/arrow_forward:",
            query_params={"problem": name}, width="content",
        )  # fmt: skip


def open_picked(session: Session, name: str) -> Problem:
    """The picked problem; where it can't be had, say why and end the page here."""
    repair, scales = name != session.unrepaired, session.scales.get(name)
    try:
        if name not in session.uploads:
            info = next(info for info in list_problems() if info.problem_id == name)
            if not info.is_here:
                _download(name)
        if scales is not None:
            try:
                return opened(session, name, repair, scales)
            except ProblemError as error:
                session.ask_for_scales(name, None)
                st.warning(f"The scales of theta that were asked for can't be used. {error}")
        return opened(session, name, repair, None)
    except ProblemError as error:
        st.error(f"{name} can't be opened. {error}")
        st.button("Try again", key="retry_open", icon=":material/refresh:")
        st.caption("Pick another problem in the sidebar meanwhile.")
        st.stop()


def opened(session: Session, name: str, repair: bool, scales: ScaleChoice | None) -> Problem:
    """A problem that is here, with some scales of theta; None for its default ones.

    Raises:
        ProblemError: it can't be opened, or not with these scales.
    """
    if name in session.uploads:
        return resources.upload_for(session.uploads[name], repair, scales)
    return resources.problem_for(name, repair, scales)


def _download(name: str) -> None:
    bar = st.progress(0.0, f"Downloading {name} from the benchmark collection")

    def show(progress: DownloadProgress) -> None:
        done = min(progress.files_done / max(progress.files_total, 1), 1.0)
        bar.progress(
            done,
            f"Downloading {name}: file {min(progress.files_done + 1, progress.files_total)} of "
            f"{progress.files_total}, {progress.bytes_done / 1e3:,.0f} kB",
        )

    download_problem(name, show)
    bar.empty()
