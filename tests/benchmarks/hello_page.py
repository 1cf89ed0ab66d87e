"""The smallest Streamlit page with a table, to compare the first page's start with."""

import pandas as pd
import streamlit as st

st.markdown("#### Hello")
st.data_editor(pd.DataFrame({"value": [1.0, 2.0]}, index=["a", "b"]))
st.metric("llh", "0")
