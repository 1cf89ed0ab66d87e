"""A Streamlit page with as many elements as the what-if page, and no computation."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

st.set_page_config(layout="wide")
with st.sidebar:
    st.markdown("### blank")
    st.caption("nothing is computed")
    st.selectbox("Problem", [f"problem {i}" for i in range(35)])
    st.caption("8 states")
    with st.expander("About"):
        st.markdown("text")
        st.markdown("text")
        st.caption("text")
    st.toggle("x64")
    with st.expander("Solver"):
        for name in ("rtol", "atol", "steps", "limit"):
            st.text_input(name)
        st.segmented_control("Sensitivities", ["auto", "forward", "adjoint"])
        st.button("Back")
        st.caption("text")
    with st.popover("Link"):
        st.markdown("text")
        st.code("http://localhost", language=None)
    st.divider()
    for i in range(5):
        st.caption(f"page {i}")
    st.caption("Version")
st.markdown("#### Blank")
summary = st.container()
left, right = st.columns([1, 2.4])
with left:
    with st.container(horizontal=True):
        st.button("a")
        st.button("b")
    st.multiselect("Sliders", list("abcdefghi"), default=list("abcdef"))
    values = [st.slider(name, -5.0, 5.0, 1.0, step=0.01, key=f"slider_{name}") for name in "abcdef"]
    with st.expander("All"):
        with st.container(horizontal=True):
            st.button("c")
            st.button("d")
            with st.popover("Paste"):
                st.markdown("text")
                st.text_area("Parameters")
                st.radio("Scale", ["one", "two"])
                st.button("Apply")
        st.data_editor(pd.DataFrame({name: [f"{i}" for i in range(9)] for name in "abcdefgh"}))
        st.caption("text")
with summary:
    for column, value in zip(st.columns(4), [values[-1], 1.0, 2.0, 3.0], strict=True):
        column.metric("number", f"{value:.9g}")
    st.caption("text")
with right:
    st.segmented_control("View", list("abcdef"), default="a")
    with st.container(horizontal=True):
        st.segmented_control("Show", ["observables", "states"], default="observables")
        st.toggle("log time")
        st.toggle("log values")
    st.multiselect("Observables", list("abc"), default=list("abc"))
    st.caption("text")
    figure = make_subplots(rows=1, cols=3, subplot_titles=list("abc"))
    times = np.linspace(0, 240, 215)
    for i in range(3):
        place = {"row": 1, "col": i + 1}
        for _ in range(4):
            figure.add_trace(go.Scatter(x=times, y=np.sin(times * values[-1])), **place)
        figure.add_trace(
            go.Scatter(
                x=times[::14], y=times[::14], mode="markers", error_y={"array": times[::14]}
            ),
            **place,
        )
    figure.update_layout(height=490)
    st.plotly_chart(figure, key="chart", height=490)
