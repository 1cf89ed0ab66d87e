"""The bit view without a browser: typing, stepping, and what it does to the point."""

import numpy as np
from streamlit.testing.v1 import AppTest

from amijax.bit_patterns import next_float32
from amijax.problems import load_problem
from amijax.ui.bits_of_parameter import what_it_does


def script():
    import streamlit as st

    from amijax.ui.bit_view import bit_view

    theta = st.session_state.setdefault("theta", 4.1977)
    new = bit_view(theta, key="bits", lower=-5.0, upper=5.0)
    if new != theta:
        st.session_state["theta"] = new
        st.rerun()


def opened():
    app = AppTest.from_function(script, default_timeout=60).run()
    assert not app.exception
    return app


def test_the_neighbouring_float32_are_gone_to():
    app = opened()
    app.button(key="bits_step_1").click().run()
    above = next_float32(4.1977, 1)
    assert app.session_state["theta"] == above
    assert "float32 holds this number exactly" in app.caption[0].value
    app.button(key="bits_step_-1").click().run()
    assert app.session_state["theta"] == float(np.nextafter(np.float32(above), np.float32(0)))
    assert not app.exception


def test_a_value_is_typed():
    app = opened()
    app.text_input[0].set_value("-1.5").run()
    assert app.session_state["theta"] == -1.5
    assert app.text_input[0].value == "-1.5"
    for text, sentence in (
        ("many", "not a number"),
        ("7", "outside the bounds"),
        ("inf", "finite"),
    ):
        app.text_input[0].set_value(text).run()
        assert sentence in app.warning[0].value
        assert app.session_state["theta"] == -1.5
        assert not app.exception


def test_what_it_does_is_said_in_numbers():
    problem = load_problem("Boehm_JProteomeRes2014")
    i = problem.parameter_ids.index("k_phos")
    theta = float(problem.nominal_theta[i])
    rounded = float(np.float32(theta))
    moved = abs(10 ** (rounded - theta) - 1)
    words = what_it_does(problem, i, theta)
    assert f"{moved:.1e}" in words
    assert "(nominal)" in words
    assert "nominal +0.5" in what_it_does(problem, i, theta + 0.5)
