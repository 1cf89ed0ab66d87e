"""What Streamlit knows and does not promise to tell."""

from __future__ import annotations

import threading

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import SCRIPT_RUN_CONTEXT_ATTR_NAME


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
