"""What Streamlit knows and does not promise to tell."""

from __future__ import annotations

import threading
from urllib.parse import parse_qsl

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import SCRIPT_RUN_CONTEXT_ATTR_NAME

_OF_STREAMLIT = ("embed", "embed_options")  # in addresses, and in no page's business


def own_query() -> dict[str, str]:
    """The query of the address that this run was asked for, or has told the browser since.

    `st.query_params` is one for all runs of a session. One that is about to end, since the browser
    has asked for another, may still set it to the address that it was itself asked for.

    When it changes: on a busy server a page that was turned to may have no address, and back may do
    nothing.

    Upstream: https://github.com/streamlit/streamlit/blob/develop/lib/streamlit/runtime/scriptrunner_utils/script_run_context.py
    """
    context = get_script_run_ctx()
    pairs = parse_qsl(context.query_string if context else "", keep_blank_values=True)
    return {key: value for key, value in pairs if key.lower() not in _OF_STREAMLIT}


def is_history_navigation() -> bool:
    """Whether this run began with the browser's back or forward.

    When it changes: back and forward no longer restore a point.

    Upstream: https://github.com/streamlit/streamlit/blob/develop/lib/streamlit/runtime/scriptrunner_utils/script_run_context.py
    """
    context = get_script_run_ctx()
    return context is not None and bool(context.is_history_navigation)


def script_threads() -> list[threading.Thread]:
    """The threads that run a page's script or a part of it.

    They are daemons: Python does not wait for them when the server is stopped.

    When it changes: a server that is stopped while a page computes may end with "FATAL: exception
    not rethrown".

    Upstream: https://github.com/streamlit/streamlit/blob/develop/lib/streamlit/runtime/scriptrunner/script_runner.py
    """
    return [
        thread
        for thread in threading.enumerate()
        if getattr(thread, SCRIPT_RUN_CONTEXT_ATTR_NAME, None) is not None
    ]
