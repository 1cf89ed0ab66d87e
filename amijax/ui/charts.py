"""Drawing a figure on a page: scrollable where it is tall or wide, and to be taken away."""

from __future__ import annotations

from typing import Any

import streamlit as st

from amijax.figures import web_page
from amijax.ui import style
from amijax.ui.session import current

_TALL = 760


def draw(figure: Any, key: str, alt: str, at: tuple[str, ...] = ()) -> None:
    """Draw a figure, with a button that downloads it as a web page, which saves PNG and SVG.

    Args:
        figure: plotly's, with its height set.
        key: of the chart.
        alt: what it shows, for those who can't see it; the exported figure's title.
        at: lines below that title: the point, the solver's settings.
    """
    height = int(figure.layout.height)
    several = len(list(figure.select_xaxes())) > 1
    with (
        st.container(height=_TALL if height > _TALL else "content", border=False),
        st.container(key=f"{style.SIDEWAYS}_{key}" if several else f"{key}_place"),
    ):
        # The camera saves what is seen; what is to be shown elsewhere needs a title.
        st.plotly_chart(
            figure, key=key, height=height, alt=alt,
            config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage"]},
        )  # fmt: skip
    download(figure, key, alt, at)


def download(figure: Any, key: str, alt: str, at: tuple[str, ...] = ()) -> None:
    """A button that downloads a figure as an interactive web page.

    Args:
        figure: plotly's.
        key: of the chart.
        alt: what it shows: the exported figure's title.
        at: lines below that title: the point, the solver's settings.
    """
    name = key.removesuffix("_chart")
    title = f"{current().name}: {alt}"
    st.download_button(
        "HTML, PNG, SVG", lambda: web_page(figure, title, at, f"{current().name}_{name}"),
        file_name=f"{name}.html", mime="text/html", key=f"{key}_html",
        on_click="ignore", icon=":material/download:", type="tertiary",
        help="This figure, with problem, point and date, as an interactive web page that needs no "
        "network; its buttons save it as PNG or SVG",
    )  # fmt: skip
