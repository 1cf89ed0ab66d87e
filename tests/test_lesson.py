"""The lesson's results: against closed forms, AMICI and JAX directly, and the sentences on them."""

from dataclasses import replace

import closed_form
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from amijax import AmiciObjective, JaxObjective, SolverChoice, load_problem
from amijax.digits import digits
from amijax.lesson import (
    EXERCISE_MINUTES,
    EXERCISES,
    PLANS,
    STEPS,
    Exemplar,
    Here,
    Question,
    accuracy,
    cancellation,
    chain_rule,
    gradient_step,
    one_number,
    places,
    signs,
    step_of,
    tight,
    two_precisions,
    work,
)
from amijax.lesson.here import silent
from amijax.lesson.studied import study_of
from amijax.problems import list_problems

EMBEDDED = tuple(info.problem_id for info in list_problems() if info.source == "embedded")


def here_of(objective, theta=None):
    nominal = objective.problem.nominal_theta
    return Here.at(objective, nominal if theta is None else theta, SolverChoice())


def in_float32(objective, theta):
    """Llh and gradient by JAX itself, from float32 parameters."""
    return jax.value_and_grad(JaxObjective(objective))(jnp.asarray(theta, dtype=jnp.float32))


@pytest.fixture(scope="module")
def at_boehm(boehm):
    return here_of(boehm)


@pytest.fixture(scope="module")
def at_conversion(conversion):
    return here_of(conversion)


@pytest.fixture(scope="module")
def at_robertson(objective_of):
    return here_of(objective_of("Robertson_Stiff"))


@pytest.fixture(scope="module")
def truth(conversion):
    """The conversion reaction's gradient at nominal, in closed form."""
    problem = conversion.problem
    return closed_form.llh_and_gradient(problem.nominal_theta, problem.measurements)[1]


def test_one_number_is_llh_and_its_change(at_conversion):
    found = one_number.compute(at_conversion, silent)
    theta = at_conversion.theta.copy()
    theta[found.position] += found.step
    table = at_conversion.problem.measurements
    before, gradient = closed_form.llh_and_gradient(at_conversion.theta, table)
    after, _ = closed_form.llh_and_gradient(theta, table)
    # AMICI's default tolerances leave 7 digits of these numbers.
    assert found.llh == pytest.approx(before, rel=1e-6)
    assert found.change == pytest.approx(after - before, rel=1e-5)
    assert found.foretold == pytest.approx(gradient[found.position] * found.step, rel=1e-5)
    assert found.answer == (0.0 if after > before else 1.0)


def test_the_parameter_that_is_moved_moves_llh_most(at_conversion):
    found = one_number.compute(at_conversion, silent)
    table = at_conversion.problem.measurements
    start = closed_form.llh_and_gradient(at_conversion.theta, table)[0]
    # As `standard_steps` says: a tenth of a decade, or of the value.
    sizes = {"log10": 0.1, "log": 0.1 * np.log(10)}
    changes = []
    for i, scale in enumerate(closed_form.SCALES):
        both = []
        for sign in (1, -1):
            theta = at_conversion.theta.copy()
            theta[i] += sign * sizes.get(scale, 0.1 * abs(theta[i]))
            both.append(abs(closed_form.llh_and_gradient(theta, table)[0] - start))
        changes.append(max(both))
    assert found.position == int(np.argmax(changes))


def test_the_chain_rule_is_that_of_the_closed_form(at_conversion, truth):
    found = chain_rule.compute(at_conversion, silent)
    slope = closed_form.derivative_of_unscale(at_conversion.theta)
    np.testing.assert_allclose(found.slope, slope, rtol=1e-14)
    # AMICI's default tolerances leave 6 digits.
    np.testing.assert_allclose(found.linear_gradient, truth / slope, rtol=1e-5)
    assert abs(np.log(slope[found.position])) == np.abs(np.log(slope)).max()
    assert found.answer == (0.0 if slope[found.position] > 1 else 2.0)


@pytest.mark.parametrize("problem_id", ["Boehm_JProteomeRes2014", "Robertson_Stiff"])
def test_float32_s_digits_are_those_of_jax_in_float32(objective_of, problem_id):
    here = here_of(objective_of(problem_id))
    found = two_precisions.compute(here, silent)
    llh, gradient = in_float32(here.objective, here.theta)
    left = digits(here.gradient, np.asarray(gradient, dtype=np.float64))
    np.testing.assert_array_equal(found.digits[1:], left)
    assert found.float32.llh_jax == float(llh)
    assert found.answer == pytest.approx(left.min(), abs=0.1)
    assert found.weakest == left.argmin()


def test_terms_add_up_to_the_gradient(at_conversion, truth):
    """Also to a closed form, which knows neither AMICI nor differences."""
    study = study_of(at_conversion, ("reference",), silent)
    for i in range(len(truth)):
        terms = cancellation.terms_of(at_conversion, study, i)
        assert len(terms.values) == at_conversion.problem.n_measurements
        # Central differences with a thousandth of a standard step are good to 1e-6 of the terms.
        assert terms.values.sum() == pytest.approx(truth[i], abs=1e-5 * terms.size)
        assert terms.raising + terms.lowering == pytest.approx(terms.values.sum())


def test_each_measurement_s_term_is_that_of_the_closed_form(at_conversion):
    study = study_of(at_conversion, ("reference",), silent)
    table = at_conversion.problem.measurements
    alone = [
        closed_form.llh_and_gradient(at_conversion.theta, table.iloc[[k]])[1]
        for k in range(len(table))
    ]
    found = cancellation.terms_of(at_conversion, study, 0)
    expected = np.sort(np.array(alone)[:, 0])
    np.testing.assert_allclose(np.sort(found.values), expected, atol=1e-5 * np.abs(expected).max())


def test_boehm_s_worst_entry_is_a_small_difference_of_large_terms(at_boehm):
    found = cancellation.compute(at_boehm, silent)
    assert found.terms.ratio > 1000
    assert found.error > 1e-3  # more than a thousand times what float32 rounds
    assert found.error <= found.condition * 2.0**-24
    assert "small difference of large terms" in found.claim
    theta32 = in_float32(at_boehm.objective, at_boehm.theta)[1]
    measured = abs(float(theta32[found.position]) / at_boehm.gradient[found.position] - 1)
    assert found.error == pytest.approx(measured, rel=1e-6)
    low, high = (0.0, *cancellation.EDGES)[int(found.answer)], [*cancellation.EDGES, np.inf]
    assert low <= measured < high[int(found.answer)]


def test_where_nothing_is_lost_nothing_is_claimed(at_conversion):
    both = two_precisions.compute(at_conversion, silent)
    assert not both.loses_nothing
    kept = two_precisions.TwoPrecisions(both.float32, both.float64, np.full(7, 6.5), both.relative)
    assert "loses nothing" in kept.claim
    assert (
        "nothing is amplified"
        in cancellation.Cancellation(kept, study_of(at_conversion, ("budget",), silent), None).claim
    )


def test_right_digits_are_those_of_the_closed_form(at_conversion, truth):
    found = accuracy.compute(at_conversion, silent)
    right = digits(at_conversion.gradient, truth)
    # The reference at tight tolerances is wrong itself in its tenth digit.
    np.testing.assert_allclose(found.right, right, atol=0.1)
    assert found.weakest.quantity == at_conversion.problem.parameter_ids[right.argmin()]
    assert found.answer == pytest.approx(right.min(), abs=0.2)
    assert found.n_wrong == 0


def test_the_tolerance_that_is_enough_is_enough_by_the_closed_form(at_conversion, truth):
    found = work.compute(at_conversion, silent)
    knee = found.sweep.enough("float32", "median")
    median = []
    for rtol in found.sweep.rtols:
        objective = at_conversion.objective.with_solver(
            replace(at_conversion.objective.solver, rtol=float(rtol))
        )
        gradient = np.asarray(in_float32(objective, at_conversion.theta)[1], dtype=np.float64)
        median.append(np.median(np.abs(gradient / truth - 1)))
    assert median[knee] <= 2.1 * median[-1]  # "less than a factor of 2"
    assert max(median[:knee]) > 2 * median[-1]
    exponent = -round(np.log10(found.sweep.rtols[knee]))
    assert f"1e-{exponent}" in work.OPTIONS[int(found.answer)]


def test_tight_gradients_are_amici_s_and_right(at_conversion, truth):
    found = tight.compute(at_conversion, silent)
    assert found.rtols == tight.RTOLS
    off = np.abs(found.gradients / truth - 1).max(axis=1)
    assert off[0] > off[-1]
    assert off[-1] < 1e-8  # at rtol 1e-12
    assert found.answer == 0.0
    assert "tight is right" in found.claim


def test_robertson_s_signs_are_wrong_in_float32(at_robertson, at_conversion):
    for here in (at_robertson, at_conversion):
        found = signs.compute(here, silent)
        gradient = np.asarray(in_float32(here.objective, here.theta)[1])
        wrong = np.sign(gradient) != np.sign(here.gradient)
        assert found.answer == wrong.sum()
        assert found.flipped == tuple(np.array(here.problem.parameter_ids)[wrong])
    assert signs.compute(at_robertson, silent).answer > 0
    assert signs.compute(at_conversion, silent).answer == 0


def test_a_step_goes_along_the_gradient_within_bounds(at_boehm, at_conversion):
    end = gradient_step.step_end(at_conversion, 0.01)
    step = end - at_conversion.theta
    assert np.linalg.norm(step) == pytest.approx(0.01)
    g = at_conversion.gradient
    assert step @ g == pytest.approx(np.linalg.norm(step) * np.linalg.norm(g))
    far = gradient_step.step_end(at_boehm, 100.0)
    assert (far >= at_boehm.problem.lower_theta).all()
    assert (far <= at_boehm.problem.upper_theta).all()
    found = gradient_step.follow(at_boehm, 0.1, silent)
    assert found.stopped == ("k_exp_hetero",)  # its nominal value is 0.0003 above its bound


@pytest.mark.parametrize("length", gradient_step.LENGTHS)
def test_what_the_gradient_foretells_is_held_against_llh(at_conversion, length):
    found = gradient_step.follow(at_conversion, length, silent)
    table = at_conversion.problem.measurements
    start, gradient = closed_form.llh_and_gradient(at_conversion.theta, table)
    end = gradient_step.step_end(at_conversion, length)
    actual = closed_form.llh_and_gradient(end, table)[0] - start
    predicted = gradient @ (end - at_conversion.theta)
    assert found.prediction.predicted == pytest.approx(predicted, rel=1e-5)
    # llh has an absolute error of some 1e-6 at AMICI's default tolerances.
    assert found.prediction.actual == pytest.approx(actual, rel=1e-5, abs=1e-5)
    expected = 3 if actual < 0 else 1 if abs(actual / predicted - 1) <= 0.1 else 2
    assert found.answer == expected


def test_the_worse_entry_is_worse_in_jax_itself(at_boehm):
    solution = EXERCISES[1].solve(at_boehm, silent)
    assert (solution.theta != at_boehm.theta).sum() == 1
    exact = at_boehm.objective.evaluate(solution.theta).gradient
    left = digits(exact, np.asarray(in_float32(at_boehm.objective, solution.theta)[1], float))
    assert solution.value == left.min()
    assert left.min() < two_precisions.compute(at_boehm, silent).digits[1:].min()


def test_five_digits_are_right_by_the_closed_form(at_conversion, truth):
    solution = EXERCISES[2].solve(at_conversion, silent)
    solver = replace(at_conversion.objective.solver, rtol=solution.value, max_steps=10**6)
    gradient = at_conversion.objective.with_solver(solver).evaluate(at_conversion.theta).gradient
    assert digits(gradient, truth).min() >= 5
    assert f"rtol {solution.value:.0e}" in solution.text


def test_the_loss_is_no_more_than_curvature_allows(at_conversion):
    solution = EXERCISES[0].solve(at_conversion, silent)
    both = two_precisions.compute(at_conversion, silent)
    assert 0 < solution.value < both.digits[1:].max()


@pytest.mark.parametrize("problem_id", EMBEDDED)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.number))
def test_every_step_says_something_at_every_embedded_problem(objective_of, problem_id, step):
    here = here_of(objective_of(problem_id))
    question, result = step.ask(here), step.compute(here, silent)
    sentences = (question.text, result.claim, *result.seen, *result.why)
    assert len(sentences) >= 4
    for text in (*sentences, *(cell for row in result.table.rows for cell in row)):
        assert text
        assert "nan" not in text.replace("nanomol", "")
        assert text.count("`") % 2 == 0
    for row in result.table.rows:
        assert len(row) == len(result.table.columns) + 1
    assert set(result.table.strong) <= {row[0] for row in result.table.rows}
    assert question.said(result.answer)
    best = min(
        range(len(question.guesses())),
        key=lambda i: abs((i if question.options else question.lowest + i) - result.answer),
    )
    guess = best if question.options else question.lowest + best
    assert question.check(guess, result.answer).is_right


def test_steps_are_numbered_and_fill_a_class():
    assert [step.number for step in STEPS] == list(range(1, 10))
    assert sum(step.minutes for step in STEPS) + EXERCISE_MINUTES == 45
    assert set(PLANS) == {step.number for step in STEPS}
    assert step_of(9) is STEPS[-1]
    with pytest.raises(ValueError, match="steps 1 to 9, not 10"):
        step_of(10)


def test_what_takes_long_is_foreseen(at_conversion):
    seconds = {step.number: step.foreseen(at_conversion) for step in STEPS}
    slow = replace(at_conversion.evaluation, wall_seconds=100.0, cpu_seconds=100.0)
    slower = {step.number: step.foreseen(Here(at_conversion.objective, slow)) for step in STEPS}
    for number in (4, 5, 6, 7, 8):
        assert 0 < seconds[number] < 20
        assert slower[number] > 100
    assert seconds[1] == slower[1] == 0  # a simulation or two


def test_somebody_s_own_problem_takes_the_place_of_the_exemplar():
    plan = PLANS[8]
    assert places(8, own=False) == (plan.main, plan.contrast)
    assert places(8, own=True) == (None, plan.main)  # what others can't show is shown after it
    assert places(1, own=True) == (None, None)


def at_exemplar(exemplar):
    objective = AmiciObjective(load_problem(exemplar.problem, repair=exemplar.repair))
    theta = objective.problem.theta_from(dict(exemplar.theta))
    return Here.at(objective, theta, exemplar.settings)


def test_agreement_is_not_accuracy_at_its_exemplar():
    found = accuracy.compute(at_exemplar(PLANS[5].main), silent)
    assert found.agreement > 12
    assert found.n_wrong == len(found.entries)
    assert found.answer < 1
    assert "Agreement is not accuracy" in found.claim
    assert accuracy.compute(at_exemplar(PLANS[5].contrast), silent).n_wrong == 0


def test_tight_is_not_right_at_its_exemplar():
    main, contrast = PLANS[7].main, PLANS[7].contrast
    found = tight.compute(at_exemplar(main), silent)
    assert found.answer == 1.0
    assert found.settled[found.position] > 7
    assert "Tight is not right" in found.claim
    assert found.parameter in found.claim
    entry = found.audit.gradient[found.position]
    # llh itself, moved by hand, sides with the witness and not with AMICI's gradient.
    here = at_exemplar(main)
    tight_objective = here.objective.with_solver(
        replace(here.objective.solver, rtol=1e-12, max_steps=10**6)
    )
    step = np.zeros(len(here.theta))
    step[found.position] = 1e-4
    ahead, behind = (tight_objective.llh(here.theta + sign * step) for sign in (1, -1))
    assert (ahead - behind) / 2e-4 == pytest.approx(entry.witness_value, rel=1e-5)
    assert abs(entry.value / entry.witness_value - 1) > 0.5
    repaired = tight.compute(at_exemplar(contrast), silent)
    assert repaired.answer == 0.0
    assert repaired.repairs


def test_an_exemplar_s_problem_and_parameters_are_there():
    for plan in PLANS.values():
        for exemplar in (plan.main, plan.contrast or Exemplar(plan.main.problem)):
            problem = load_problem(exemplar.problem)
            assert problem.theta_from(dict(exemplar.theta)).shape == (problem.n_parameters,)


def test_options_are_right_or_wrong():
    question = Question("?", ("a", "b"))
    assert question.check(1, 1.0).is_right
    assert not question.check(0, 1.0).is_right
    assert question.check(0, 1.0).text == "No: b."


def test_numbers_are_right_close_or_wrong():
    question = Question("?", highest=8, close=1.0, unit="digits")
    assert question.check(2, 1.9).is_right
    near = question.check(3, 1.9)
    assert (near.is_right, near.is_close) == (False, True)
    far = question.check(7, 1.9)
    assert (far.is_right, far.is_close) == (False, False)
    assert far.text == "No: 1.9 digits. You said 7 digits."
    assert question.guesses()[0] == "0"
    assert question.guesses()[-1] == "8"


def test_a_failure_is_known_before_anything_is_asked(conversion):
    here = Here.at(conversion, conversion.problem.nominal_theta, SolverChoice(max_steps=3))
    assert here.failure is not None
    assert "steps" in str(here.failure)
