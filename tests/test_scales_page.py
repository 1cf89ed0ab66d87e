"""Scales of theta on the page: chosen, in the address, and the same point as before."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from amijax import load_problem

APP = Path(__file__).parents[1] / "app.py"
NAME = "Inhibited_Conversion"


def opened(**query):
    page = AppTest.from_file(str(APP), default_timeout=100)
    page.query_params.update({"problem": NAME, "x64": "true", **query})
    page.run()
    assert not page.exception
    return page


def test_all_parameters_go_to_another_scale_at_the_same_point(objective_of):
    objective_of(NAME)  # compiled beforehand
    page = opened(theta="")
    session = page.session_state["amijax_session"]
    problem = load_problem(NAME)
    moved = problem.theta_from({"k1": 0.7}, linear=True)
    session.move_to(moved)
    page.run()
    page.button(key="scales_lin").click().run()
    assert not page.exception
    linear = load_problem(NAME, scales="lin")
    assert session.scales == {NAME: linear.chosen_scales}
    np.testing.assert_allclose(session.theta, problem.linear(moved))
    assert page.query_params["scales"] == "lin"
    page.button(key="scales_Default").click().run()
    assert "scales" not in page.query_params
    np.testing.assert_allclose(session.theta, moved)


@pytest.mark.parametrize(
    ("scales", "k1"), [("lin", "lin"), ("k1:log", "log"), ("k9:lin", "log10"), ("x", "log10")]
)
def test_an_address_has_scales(scales, k1, objective_of):
    objective_of(NAME)
    page = opened(scales=scales)
    session = page.session_state["amijax_session"]
    found = load_problem(NAME, scales=session.scales.get(NAME))
    assert found.scales[0] == k1
    refused = [w.value for w in page.warning if "scales of theta" in w.value]
    assert bool(refused) == (scales == "k9:lin")


def test_problems_with_scales_of_their_own_have_no_choice(objective_of):
    objective_of("Conversion_Reaction")
    page = opened(problem="Conversion_Reaction")
    assert "scales_lin" not in [button.key for button in page.button]
