"""Solver settings: whatever is asked for, there is a usable choice and a sentence for the rest."""

import json
import math
from dataclasses import asdict, fields, replace

import amici.sim.sundials as sundials
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amijax.simulation.run import solver_of
from amijax.simulation.settings import (
    FOLLOWING,
    MOST_STEPS,
    OPTIONS,
    SETTERS,
    SolverChoice,
    SolverSettings,
)
from amijax.simulation.settings_help import SETTING_HELP

NAMES = [field.name for field in fields(SolverChoice)]
ANYTHING = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.none())
    | st.sampled_from(["auto", "forward", " adjoint ", "newtonOnly", "1e-9", "1e400", b"1"])
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from([*NAMES, "theta"]), ANYTHING))
def test_whatever_is_asked_a_usable_choice_comes_of_it(values):
    choice, complaints = SolverChoice.read(values)
    for rung in choice.ladder():
        assert 0 < rung.rtol < math.inf
        assert 0 < rung.atol < math.inf
        assert 0 < rung.time_limit < math.inf
        assert isinstance(rung.max_steps, int)
        assert 1 <= rung.max_steps <= MOST_STEPS
    assert all(sentence.endswith(".") for sentence in complaints)
    assert len(complaints) <= len(NAMES)
    # What was complained of is at its default, and what remains is read again as it is.
    for sentence in complaints:
        name = sentence.split()[0]
        assert getattr(choice, name) == getattr(SolverChoice(), name)
    assert SolverChoice.read(asdict(choice)) == (choice, ())
    assert SolverChoice.read(json.loads(json.dumps(asdict(choice)))) == (choice, ())


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("max_steps", 1.5, "a whole number from 1 to 100,000,000, but is 1.5."),
        ("max_steps", "1.5", "a whole number"),
        ("max_steps", 99999999999999999999, "a whole number"),
        ("max_steps", 10**400, "a whole number"),
        ("max_steps", True, "a whole number"),
        ("max_steps", "1e19", "a whole number"),
        ("max_steps", 0, "a whole number"),
        ("rtol", "1e400", "a number above 0, but is inf."),
        ("rtol", -1, "a number above 0, but is -1."),
        ("rtol", "tiny", "a number above 0."),
        ("atol", "1_0", "a number above 0."),
        ("atol", "٣", "a number above 0."),
        ("atol", math.nan, "a number above 0"),
        ("time_limit", [1.0], "a number above 0."),
        ("sensitivities", "backward", "one of auto, forward, adjoint."),
        ("sensitivities", 1, "one of auto"),
        ("steady_state", "guess", "one of newtonOnly"),
        ("steady_state_sensitivities", ["newtonOnly"], "one of newtonOnly"),
        ("internal_sensitivity_method", "staggered2", "one of simultaneous, staggered, stag"),
        ("linear_solver", "diag", "one of KLU, dense"),
        ("rtol_fsa", 0, "a number above 0, but is 0."),
        ("atol_quadratures", "inf", "a number above 0."),
    ],
)
def test_what_cannot_be_used_gets_a_sentence_and_the_default(name, value, sentence):
    choice, complaints = SolverChoice.read({name: value, "rtol" if name != "rtol" else "atol": 0.1})
    (complaint,) = complaints
    assert complaint.startswith(f"{name} must be ")
    assert sentence in complaint
    assert getattr(choice, name) == getattr(SolverChoice(), name)
    assert 0.1 in (choice.rtol, choice.atol)  # the others stay as they were asked for


@pytest.mark.parametrize(
    ("values", "choice"),
    [
        ({}, SolverChoice()),
        ({"rtol": None, "atol": "", "max_steps": "  ", "time_limit": None}, SolverChoice()),
        ({"rtol": "1e-9", "atol": " .5 "}, SolverChoice(rtol=1e-9, atol=0.5)),
        ({"max_steps": "100.0"}, SolverChoice(max_steps=100)),
        ({"max_steps": np.int64(7), "rtol": np.float64(1e-3)}, SolverChoice(1e-3, max_steps=7)),
        ({"sensitivities": "adjoint ", "theta": "k:1"}, SolverChoice(sensitivities="adjoint")),
    ],
)
def test_what_can_be_used(values, choice):
    assert SolverChoice.read(values) == (choice, ())


@pytest.mark.parametrize(
    "values",
    [{"rtol": 0.0}, {"max_steps": 1.5}, {"sensitivities": "auto"}, {"steady_state": "guess"},
     {"rtol": "1e-8"}],
)  # fmt: skip
def test_settings_refuse_what_makes_no_sense(values):
    with pytest.raises(ValueError, match="must be"):
        SolverSettings(**values)


# Another value than AMICI's default for each of the rarer settings.
OTHERS = {
    name: OPTIONS[name][-1] if name in OPTIONS else 3e-7 * (i + 1) for i, name in enumerate(SETTERS)
}


def as_amici_has_it(model, settings, name):
    """What AMICI's solver says of a setting, by the getter beside the setter."""
    setter, options = SETTERS[name]
    value = getattr(solver_of(model, settings), setter.replace("set_", "get_", 1))()
    return getattr(sundials, options)(value).name if options else value


@pytest.mark.parametrize("name", SETTERS)
def test_amici_gets_each_setting_and_nothing_else(conversion, name):
    model = conversion.simulator.model
    changed = replace(SolverSettings(), **{name: OTHERS[name]})
    assert as_amici_has_it(model, changed, name) == OTHERS[name]
    for other in SETTERS.keys() - {name}:
        untouched = as_amici_has_it(model, SolverSettings(), other)
        assert as_amici_has_it(model, changed, other) == untouched
    assert changed.unusual == {name: OTHERS[name]}


def test_the_defaults_are_those_of_amici(conversion):
    model = conversion.simulator.model
    fresh = model.create_solver()
    for name, (setter, options) in SETTERS.items():
        value = getattr(fresh, setter.replace("set_", "get_", 1))()
        default = getattr(SolverSettings(), name)
        if options:
            assert getattr(sundials, options)(value).name == default
        elif default is not None:
            assert value == default
        else:
            factor = 100 if "steady_state" in name else 1
            assert value == pytest.approx(factor * getattr(SolverSettings(), name[:4]), rel=1e-15)
    assert SolverSettings().unusual == {}


def test_other_tolerances_keep_the_methods():
    every = SolverSettings(**OTHERS)
    tight = every.at(1e-12, 1e-15, max_steps=7)
    assert (tight.rtol, tight.atol, tight.max_steps) == (1e-12, 1e-15, 7)
    assert all(getattr(tight, name) is None for name in FOLLOWING)
    assert {name: getattr(tight, name) for name in OPTIONS} == {
        name: getattr(every, name) for name in OPTIONS
    }


def test_looser_settings_are_looser_in_all_that_is_given():
    assert SolverSettings().looser(10.0) == SolverSettings(rtol=1e-7, atol=1e-15)
    own = SolverSettings(rtol_fsa=1e-4, atol_steady_state=1e-6).looser(100.0)
    assert (own.rtol_fsa, own.atol_steady_state) == pytest.approx((1e-2, 1e-4), rel=1e-14)
    assert own.atol_fsa is None
    assert own.rtol_quadratures == SolverSettings().rtol_quadratures


def test_a_choice_of_settings_leaves_nothing_open():
    settings = SolverSettings(rtol=1e-7, atol=1e-9, sensitivities="adjoint", **OTHERS)
    choice = SolverChoice.of(settings)
    assert choice.ladder() == (settings,)
    assert SolverChoice.read(json.loads(json.dumps(asdict(choice)))) == (choice, ())


def test_settings_say_what_is_unusual_about_them():
    assert str(SolverSettings()) == "rtol 1e-08, atol 1e-16, forward sensitivities"
    odd = SolverSettings(internal_sensitivity_method="staggered", atol_fsa=1e-9)
    assert str(odd).endswith("forward sensitivities, staggered, atol_fsa 1e-09")


def test_each_rarer_setting_is_explained():
    assert list(SETTING_HELP) == list(SETTERS)
    assert SETTING_HELP["rtol_fsa"].default == "rtol"
    assert SETTING_HELP["atol_steady_state"].default == "100 times atol"
    assert SETTING_HELP["rtol_quadratures"].default == "1e-08"
