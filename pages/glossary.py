"""Glossary: the words on the pages, and where they are defined."""

import streamlit as st

from amijax.ui.glossary import show
from amijax.ui.page import begin

begin("Glossary")
st.markdown("#### Glossary")
show()
