"""What Streamlit's own options can't say of how the pages look."""

from __future__ import annotations

import streamlit as st

STAYS = "stays_in_view"  # key of a container that stays in view while the page scrolls below it
SIDES = "clamp(1rem, 2.5vw, 5rem)"  # room beside a page's contents
SIDEWAYS = "sideways"  # how keys of containers begin whose chart scrolls sideways where it must

# A multiselect hides what is beyond its third line. On a narrow screen Streamlit's header lies
# above the page. While a run takes long, Streamlit greys what it has not drawn again yet: numbers
# of the last point must not stand beside the new parameters at all; their place stays.
_SHEET = """<style>
.stMainBlockContainer { padding-left: %(sides)s; padding-right: %(sides)s; }
div:has(> [data-testid="stMultiSelectTagsContainer"]) { max-height: none; }
[data-testid="stLayoutWrapper"]:has(> .st-key-%(stays)s) {
  position: sticky; top: 0; z-index: 90; padding: 0.4rem 0;
  background: light-dark(%(light)s, %(dark)s);
}
[class*="st-key-%(sideways)s_"] { overflow-x: auto; }
[class*="st-key-%(sideways)s_"] > [data-testid="stElementContainer"] { min-width: 610px; }
[data-stale="true"] { opacity: 0 !important; transition: opacity 0.2s ease-in 0.6s !important; }
@media (max-width: 768px) {
  [data-testid="stLayoutWrapper"]:has(> .st-key-%(stays)s) { top: 3.7rem; }
}
</style>"""


def apply() -> None:
    """Apply it to the page."""
    colours = {
        scheme: st.get_option(f"theme.{scheme}.backgroundColor") for scheme in ("light", "dark")
    }
    st.html(_SHEET % {"stays": STAYS, "sideways": SIDEWAYS, "sides": SIDES, **colours})
