"""What each preset says is true when it is computed."""

import numpy as np
import pytest

from amijax import AmiciObjective, load_problem
from amijax.audit.jobs import audited
from amijax.auto import settle
from amijax.comparison import compare_precisions
from amijax.digits import digits
from amijax.sharing.links import link_query, read_link
from amijax.sharing.presets import list_presets, presets_for

PRESETS = {preset.preset_id: preset for preset in list_presets()}


def at(preset):
    """The comparisons at a preset, and the settled objective."""
    objective = AmiciObjective(load_problem(preset.problem))
    state = preset.state(objective.problem)
    settled = settle(objective, state.theta, state.choice)
    comparisons = compare_precisions(settled.objective, state.theta, amici=settled.evaluation)
    return comparisons[preset.precision], settled


def agreement(comparison):
    return digits(comparison.gradient_amici, comparison.gradient_jax)


def hardly_any_digit_of_some_entries_is_left():
    comparison, _ = at(PRESETS["at_the_optimum"])
    assert agreement(comparison).min() < 3
    # An optimum: the gradient is small beside what it is where one parameter is moved.
    moved, _ = at(PRESETS["off_the_optimum"])
    largest = np.abs(moved.gradient_amici).max()
    assert np.abs(comparison.gradient_amici).max() < 1e-3 * largest


def five_digits_or_more_agree():
    comparison, _ = at(PRESETS["off_the_optimum"])
    assert agreement(comparison).min() > 5


def some_signs_flip():
    comparison, _ = at(PRESETS["signs_flip"])
    assert (np.sign(comparison.gradient_amici) == -np.sign(comparison.gradient_jax)).any()


def both_agree_and_are_wrong():
    comparison, settled = at(PRESETS["amici_wrong_too"])
    assert agreement(comparison).min() > 12
    assert not settled.attempts  # AMICI's default tolerances
    audit = audited(settled.objective, comparison.theta, evaluation=settled.evaluation)
    assert audit.anything_wrong


CLAIMS = {
    "at_the_optimum": hardly_any_digit_of_some_entries_is_left,
    "off_the_optimum": five_digits_or_more_agree,
    "signs_flip": some_signs_flip,
    "amici_wrong_too": both_agree_and_are_wrong,
}


@pytest.mark.parametrize(
    "preset_id",
    [
        pytest.param(each, marks=[pytest.mark.collection] if each == "amici_wrong_too" else [])
        for each in CLAIMS
    ],
)
def test_what_it_says_is_true(preset_id, request):
    if preset_id == "amici_wrong_too":
        request.getfixturevalue("collection")
    CLAIMS[preset_id]()


def test_every_preset_is_computed():
    assert set(CLAIMS) == set(PRESETS)
    assert all(preset.look_at and preset.title for preset in PRESETS.values())


def test_a_preset_has_a_link():
    preset = PRESETS["off_the_optimum"]
    problem = load_problem(preset.problem)
    query = link_query(preset.state(problem), problem)
    reading = read_link(query, problem)
    assert reading.precision == "float32"
    assert reading.theta[problem.parameter_ids.index("k_phos")] == 4.0
    assert reading.notes == ()


def test_a_problem_s_own_come_first():
    own = [preset.preset_id for preset in presets_for("Robertson_Stiff")]
    assert own == ["signs_flip", "at_the_optimum", "amici_wrong_too"]
    assert [p.preset_id for p in presets_for("Boehm_JProteomeRes2014")] == list(PRESETS)
