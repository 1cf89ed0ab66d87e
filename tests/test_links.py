"""Links: the same state again to the last bit, and a sentence for everything else."""

import math
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amijax import SolverChoice, load_problem
from amijax.sharing.links import (
    LessonView,
    LinkError,
    State,
    asks_for_no_repair,
    link_address,
    link_query,
    needed_upload,
    nominal_digest,
    number_text,
    read_lesson,
    read_link,
)

PROBLEM = load_problem()
N = PROBLEM.n_parameters
KEYS = ["theta", "x64", "problem", "rtol", "atol", "max_steps", "time_limit", "sensitivities",
        "steady_state", "steady_state_sensitivities", "upload", "linear_solver",
        "rtol_fsa"]  # fmt: skip

coordinates = st.floats(-5, 5, allow_nan=False, allow_subnormal=True)
positive = st.none() | st.floats(1e-300, 1e300)
choices = st.builds(
    SolverChoice,
    rtol=positive,
    atol=positive,
    max_steps=st.none() | st.integers(1, 10**8),
    time_limit=st.floats(1e-3, 1e9),
    sensitivities=st.sampled_from(["auto", "forward", "adjoint"]),
    steady_state=st.sampled_from(["newtonOnly", "integrationOnly", "integrateIfNewtonFails"]),
    internal_sensitivity_method=st.sampled_from(["simultaneous", "staggered", "staggered1"]),
    atol_fsa=positive,
    rtol_quadratures=st.floats(1e-300, 1e300),
)


def bits(theta):
    return np.asarray(theta, dtype=np.float64).tobytes()


def is_nominal(theta):
    return bits(theta) == bits(PROBLEM.nominal_theta)


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.none() | coordinates, min_size=N, max_size=N),
    st.sampled_from(["float32", "float64"]),
    choices,
    st.sampled_from(["", "0123456789abcdef" * 2]),
)
def test_a_link_gives_the_same_state_to_the_last_bit(moved, precision, choice, upload):
    theta = np.array(
        [n if m is None else m for m, n in zip(moved, PROBLEM.nominal_theta, strict=True)]
    )
    state = State("Boehm_JProteomeRes2014", theta, precision, choice, "what_if", upload)
    address = link_address("http://localhost:8501/", state, PROBLEM)
    parts = urlsplit(address)
    assert parts.path == "/what_if"
    query = dict(parse_qsl(parts.query, strict_parsing=True))
    assert query == link_query(state, PROBLEM)
    found = read_link(query, PROBLEM)
    assert found.notes == ()
    assert bits(found.theta) == bits(theta)
    assert found.precision == precision
    assert found.choice == choice
    assert query["problem"] == state.problem
    assert query.get("upload", "") == upload


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=200)))
def test_whatever_is_in_a_link_it_is_read(query):
    found = read_link(query, PROBLEM)
    assert found.theta.shape == (N,)
    assert np.isfinite(found.theta).all()
    assert (found.theta >= PROBLEM.lower_theta).all()
    assert (found.theta <= PROBLEM.upper_theta).all()
    assert is_nominal(found.theta) or not any("nominal" in note for note in found.notes)
    assert isinstance(found.choice, SolverChoice)
    needed_upload(query, ())


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_link_is_read_or_refused_whole(data):
    """Change, drop or insert characters in a good link: a usable state, or the nominal one."""
    theta = PROBLEM.nominal_theta.copy()
    theta[[0, 5]] = [-1.25, 4.2]
    text = list(link_query(State("p", theta), PROBLEM)["theta"])
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(text) - 1))
        text[i] = data.draw(st.text(alphabet="eE+-.,:~0123456789_x nai\x00é", max_size=2))
    found = read_link({"theta": "".join(text)}, PROBLEM)
    assert is_nominal(found.theta) or not found.notes
    assert np.isfinite(found.theta).all()


def test_a_link_can_be_read_by_a_person():
    theta = PROBLEM.theta_from({"k_phos": 4.2, "k_exp_homo": -3.0})
    query = link_query(State("Boehm_JProteomeRes2014", theta), PROBLEM)
    assert set(query) == {"problem", "theta"}  # nothing else differs from its default
    pairs, digest = query["theta"].split("~")
    assert pairs == "k_exp_homo:-3,k_phos:4.2"
    assert digest == nominal_digest(PROBLEM)
    assert link_query(State("p", PROBLEM.nominal_theta), PROBLEM) == {"problem": "p"}
    by_hand = read_link({"theta": "k_phos:4.2,k_exp_homo:-3"}, PROBLEM)
    assert bits(by_hand.theta) == bits(theta)


@pytest.mark.parametrize(
    ("theta", "sentence"),
    [
        ("k_fos:1", "k_fos, which is no free parameter"),
        ("ratio:1", "ratio, which is no free parameter"),  # fixed by the parameter table
        ("k_phos:5.1", "outside its bounds"),
        ("k_phos:nan", "not an id and a number"),
        ("k_phos:1e400", "not a finite number"),
        ("k_phos:1,k_phos:1", "twice"),
        ("k_phos", "not an id and a number"),
        ("k_phos:1_0", "not an id and a number"),
        ("k_phos:٣", "not an id and a number"),
        ("__import__('os').system('x'):1", "not an id and a number"),
        ("[click](http://evil):1", "not an id and a number"),
        ("k_phos:1~00000000", "other nominal values"),
        ("k_phos:1" + "0" * 40_000, "more than 30000 characters"),
        (",", "not an id and a number"),
    ],
)
def test_unusable_parameters_get_a_sentence_and_nominal(theta, sentence):
    found = read_link({"theta": theta}, PROBLEM)
    assert is_nominal(found.theta)
    assert any(sentence in note for note in found.notes), found.notes
    assert any("nominal values." in note for note in found.notes)
    assert "evil" not in " ".join(found.notes)
    assert all(note.endswith(".") for note in found.notes)


def test_many_complaints_are_few_sentences():
    found = read_link({"theta": ",".join(f"x{i}:1" for i in range(50))}, PROBLEM)
    assert len(found.notes) == 5
    assert "47 more" in found.notes[3]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"x64": "maybe"}, "neither true nor false"),
        ({"rtol": "tiny"}, "rtol must be a number above 0"),
        ({"rtol": "-1"}, "rtol must be"),
        ({"max_steps": "1e999"}, "max_steps must be a whole number"),
        ({"max_steps": "1.5"}, "max_steps must be a whole number"),
        ({"sensitivities": "backward"}, "sensitivities must be one of auto, forward, adjoint"),
        ({"steady_state": "guess"}, "steady_state must be one of"),
    ],
)
def test_unusable_settings_get_a_sentence_and_the_default(query, sentence):
    found = read_link(query, PROBLEM)
    assert sentence in found.notes[0]
    assert found.choice == SolverChoice()
    assert found.precision == "float64"


def test_nominal_values_that_changed_are_noticed():
    text = link_query(State("p", PROBLEM.nominal_theta + 0.01), PROBLEM)["theta"]
    later = replace(PROBLEM)
    later.__dict__["nominal_p"] = PROBLEM.nominal_p * 1.5
    found = read_link({"theta": text}, later)
    assert is_nominal(found.theta)
    assert "other nominal values" in found.notes[0]


def test_too_many_parameters_for_an_address():
    ids = tuple(f"parameter_{i}" for i in range(2000))
    many = replace(PROBLEM, parameter_ids=ids, scales=("lin",) * 2000, nominal_theta=np.zeros(2000))
    many.__dict__["nominal_p"] = np.zeros(2000)
    with pytest.raises(LinkError, match="snapshot"):
        link_query(State("p", np.full(2000, math.pi)), many)


def test_an_upload_that_is_needed():
    query = {"problem": "mine", "upload": "true"}
    assert "mine" in needed_upload(query, ("Boehm_JProteomeRes2014",))
    assert needed_upload(query, ("mine",)) is None
    assert needed_upload({"problem": "mine"}, ()) is None
    assert "<b>" not in needed_upload({"problem": "<b>x</b>", "upload": "true"}, ())


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(derandomize=True)
def test_numbers_are_short_and_exact(value):
    text = number_text(value)
    assert "+" not in text
    assert bits(float(text)) == bits(value)


@pytest.mark.parametrize(
    "view", [LessonView(), LessonView(4), LessonView(7, own=True), LessonView(9, True, True)]
)
def test_a_step_of_the_lesson_has_a_link(view):
    state = State(PROBLEM.problem_id, PROBLEM.nominal_theta, page="lesson", lesson=view)
    address = link_address("http://localhost:8501", state, PROBLEM)
    assert "/lesson?" in address
    assert read_lesson(dict(parse_qsl(urlsplit(address).query))) == view


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ({}, LessonView()),
        ({"step": "x"}, LessonView()),
        ({"step": "0"}, LessonView()),
        ({"step": "-3"}, LessonView()),
        ({"step": "٣"}, LessonView()),
        ({"step": "12"}, LessonView(12)),  # the page takes its last one
        ({"step": "2", "own": "yes", "projector": "1"}, LessonView(2)),
        ({"problem": "any"}, LessonView(1, own=True)),
        ({"problem": "any", "step": "3"}, LessonView(3)),
    ],
)
def test_what_an_address_says_of_the_lesson(query, view):
    assert read_lesson(query) == view


def test_other_pages_say_nothing_of_the_lesson():
    query = link_query(State(PROBLEM.problem_id, PROBLEM.nominal_theta), PROBLEM)
    assert not {"step", "own", "projector"} & set(query)


def test_a_link_says_that_the_repair_is_off():
    problem = load_problem("Constant_Ligand", repair=False)
    state = State(problem.problem_id, problem.nominal_theta, repair=problem.repair)
    query = link_query(state, problem)
    assert query == {"problem": "Constant_Ligand", "repair": "false"}
    assert asks_for_no_repair(query)
    assert read_link(query, problem).notes == ()
    assert not asks_for_no_repair({"problem": "Constant_Ligand"})
    assert not asks_for_no_repair({"repair": "perhaps"})
    assert "repaired" in read_link({"repair": "perhaps"}, problem).notes[0]
