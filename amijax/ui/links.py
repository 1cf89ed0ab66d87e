"""Links to a state: made in the sidebar, followed when a page opens."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from amijax.problems import Problem, list_problems
from amijax.sharing.links import LinkError, State, link_address, needed_upload, read_link
from amijax.ui.context import Context
from amijax.ui.session import Session


def draw(context: Context, page: str) -> None:
    """The address of the current state, to be copied; the last call of a page.

    Args:
        context: of the page, when theta is settled.
        page: its path below the dashboard's address, empty for the first one.
    """
    session = context.session
    state = State(
        problem=session.name,
        theta=session.theta,
        precision=context.precision,
        choice=context.choice,
        page=page,
        needs_upload=session.name in session.uploads,
    )
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
        if state.needs_upload:
            st.caption("The problem is an upload: whoever follows the link has to upload it, too.")


def read_address(session: Session) -> dict[str, str]:
    """The address before the picker and the widgets change it; keep a link to a missing upload."""
    query = st.query_params.to_dict()
    names = (*(info.problem_id for info in list_problems()), *session.uploads)
    sentence = needed_upload(query, names)
    if sentence is not None:
        session.pending = query
        for key in ("theta", "upload"):
            query = {k: v for k, v in query.items() if k != key}
            st.query_params.pop(key, None)
    elif query.get("problem", names[0]) not in names:
        session.unknown_problem = True
    return query


def follow(session: Session, problem: Problem, name: str, query: dict[str, str]) -> None:
    """Go to the theta that the page's address names, once; say what can't be used of it.

    Args:
        session: of the browser.
        problem: the open one.
        name: its name in the sidebar.
        query: from `read_address`.
    """
    if session.pending is not None:
        if session.pending.get("problem") == name:
            query, session.pending = session.pending, None
        else:
            sentence = needed_upload(session.pending, ())
            st.warning(f"{sentence} Until then another problem is shown.")
            st.button("Forget the link", key="forget_link", on_click=session.forget_link)
    first, session.is_new = session.is_new, False
    if session.unknown_problem:
        session.unknown_problem = False
        session.link_notes = ("The address names a problem that is not known here.",)
    elif "theta" in query or first:
        reading = read_link(query, problem)
        if "theta" in query:
            session.move_to(reading.theta)
        session.link_notes = reading.notes
    if "theta" in query:
        # The address would soon tell of a point that has been left.
        st.query_params.pop("theta", None)
    st.query_params.pop("upload", None)
    for note in session.link_notes:
        st.warning(note)


def _prefix(path: str, page: str) -> str:
    """The path below which the dashboard is served, without the page's own."""
    parts = [part for part in path.split("/") if part]
    if page and parts and parts[-1] == page:
        parts.pop()
    return "".join(f"/{part}" for part in parts)
