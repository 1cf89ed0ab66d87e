"""The button that cancels work in the background."""

from __future__ import annotations

from typing import Any

import streamlit as st

from amijax.background import Job


def cancel_button(job: Job[Any], key: str) -> None:
    """Draw a button that cancels a job; once it was pressed, it says so until the job has ended.

    Args:
        job: one that goes on.
        key: of the button.
    """
    stops = job.is_stopping
    st.button(
        "Cancelling …" if stops else "Cancel",
        key=key, icon=":material/cancel:", on_click=job.cancel, disabled=stops,
        help="It ends with the step that it is at, such as a simulation." if stops else None,
    )  # fmt: skip
