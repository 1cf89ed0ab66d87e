"""What Streamlit knows and does not promise to tell."""

from __future__ import annotations

from streamlit.runtime.scriptrunner import get_script_run_ctx


def is_history_navigation() -> bool:
    """Whether this run began with the browser's back or forward.

    When it changes: back and forward no longer restore a point.

    Upstream: https://github.com/streamlit/streamlit/blob/develop/lib/streamlit/runtime/scriptrunner_utils/script_run_context.py
    """
    context = get_script_run_ctx()
    return context is not None and bool(context.is_history_navigation)
