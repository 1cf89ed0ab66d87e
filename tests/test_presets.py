"""What each preset says is true when it is computed."""

import numpy as np
import pytest

from amijax import AmiciObjective, SolverSettings, load_problem
from amijax.audit.jobs import audited
from amijax.auto import settle
from amijax.comparison import compare_precisions
from amijax.digits import digits
from amijax.sharing.links import asks_for_no_repair, link_query, read_link
from amijax.sharing.presets import list_presets, presets_for

PRESETS = {preset.preset_id: preset for preset in list_presets()}


def at(preset):
    """The comparisons at a preset, and the settled objective."""
    objective = AmiciObjective(load_problem(preset.problem, repair=preset.repair))
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


def a_tight_tolerance_mends_the_gradient():
    comparison, settled = at(PRESETS["agreement_is_not_accuracy"])
    assert (comparison.gradient_rel_diff == 0).all()
    tight = AmiciObjective(
        settled.objective.problem, SolverSettings(rtol=1e-12), model=settled.objective.model
    )
    audit = audited(tight, comparison.theta)
    assert [entry.verdict for entry in audit.gradient] == ["right"] * 5
    ratio = comparison.gradient_amici[:4] / [entry.value for entry in audit.gradient[:4]]
    assert (ratio > 2).all(), ratio


def no_tolerance_mends_two_entries():
    comparison, settled = at(PRESETS["tight_is_not_right"])
    assert not comparison.repair
    assert settled.objective.solver.rtol == 1e-12
    audit = audited(settled.objective, comparison.theta, evaluation=settled.evaluation)
    entries = audit.entries
    assert entries["ligand_stock"].value == 0
    assert entries["ligand_stock"].verdict == entries["dilution"].verdict == "wrong"
    assert 0.2 < entries["dilution"].value / entries["dilution"].witness_value < 0.3


CLAIMS = {
    "at_the_optimum": hardly_any_digit_of_some_entries_is_left,
    "off_the_optimum": five_digits_or_more_agree,
    "signs_flip": some_signs_flip,
    "agreement_is_not_accuracy": a_tight_tolerance_mends_the_gradient,
    "tight_is_not_right": no_tolerance_mends_two_entries,
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
    assert own == [
        "signs_flip", "at_the_optimum", "amici_wrong_too", "agreement_is_not_accuracy",
        "tight_is_not_right",
    ]  # fmt: skip
    assert [p.preset_id for p in presets_for("Boehm_JProteomeRes2014")] == list(PRESETS)


@pytest.mark.parametrize("preset_id", PRESETS)
def test_a_preset_s_query_leads_there_without_its_problem(preset_id, request):
    preset = PRESETS[preset_id]
    if preset_id == "amici_wrong_too":
        request.getfixturevalue("collection")
    problem = load_problem(preset.problem, repair=preset.repair)
    reading, state = read_link(preset.query, problem), preset.state(problem)
    assert reading.notes == ()
    np.testing.assert_array_equal(reading.theta, state.theta)
    assert (reading.precision, reading.choice) == (state.precision, state.choice)
    assert asks_for_no_repair(preset.query) == (not preset.repair)
