"""The page's address: it says where the session is, and brings it to where an address says.

An address counts when it comes in: when a session begins, with the browser's back and forward, and
when a link within the dashboard names a problem. Then the session's own state counts, and the
address follows: a rerun may repeat one that is older than the latest edit.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from amijax.problems import Problem, ProblemError, list_problems
from amijax.problems.limits import uploads_allowed
from amijax.sharing.links import (
    LinkError,
    State,
    asked_scales,
    asks_for_no_repair,
    link_address,
    link_query,
    needed_upload,
    read_lesson,
    read_link,
)
from amijax.simulation.settings import SolverChoice
from amijax.ui import resources
from amijax.ui.context import Context
from amijax.ui.session import Session
from amijax.ui.solver_settings import apply_choice
from amijax.ui.streamlit_internals import is_history_navigation, own_query

_MOST_UPLOADS = 5  # that an address names
LESSON = "Lesson"  # what the lesson's page is called


def read_address(session: Session, page: str) -> None:
    """Take what an address asks for that comes in; a page's first call.

    The problem, precision and solver settings go to their widgets immediately; theta waits in
    `session.asked` for `follow`, until the problem is open.

    Args:
        session: of the browser.
        page: what tells pages apart.
    """
    query = own_query()
    first, turned = not session.page, session.page != page
    session.page = page
    if page == LESSON and query and (first or turned or is_history_navigation()):
        session.lesson = read_lesson(query)
    # A link within the dashboard that says x64 says all of a state, as an instructive point does.
    whole = first or (
        "problem" in query and (is_history_navigation() or (turned and "x64" in query))
    )
    if not (whole or ("problem" in query and turned)):
        return
    _find_uploads(session, query.get("upload", ""))
    names = known_names(session)
    if needed_upload(query, names) is not None:
        session.pending = query
        query = {key: value for key, value in query.items() if key not in ("theta", "upload")}
    session.asked = query
    if query.get("problem") in names:
        st.session_state["problem"] = query["problem"]
        session.unrepaired = query["problem"] if asks_for_no_repair(query) else ""
        session.ask_for_scales(query["problem"], asked_scales(query))
    if whole:
        # An address that says nothing is a newcomer's, who starts where AMICI's notebook does, in
        # float32; one that says something, but not this, means float64, as links always have.
        st.session_state["x64"] = bool(query) and query.get("x64") != "false"
        apply_choice(SolverChoice.read(query)[0])
    elif "theta" not in query and query["problem"] == session.name:
        session.asked = None  # a link to the problem that is open, where it is


def follow(session: Session, problem: Problem, name: str) -> None:
    """Go to the theta that an address asks for, once; say what can't be used of it.

    Args:
        session: of the browser.
        problem: the open one.
        name: its name in the sidebar.
    """
    asked, session.asked = session.asked, None
    if session.pending is not None:
        if session.pending.get("problem") == name:
            asked, session.pending = session.pending, None
        else:
            sentence = needed_upload(session.pending, ())
            st.warning(f"{sentence} Until then another problem is shown.")
            st.button("Forget the link", key="forget_link", on_click=session.forget_link)
    if asked is not None:
        if asked.get("problem", name) == name:
            reading = read_link(asked, problem)
            session.move_to(reading.theta)
            session.link_notes = reading.notes
        elif session.pending is None and asked["problem"] not in known_names(session):
            session.link_notes = ("The address names a problem that is not known here.",)
    for note in session.link_notes:
        st.warning(note)


def keep(context: Context, *, first: bool = False) -> None:
    """Let the page's address say where the session is, so that a reload comes back to it.

    Args:
        context: of the page.
        first: whether this is the run's first call, which tells the browser in any case: what it
            shows may be of a run that was given up.
    """
    session = context.session
    try:
        query = link_query(_state(context), context.problem)
    except LinkError:
        query = {"problem": session.name}
    if session.uploads:
        query["upload"] = ",".join(list(session.uploads.values())[-_MOST_UPLOADS:])
    if first or own_query() != query:
        st.query_params.from_dict(query)


def draw(context: Context, page: str) -> None:
    """The address of the current state, to be copied; the last call of a page.

    Args:
        context: of the page, when theta is settled.
        page: its path below the dashboard's address, empty for the first one.
    """
    keep(context)
    state = _state(context, page)
    here = urlsplit(st.context.url or "http://localhost:8501")
    base = f"{here.scheme}://{here.netloc}" + _prefix(here.path, page)
    with context.link_slot, st.popover("Link", icon=":material/link:", key="link_popover"):
        try:
            address = link_address(base, state, context.problem)
        except LinkError as error:
            st.warning(str(error))
            return
        st.markdown("This address opens the same problem, parameters, precision and solver.")
        with st.container(key="link"):
            st.code(address, language=None, wrap_lines=True)
        if state.upload:
            st.caption(
                "The problem is an upload. The link opens it on this server as long as it is kept; "
                "elsewhere its files have to be uploaded, too."
            )


def known_names(session: Session) -> tuple[str, ...]:
    """The problems that the sidebar lists."""
    return (*(info.problem_id for info in list_problems()), *session.uploads)


def _state(context: Context, page: str = "") -> State:
    session = context.session
    return State(
        problem=session.name,
        theta=session.theta,
        precision=context.precision,
        choice=context.choice,
        page=page,
        upload=session.uploads.get(session.name, ""),
        lesson=session.lesson if session.page == LESSON else None,
        repair=context.problem.repair,
    )


def _find_uploads(session: Session, keys: str) -> None:
    """List the uploads that an address names, as far as they are still kept."""
    for key in keys.split(",")[:_MOST_UPLOADS]:
        if uploads_allowed() and key and key not in session.uploads.values():
            try:
                session.add_upload(resources.upload_for(key).problem_id, key)
            except ProblemError:
                continue  # the page says so if it is the one asked for


def _prefix(path: str, page: str) -> str:
    """The path below which the dashboard is served, without the page's own."""
    parts = [part for part in path.split("/") if part]
    if page and parts and parts[-1] == page:
        parts.pop()
    return "".join(f"/{part}" for part in parts)
