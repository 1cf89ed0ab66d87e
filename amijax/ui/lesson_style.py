"""How the lesson looks, and how on a projector: large type, no sidebar, nothing side by side."""

from __future__ import annotations

from typing import Any

import streamlit as st

# Of the page's type on a projector, which grows with the window: 16 pixels otherwise.
_LARGE_TYPE = "clamp(20px, 1.72vw, 30px)"
_LARGE_FIGURE = 18  # of a figure's type
_TALLER = 1.25  # a figure with large type

_STYLE = """<style>
.stMainBlockContainer { padding-top: 1rem; }
.st-key-lesson { max-width: 76rem; margin: 0 auto; gap: 0.6rem; }
.st-key-lesson_claim p { font-size: 1.35rem; line-height: 1.4; font-weight: 600; }
.st-key-lesson h4 { font-size: 1.7rem; }
.st-key-lesson_question p { font-size: 1.15rem; line-height: 1.45; }
.st-key-lesson_guesses button p { white-space: normal; text-align: left; }
.st-key-lesson_contrast_claim p { font-weight: 600; }
</style>"""
_PROJECTOR = """<style>
html { font-size: %(type)s; }
[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"], [data-testid="stHeader"] {
  display: none;
}
.stMainBlockContainer { padding: 0.8rem 2rem 3rem; max-width: none; }
.st-key-lesson { max-width: none; }
.st-key-lesson [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) {
  flex-direction: column;
}
.st-key-lesson [data-testid="stColumn"] { width: 100%%; flex: 1 1 auto; }
</style>"""
_TO_TOP = """<script data-step="%s">
document.querySelector("[data-testid='stMain']")?.scrollTo(0, 0);
</script>"""


def apply(projector: bool) -> None:
    """Apply it to the page."""
    st.html(_STYLE)
    if projector:
        st.html(_PROJECTOR % {"type": _LARGE_TYPE})


def begin_at_the_top(step: str) -> None:
    """Let a step that is turned to begin at its top, wherever the last one was scrolled to."""
    st.html(_TO_TOP % step, unsafe_allow_javascript=True)


def enlarge(figure: Any) -> None:
    """Give a figure the type of a projector.

    Args:
        figure: plotly's, with its height set.
    """
    figure.update_layout(
        font={"size": _LARGE_FIGURE}, legend={"font": {"size": _LARGE_FIGURE}},
        height=int(_TALLER * figure.layout.height),
    )  # fmt: skip
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont={"size": _LARGE_FIGURE}, title={"font": {"size": _LARGE_FIGURE}})
    figure.update_annotations(font={"size": _LARGE_FIGURE})
    for trace in figure.data:
        if "line" in trace and trace.line.width:
            trace.line.width = 1.5 * trace.line.width
