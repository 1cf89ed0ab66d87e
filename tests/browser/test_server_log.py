"""The look into servers' logs finds what it should; it needs no browser."""

import pytest
from server_log import troubles

QUIET = """2026-11-29 00:51:03.464 INFO streamlit.web.server: started on localhost:8711

  You can now view your Streamlit app in your browser.
"""


def test_a_quiet_log():
    assert troubles(QUIET) == []


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "ValueError: output array is read-only",
        "2026-11-29 00:53:13.952 ERROR streamlit.error_util: Uncaught app execution",
        "2026-11-29 00:53:13 WARNING streamlit.elements.lib.policies: The widget with key",
        "/x/y.py:3: DeprecationWarning: gone soon",
        "FATAL: exception not rethrown",
    ],
)
def test_trouble_is_found_with_its_surroundings(line):
    (found,) = troubles(f"{QUIET}{line}\nafter")
    assert line in found
    assert "in your browser" in found
    assert "after" in found


def test_a_click_that_another_one_overtook_is_no_trouble():
    line = (
        "2026-11-29 12:56:07.824 WARNING streamlit.runtime.scriptrunner.script_runner: "
        "Couldn't find fragment with id 3314c04b. This can happen if the fragment does not exist"
    )
    assert troubles(f"{QUIET}{line}\nafter") == []
