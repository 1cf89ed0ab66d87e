"""Drawing a figure on a page: scrollable where it is tall, and to be taken away."""

from __future__ import annotations

from typing import Any

import streamlit as st

_TALL = 640


def draw(figure: Any, key: str, alt: str) -> None:
    """Draw a figure, with a button that downloads it as an interactive web page.

    Args:
        figure: plotly's, with its height set.
        key: of the chart.
        alt: what it shows, for those who can't see it.
    """
    height = int(figure.layout.height)
    tall = height > _TALL
    with st.container(height=_TALL if tall else "content", border=False):
        st.plotly_chart(figure, key=key, height=height, config={"displaylogo": False}, alt=alt)
    download(figure, key)


def download(figure: Any, key: str) -> None:
    """A button that downloads a figure as an interactive web page."""
    st.download_button(
        "HTML", lambda: figure.to_html(include_plotlyjs=True, full_html=True),
        file_name=f"{key.removesuffix('_chart')}.html", mime="text/html", key=f"{key}_html",
        on_click="ignore", icon=":material/download:", type="tertiary",
        help="This figure as an interactive web page that needs no network",
    )  # fmt: skip
