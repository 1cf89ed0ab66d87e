"""Neutral ids: no name of a problem means something else to AMICI, C++, SymPy or Python."""

import re

import numpy as np
import pytest
from petab_files import tiny_problem
from small_problems import Case, Event, Model

from amijax import AmiciObjective, load_problem
from amijax.models.neutral_ids import with_own_ids
from amijax.models.source import model_source

# AMICI's default tolerances (rtol 1e-8 per step) leave 1e-6 of a state.
LLH, GRADIENT = 1e-5, 1e-4

# What the words of the problem below become: AMICI's own names and those that it makes of others'
# (t, k, p, x, w, h, tcl_A, flux_r0, sigma_obs), SymPy's (E, pi, S, I), keywords of C++ and Python.
ODD = {
    "C": "int", "A": "t", "B": "tcl_A", "F": "flux_r0", "r0": "x", "r1": "w", "e0": "h",
    "a0": "E", "k1": "k", "k2": "p", "k3": "lambda", "k4": "pi", "k5": "class", "k6": "sigma_obs",
    "k7": "S", "k8": "I", "o1": "obs", "o2": "y", "c": "dxdotdw",
}  # fmt: skip


def states(p, t):
    """A decays into B, which decays; k7 more of A at time 2."""
    k1, k2 = p["k1"], p["k2"]

    def since(start, a, b, t):
        s = t - start
        gone = np.exp(-k2 * s)
        return a * np.exp(-k1 * s), b * gone + a * k1 / (k2 - k1) * (np.exp(-k1 * s) - gone)

    if t < 2:
        return since(0, p["a0"], 0.0, t)
    a, b = since(0, p["a0"], 0.0, 2)
    return since(2, a + p["k7"], b, t)


def observed(p, t):
    a, b = states(p, t)
    return {"o1": p["k5"] * a + p["k6"], "o2": p["k3"] * b + p["k4"] + p["k8"] * t}


CASE = Case(
    Model(
        species={"A": "a0", "B": 0.0},
        parameters={"a0": 1.0, "k1": 1.0, "k2": 1.0, "k3": 1.0, "k4": 0.0, "k7": 1.0, "F": 0.0},
        reactions=[("A", "B", "k1*A"), ("B", "", "k2*B")],
        rules={"F": "k3*B + k4"},
        events=[Event("time >= 2", {"A": "A + k7"})],
    ),
    {
        "a0": ("log10", 2.0), "k1": ("log10", 0.4), "k2": ("lin", 0.7), "k3": ("log10", 1.5),
        "k4": ("lin", 0.3), "k5": ("log10", 0.8), "k6": ("lin", -0.2), "k7": ("log10", 1.2),
        "k8": ("lin", 0.05),
    },
    observed,
    {"o1": "k5 * A + k6", "o2": "F + k8 * time"},
)  # fmt: skip


def renamed(folder):
    """The problem with the odd ids in all its files."""
    path = CASE.write(folder)
    words = "|".join(ODD)
    for file in folder.iterdir():
        text = file.read_text()
        edges = ('(?<=["> ])', '(?=["< ])') if file.suffix == ".xml" else (r"\b", r"\b")
        pattern = f"{edges[0]}({words}){edges[1]}"
        file.write_text(re.sub(pattern, lambda match: ODD[match[1]], text))
    return load_problem(path)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The objective of the problem with the odd ids."""
    return AmiciObjective(renamed(tmp_path_factory.mktemp("odd")))


def test_odd_ids_change_no_number(odd):
    assert odd.problem.parameter_ids == tuple(ODD[name] for name in CASE.estimated)
    evaluation = odd.evaluate(CASE.nominal)
    assert evaluation.failure is None
    assert evaluation.llh == pytest.approx(CASE.llh(CASE.nominal), rel=LLH)
    np.testing.assert_allclose(evaluation.gradient, CASE.gradient(), rtol=GRADIENT)


def test_people_see_their_own_ids(odd):
    plan, model = odd.simulator.plan, odd.simulator.model
    seen = {plan.own_ids[name] for name in model.get_free_parameter_ids()}
    assert seen == {ODD[name] for name in CASE.estimated}
    assert [plan.own_ids[name] for name in model.get_state_ids()] == ["t", "tcl_A"]
    assert [observable.label for observable in plan.observables] == ["obs", "y"]
    assert [simulation.label for simulation in plan.simulations] == ["dxdotdw"]


def test_the_compiled_model_is_the_same_whatever_the_ids(odd, tmp_path):
    plain = load_problem(CASE.write(tmp_path))
    assert model_source(plain).files == model_source(odd.problem).files
    assert model_source(plain).key == odd.model.key


def test_each_id_has_a_neutral_one_of_its_own(odd):
    own_ids = odd.simulator.plan.own_ids
    assert len(set(own_ids.values())) == len(own_ids)
    assert all(re.fullmatch(r"[a-z]_\d+", name) for name in own_ids)


def test_messages_get_the_user_s_ids():
    own = {"s_1": "A", "s_10": "B", "p_0": "s_1"}
    text = "ds_1/dt: s_1 s_10*p_0, s_2 (xs_1, s_1x, s_1_0) 's_1' s_1."
    assert with_own_ids(text, own) == "ds_1/dt: A B*s_1, s_2 (xs_1, s_1x, s_1_0) 'A' A."


def test_ids_that_look_neutral_are_mapped_like_others(tmp_path):
    problem = tiny_problem(tmp_path)
    folder = problem.source.parent
    for name in ("model.xml", "parameters.tsv"):
        text = (folder / name).read_text()
        (folder / name).write_text(re.sub(r"\bkd\b", "s_0", text))
    problem = load_problem(problem.source)
    plan = model_source(problem).plan
    assert plan.own_ids["p_0"] == "s_0"
    assert plan.own_ids["s_0"] == "A"
    assert plan.simulations[0].values["p_0"][1].position == 0
