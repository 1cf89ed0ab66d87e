"""About: what is computed, in which terms, and where files are kept."""

import streamlit as st

from amijax.ui.about import show
from amijax.ui.page import begin

begin("About")
st.markdown("#### About amijax")
show()
