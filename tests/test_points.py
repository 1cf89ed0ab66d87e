"""Points that are random, typed or pasted."""

import numpy as np
import pytest

from amijax import load_problem
from amijax.problems.points import on_bounds, random_theta, read_text, read_value

PROBLEM = load_problem()


def test_random_points_are_seeded_and_within_bounds():
    points = [random_theta(PROBLEM, seed) for seed in range(20)]
    np.testing.assert_array_equal(points[3], random_theta(PROBLEM, 3))
    assert len({point.tobytes() for point in points}) == 20
    for point in points:
        assert (point >= PROBLEM.lower_theta).all()
        assert (point <= PROBLEM.upper_theta).all()


@pytest.mark.parametrize(("text", "value"), [("4.2", 4.2), (" 1e-3 ", 1e-3), ("-5", -5.0)])
def test_usable_values(text, value):
    assert read_value(PROBLEM, "k_phos", text) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "has no value"),
        ("", "has no value"),
        ("abc", "not a number"),
        ("1,5", "not a number"),
        ("nan", "not a finite"),
        ("inf", "not a finite"),
        ("5.001", "outside its bounds, -5 to 5 on log10 scale"),
        ("-6", "outside its bounds"),
    ],
)
def test_unusable_values_get_a_sentence(text, sentence):
    read = read_value(PROBLEM, "k_phos", text)
    assert isinstance(read, str)
    assert sentence in read


@pytest.mark.parametrize(
    "text",
    [
        "k_phos 4.2\nk_exp_homo -2",
        "k_phos=4.2\nk_exp_homo = -2",
        "k_phos, 4.2\nk_exp_homo;-2",
        "k_phos\t4.2\n\nk_exp_homo:\t-2",
        '{"k_phos": 4.2, "k_exp_homo": "-2"}',
    ],
)
def test_pasted_formats(text):
    reading = read_text(PROBLEM, text)
    assert reading.values == {"k_phos": 4.2, "k_exp_homo": -2.0}
    assert reading.complaints == ()


def test_pasted_linear_and_bare_values():
    reading = read_text(PROBLEM, "k_phos 100", linear=True)
    np.testing.assert_allclose(reading.values["k_phos"], 2.0)
    bare = "\n".join(map(repr, PROBLEM.nominal_theta.tolist()))
    assert list(read_text(PROBLEM, bare).values.values()) == list(PROBLEM.nominal_theta)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Nothing to read"),
        ("1 2 3", "3 bare values"),
        ("k_fos 1", "no such parameter"),
        ("k_phos 1 2", "not an id and one value"),
        ("k_phos x", "not a number"),
        ("k_phos 99", "outside its bounds"),
        ("{nope", "looks like JSON"),
    ],
)
def test_unusable_text_gets_a_sentence_and_loses_nothing(text, sentence):
    reading = read_text(PROBLEM, f"{text}\nk_exp_homo -2" if text.startswith("k_") else text)
    assert any(sentence in complaint for complaint in reading.complaints)
    if text.startswith("k_"):
        assert reading.values == {"k_exp_homo": -2.0}


def test_a_pasted_parameter_table_is_linear():
    table = PROBLEM.petab_problem.parameter_df.reset_index()
    table.loc[table["parameterId"] == "k_phos", "nominalValue"] = 100.0
    columns = ["parameterId", "parameterName", "parameterScale", "nominalValue", "estimate"]
    text = table[columns].to_csv(sep="\t", index=False)
    for linear in (False, True):
        reading = read_text(PROBLEM, text, linear=linear)
        assert reading.complaints == ()
        assert reading.values["k_phos"] == 2.0
        assert len(reading.values) == PROBLEM.n_parameters
    np.testing.assert_allclose(reading.values["k_exp_homo"], PROBLEM.nominal_theta[2])


def test_an_odd_parameter_table_gets_sentences():
    text = "parameterId nominalValue\nk_phos 100\nk_fos 1\nk_exp_homo x\nk_imp_homo"
    reading = read_text(PROBLEM, text)
    assert reading.values == {"k_phos": 2.0}
    told = " ".join(reading.complaints)
    for sentence in ("no such parameter", "“x” is not a number", "k_imp_homo has no nominalValue"):
        assert sentence in told


def test_which_parameters_sit_on_a_bound():
    theta = PROBLEM.nominal_theta.copy()
    assert list(np.flatnonzero(on_bounds(PROBLEM, theta))) == [1]  # k_exp_hetero, -4.9997
    theta[5] = 5.0
    np.testing.assert_array_equal(on_bounds(PROBLEM, theta)[[1, 5]], [-1, 1])
