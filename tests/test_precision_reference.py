"""The truth, the noise and the verdict: closed form, published formula, Boehm, Crauste, Robertson.

Named after DESIGN.md, section 5: agreement is not accuracy.
"""

from typing import NamedTuple

import numpy as np
import pytest
from closed_form import llh_and_gradient as closed_form
from scipy import stats

from amijax import SolverSettings
from amijax.auto import settle
from amijax.digits import ALL_DIGITS, digits
from amijax.precision import (
    ErrorBudget,
    NoiseFloor,
    Reference,
    error_budget,
    find_reference,
    noise_floor,
    verdicts,
)
from amijax.precision import reference as reference_module
from amijax.precision.noise import SAMPLES, UNITS, neighbours, significant
from amijax.precision.values import Values
from amijax.precision.verdicts import is_far_worse
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.settings import SolverChoice

TRUTH = (
    1e-9  # relative; rtol is 1e-13 per step, errors add up over steps and, over sigma, residuals
)
DIGIT = 0.1  # digits; a reference that is 10 times as accurate moves the count by 0.05
COLLECTION = [
    "Bertozzi_PNAS2020",
    "Blasi_CellSystems2016",
    "Bruno_JExpBot2016",
    "Crauste_CellSystems2017",
    "Elowitz_Nature2000",
    "Perelson_Science1996",
    "Zheng_PNAS2012",
]


def everything(objective):
    return np.arange(objective.problem.n_parameters)


def at_nominal(function, objective):
    return function(objective, objective.problem.nominal_theta, everything(objective))


# --- the reference


@pytest.mark.parametrize("shift", [0.0, 0.05, -0.1])
def test_the_reference_against_the_closed_form(conversion, shift):
    theta = conversion.problem.nominal_theta + shift
    reference = find_reference(conversion, theta, everything(conversion))
    llh, gradient = closed_form(theta, conversion.problem.measurements)
    np.testing.assert_allclose(reference.values.all, np.append(llh, gradient), rtol=TRUTH)
    assert reference.converged
    assert reference.solver.rtol == 1e-13
    assert reference.failed == ()
    # What it says of itself is no more than what it is worth: its partner is less accurate.
    truth = digits(reference.values.all, np.append(llh, gradient))
    assert np.median(reference.digits) <= np.median(truth) + 1


@pytest.mark.parametrize("shift", [0.0, 0.05, -0.1])
def test_digits_of_accuracy_are_digits_against_the_closed_form(conversion, shift):
    theta = conversion.problem.nominal_theta + shift
    positions = everything(conversion)
    budget = error_budget(conversion, theta, positions)
    reference = find_reference(conversion, theta, positions)
    judged = verdicts(conversion.problem.parameter_ids, budget, None, reference)
    truth = np.append(*closed_form(theta, conversion.problem.measurements))
    np.testing.assert_allclose(
        [q.digits_self_consistent for q in judged], digits(budget.float64.all, truth), atol=DIGIT
    )
    np.testing.assert_allclose(
        [q.digits_self_consistent_float32 for q in judged],
        digits(budget.float32.all, truth),
        atol=DIGIT,
    )


@pytest.mark.collection
@pytest.mark.parametrize("problem_id", COLLECTION)
def test_the_reference_converges_on_the_collection(objective_of, collection, problem_id):
    assert collection
    theta = objective_of(problem_id).problem.nominal_theta
    objective = settle(objective_of(problem_id), theta, SolverChoice()).objective
    reference = at_nominal(find_reference, objective)
    assert reference.converged == (problem_id != "Crauste_CellSystems2017")  # 1.9 digits
    assert reference.converged == bool((reference.digits >= 4).all())
    assert reference.solver.rtol == 1e-13
    assert reference.solver.sensitivities == "forward"
    assert (reference.digits > 1.5).all()
    assert np.median(reference.digits) > np.median(
        digits(objective.evaluate(theta).gradient, reference.values.gradient)
    )


@pytest.mark.collection
def test_crauste_s_reference_is_what_finite_differences_of_llh_give(objective_of, collection):
    assert collection
    objective = objective_of("Crauste_CellSystems2017")
    gradient = at_nominal(find_reference, objective).values.gradient
    precise = objective.with_solver(SolverSettings(rtol=1e-13, max_steps=100_000))
    theta = objective.problem.nominal_theta
    for name in ("mu_LE", "mu_P", "mu_PE"):  # for others llh is too crooked, or can't be simulated
        i = objective.problem.parameter_ids.index(name)
        move = np.zeros_like(theta)
        move[i] = 1e-5 * theta[i]
        difference = (precise.llh(theta + move) - precise.llh(theta - move)) / (2 * move[i])
        # 10 %: the derivative changes by some percent over the step, and a smaller one is noise.
        assert difference == pytest.approx(gradient[i], rel=0.1)


def test_adjoint_settings_have_a_forward_reference(boehm):
    adjoint = boehm.with_solver(SolverSettings(sensitivities="adjoint"))
    reference, own = at_nominal(find_reference, adjoint), at_nominal(find_reference, boehm)
    assert reference.solver.sensitivities == "forward"
    np.testing.assert_array_equal(reference.values.all, own.values.all)


class Fake:
    """An objective whose values change with rtol, and which fails or takes long where told."""

    def __init__(self, solver=None, *, fails=lambda _: False, slow=lambda _: False, error=1e5):
        self.solver = solver or SolverSettings()
        self.fails, self.slow, self.error = fails, slow, error
        self.asked = []

    def with_solver(self, solver):
        other = Fake(solver, fails=self.fails, slow=self.slow, error=self.error)
        other.asked = self.asked
        return other

    def evaluate(self, theta):
        value = np.nan if self.fails(self.solver) else 1 + self.error * self.solver.rtol
        failure = "failed" if np.isnan(value) else None
        gradient = np.full(len(theta), value)
        return Evaluation(theta, value, gradient, failure, 0.1, 0.2, self.solver)

    def evaluate_batch(self, thetas, on_chunk):
        self.asked.append(self.solver)
        if self.slow(self.solver):
            on_chunk(0)  # after no point is done, much time has passed
        on_chunk(len(thetas))
        return tuple(self.evaluate(theta) for theta in thetas)


def fake_reference(**options):
    fake = Fake(**options)
    return find_reference(fake, np.zeros(2), np.arange(2)), fake


def test_a_reference_has_no_loose_tolerances_of_its_own_for_sensitivities(conversion):
    theta = conversion.problem.nominal_theta
    loose = conversion.with_solver(SolverSettings(rtol_fsa=1e-2, atol_fsa=1e-2))
    positions = np.arange(conversion.problem.n_parameters)
    reference = find_reference(loose, theta, positions)
    assert reference.solver == find_reference(conversion, theta, positions).solver


def test_the_tightest_tolerances_that_work_are_taken_and_the_failed_ones_named():
    reference, fake = fake_reference(fails=lambda solver: solver.rtol < 5e-12)
    assert reference.solver.rtol == 1e-11
    assert reference.values.llh == 1 + 1e5 * 1e-11
    assert reference.looser.llh == pytest.approx(1 + 1e5 * 1e-10, rel=1e-15)
    assert {settings.rtol for settings in reference.failed} == {1e-13, 1e-12}
    tried = [settings.rtol for settings in reference.failed]
    assert tried == sorted(tried)
    assert fake.asked[-1].rtol == pytest.approx(1e-10, rel=1e-15)
    assert fake.asked[-1].atol == pytest.approx(10 * reference.solver.atol, rel=1e-15)
    assert reference.cpu_seconds == 0.2


def test_a_smaller_atol_comes_first_and_none_is_larger_than_1e_12():
    reference, _ = fake_reference(fails=lambda solver: solver.rtol < 1e-8)
    atols = [settings.atol for settings in reference.failed if settings.rtol == 1e-13]
    assert atols == sorted(atols)
    assert max(atols) <= 1e-12
    assert min(atols) == 1e-16
    assert all(settings.sensitivities == "forward" for settings in reference.failed)


def test_atol_is_as_large_as_the_settings_have_it_where_nothing_smaller_works():
    loose = SolverSettings(atol=1e-8)
    reference, _ = fake_reference(solver=loose, fails=lambda solver: solver.atol < 1e-9)
    assert (reference.solver.rtol, reference.solver.atol) == (1e-13, 1e-8)


def test_without_tolerances_that_work_there_is_no_reference():
    reference, _ = fake_reference(fails=lambda solver: solver.rtol < 1e-8)
    assert not reference.values.is_finite
    assert np.isnan(reference.digits).all()
    assert not reference.converged
    assert len(reference.failed) >= 8


def test_a_reference_that_does_not_keep_four_digits_has_not_converged():
    for error, keeps in ((1e11, False), (1e9, False), (1e7, True)):
        reference, _ = fake_reference(solver=SolverSettings(rtol=1e-8), error=error)
        assert reference.values.is_finite
        # However large the error is that it measures.
        assert reference.converged == keeps == bool((reference.digits >= 4).all())


def test_a_reference_without_a_partner_has_not_converged():
    reference, _ = fake_reference(fails=lambda solver: solver.rtol == 1e-12)
    assert reference.solver.rtol == 1e-13
    assert reference.values.is_finite
    assert np.isnan(reference.digits).all()
    assert not reference.converged


def test_tolerances_that_take_too_long_are_given_up(monkeypatch):
    monkeypatch.setattr(reference_module, "_ALLOWANCE", 1e-9)  # times 0.1 s
    monkeypatch.setattr(reference_module, "_LEAST_ALLOWANCE", 1e-9)
    reference, fake = fake_reference(slow=lambda solver: solver.rtol < 1e-12)
    assert reference.solver.rtol == 1e-12
    assert {settings.rtol for settings in reference.failed} == {1e-13}
    assert {settings.time_limit for settings in fake.asked} == {1e-9}
    assert reference.solver.time_limit == SolverSettings().time_limit


# --- the noise


def test_neighbours_differ_by_a_few_units_in_every_entry():
    theta = np.array([-3.7, 0.25, 1e-3, 2e5, -1e-9, 0.0])
    scales = ("log10", "log", "log10", "lin", "lin", "log")
    points = neighbours(theta, scales, 200)
    # A unit of 1 where the logarithm is smaller than that: it is the unit of the linear value.
    unit = np.spacing([3.7, 1.0, 1.0, 2e5, 1e-9, 1.0])
    steps = (points - theta) / unit
    for column in steps.T:
        assert set(np.round(column)) == {-4, -3, -2, -1, 1, 2, 3, 4}
        np.testing.assert_allclose(column, np.round(column), atol=1e-12)
    assert UNITS == 4
    assert (points != theta).all()


def test_neighbours_are_always_the_same(boehm):
    theta, scales = boehm.problem.nominal_theta, boehm.scales
    first = neighbours(theta, scales, 12)
    np.testing.assert_array_equal(first, neighbours(theta, scales, 12))
    assert len(np.unique(first, axis=0)) == 12


def test_the_noise_is_the_scatter_at_the_neighbours(boehm):
    noise = at_nominal(noise_floor, boehm)
    points = neighbours(boehm.problem.nominal_theta, boehm.scales, SAMPLES)
    values = np.array([np.append(*boehm.llh_and_gradient(point)) for point in points])
    np.testing.assert_array_equal(noise.samples, values)
    np.testing.assert_array_equal(noise.digits, significant(values))
    squares = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(noise.spread, np.sqrt(squares / (SAMPLES - 1)), rtol=1e-12)
    assert noise.failures == ()


def test_boehm_s_noise_is_2e_3_at_default_tolerances_and_1e_6_at_1e_12(boehm):
    """DESIGN.md, section 5, for k_imp_hetero; a factor of 5 for the sample and the machine."""
    position = np.array([boehm.problem.parameter_ids.index("k_imp_hetero")])
    for rtol, expected in ((1e-8, 2e-3), (1e-12, 1e-6)):
        objective = boehm.with_solver(SolverSettings(rtol=rtol))
        noise = noise_floor(objective, boehm.problem.nominal_theta, position)
        relative = noise.spread[1] / np.abs(noise.samples[:, 1].mean())
        assert expected / 5 < relative < expected * 5


def test_samples_that_fail_are_left_out_and_named(boehm):
    noise = at_nominal(noise_floor, boehm.with_solver(SolverSettings(max_steps=5)))
    assert noise.samples.shape == (0, 10)
    assert [failure.status for failure in noise.failures] == [-1] * SAMPLES
    assert np.isnan(noise.spread).all()
    assert np.isnan(noise.digits).all()


def published(sigma, mean, n, probability=0.95, confidence=0.95):
    """Sohier et al., Confidence Intervals for Stochastic Arithmetic, centred normality."""
    quantile = stats.chi2.ppf((1 - confidence) / 2, n - 1)
    shift = 0.5 * np.log10((n - 1) / quantile) + np.log10(stats.norm.ppf((1 + probability) / 2))
    return -np.log10(sigma / abs(mean)) - shift


@pytest.mark.parametrize("n", [8, 12, 50])
@pytest.mark.parametrize(("mean", "sigma"), [(3.0, 1e-6), (-2e-5, 1e-9), (7e8, 1e7)])
def test_significant_digits_by_the_published_formula(n, mean, sigma):
    normal = stats.norm.ppf((np.arange(n) + 0.5) / n)
    sample = mean + sigma * normal / normal.std(ddof=1)
    # The package divides by n where sigma's estimate has n - 1: 0.03 digits for n = 8.
    assert significant(sample[:, None])[0] == pytest.approx(published(sigma, mean, n), abs=0.03)


def test_that_many_digits_agree_in_95_percent_of_cases_with_a_confidence_of_95_percent():
    mean, sigma = 3.0, 1e-6
    samples = mean + sigma * np.random.default_rng(1).standard_normal((12, 4000))
    agree = stats.norm.cdf(10.0 ** -significant(samples) * mean / sigma) * 2 - 1
    assert (agree >= 0.95).mean() > 0.94  # one side of a two-sided interval: 97 % for n = 12


def test_no_scatter_has_all_digits_and_a_mean_of_0_none():
    columns = np.array([[1.5, 1.0, 0.0, 1.0], [1.5, -1.0, 0.0, 9.0], [1.5, 0.0, 0.0, -4.0]])
    np.testing.assert_array_equal(significant(columns), [ALL_DIGITS, 0.0, ALL_DIGITS, 0.0])


def test_one_sample_has_no_digits_to_speak_of():
    assert np.isnan(significant(np.ones((1, 3)))).all()


# --- the verdicts


class Judged(NamedTuple):
    budget: ErrorBudget
    noise: NoiseFloor
    reference: Reference
    quantities: dict


def judge(objective):
    budget, noise = at_nominal(error_budget, objective), at_nominal(noise_floor, objective)
    reference = at_nominal(find_reference, objective)
    quantities = verdicts(objective.problem.parameter_ids, budget, noise, reference)
    return Judged(budget, noise, reference, {q.quantity: q for q in quantities})


@pytest.fixture(scope="module")
def boehm_judged(boehm):
    return judge(boehm)


@pytest.mark.collection
def test_crauste_agrees_to_the_last_bit_and_is_wrong_by_a_factor_of_some_40(
    objective_of, collection
):
    assert collection
    judged = judge(objective_of("Crauste_CellSystems2017")).quantities
    llh = judged.pop("llh")
    assert not llh.is_far_from_accurate
    assert len(judged) == 12
    for quantity in judged.values():
        assert quantity.digits_agreement > 15.9
        assert quantity.digits_self_consistent < 1
        assert 20 < abs(quantity.float64 / quantity.reference) < 100
        assert quantity.float64 * quantity.reference < 0  # not even the sign is right
        assert quantity.limited_by == "solver"
        assert quantity.is_far_from_accurate
        assert "solver's tolerance" in quantity.sentence


def test_boehm_is_limited_by_float32(boehm):
    # At the default rtol the solver's noise limits entries that almost vanish at the optimum.
    judged = judge(boehm.with_solver(SolverSettings(rtol=1e-12))).quantities
    assert next(iter(judged)) == "llh"
    assert judged["llh"].limited_by == "none"
    assert all(quantity.limited_by != "solver" for quantity in judged.values())
    assert not any(quantity.is_far_from_accurate for quantity in judged.values())
    k_phos = judged["k_phos"]
    assert k_phos.limited_by == "input"
    assert abs(k_phos.float32 - k_phos.float64) > 1e-3 * abs(k_phos.float64)
    assert abs(k_phos.stages[0]) > 1e-3  # DESIGN.md: 1.5 %
    assert "Limited by float32 input" in k_phos.sentence
    assert f"{100 * abs(k_phos.stages[0]):.2g} %" in k_phos.sentence


def test_the_stiff_problem_is_limited_by_its_input(objective_of):
    judged = judge(objective_of("Robertson_Stiff")).quantities
    del judged["llh"]
    lost = [q for q in judged.values() if q.limited_by == "input" and q.digits_float32 < 1]
    assert len(lost) >= 5
    assert all(quantity.digits_self_consistent > 3 for quantity in judged.values())


def test_a_verdict_s_numbers_are_those_of_the_pieces(boehm_judged):
    budget, noise, reference, quantities = boehm_judged
    amici, float64, float32 = budget.amici.all, budget.float64.all, budget.float32.all
    for i, quantity in enumerate(quantities.values()):
        numbers = amici[i], float64[i], float32[i], reference.values.all[i]
        assert numbers == (quantity.amici, quantity.float64, quantity.float32, quantity.reference)
        assert quantity.stages == tuple(budget.errors()[:, i])
        assert quantity.spread == noise.spread[i]
        assert quantity.digits_noise == noise.digits[i]
        assert quantity.digits_reference == reference.digits[i]
        assert quantity.digits_agreement == digits(amici[i], float64[i])
        assert quantity.digits_float32 == digits(float32[i], float64[i])
        assert quantity.digits_self_consistent == digits(float64[i], reference.values.all[i])


NOTHING = Values(np.nan, np.array([np.nan]))
TRUE = Reference(
    values=Values(1.0, np.array([1.0])),
    looser=NOTHING,
    solver=SolverSettings(),
    digits=np.full(2, np.nan),
    converged=True,
    failed=(),
    cpu_seconds=0.0,
)


def verdict(stages, *, wrong_by=0.0, reference=TRUE, noise=None):
    """The verdict on a gradient entry of 1 that float64 gets wrong and float32 changes.

    Args:
        stages: what each adds.
        wrong_by: float64's own error, relative.
        reference: of 1.
        noise: significant digits under perturbation.
    """
    llh = 1.0
    values = [Values(llh, np.array([x])) for x in 1 + wrong_by + np.cumsum([0.0, *stages])]
    budget = ErrorBudget(
        amici=values[0],
        float64=values[0],
        stages=tuple(values[1:]),
        float32=values[4],
        points=np.zeros((3, 1)),
        failures=(None, None, None),
        bit_identical=True,
    )
    if noise is not None:
        noise = NoiseFloor(np.ones((2, 2)), np.zeros(2), np.array([16.0, noise]), UNITS, ())
    return verdicts(("k",), budget, noise, reference)[1]


@pytest.mark.parametrize(
    ("stages", "wrong_by", "expected"),
    [
        ((1e-2, 1e-3, 1e-8, 1e-8), 0.0, "input"),
        ((1e-3, -1e-2, 1e-8, 1e-8), 0.0, "transform"),
        ((1e-8, 0.0, -1e-5, 1e-8), 0.0, "result"),
        ((1e-8, 0.0, 1e-8, 1e-5), 0.0, "result"),  # the chain rule is part of the result
        ((1e-8, 1e-8, -3e-8, 1e-8), 0.0, "none"),
        ((1e-2, 1e-3, 1e-8, 1e-8), 1e-3, "input"),  # the solver's error is smaller
        ((1e-2, 1e-3, 1e-8, 1e-8), 5e-2, "solver"),  # ... is more than twice as large
        ((1e-2, 0.0, 0.0, 0.0), 1.5e-2, "input"),  # ... is not
        (
            (7e-4, -5e-4, 0.0, 0.0),
            5e-4,
            "input",
        ),  # cancelling stages still limit
        ((1e-8, 1e-8, 1e-8, 1e-8), 1e-4, "solver"),  # float32 keeps digits that are wrong
        ((1e-8, 1e-8, 1e-8, 1e-8), 5e-7, "none"),  # six digits are right
        ((50.0, 0.0, 0.0, 0.0), 45.0, "solver"),  # nothing is right in either precision
        ((np.nan, np.nan, np.nan, np.nan), 0.0, "input"),
        ((1e-8, np.nan, np.nan, np.nan), 0.0, "transform"),
        ((1e-8, 1e-8, np.inf, np.nan), 0.0, "result"),
    ],
)
def test_the_rule(stages, wrong_by, expected):
    judged = verdict(stages, wrong_by=wrong_by)
    assert judged.limited_by == expected
    assert judged.sentence.startswith("Not limited" if expected == "none" else "Limited by")


def test_without_a_reference_the_noise_decides():
    stages = (1e-3, 0.0, 0.0, 0.0)
    assert verdict(stages, reference=None, noise=2.0).limited_by == "solver"
    assert verdict(stages, reference=None, noise=4.0).limited_by == "input"
    assert verdict(stages, noise=2.0).limited_by == "input"  # the reference knows better
    alone = verdict(stages, reference=None)
    assert alone.limited_by == "input"
    assert np.isnan(alone.digits_self_consistent)
    assert np.isnan(alone.digits_noise)
    assert not alone.is_far_from_accurate


def test_without_a_reference_the_sentence_owns_up():
    judged = verdict((1e-3, 0.0, 0.0, 0.0), reference=None, noise=0.5)
    assert "an unknown amount" in judged.sentence


def test_one_entry_s_overflow_is_not_the_verdict_on_the_others():
    values = [Values(1.0, np.array([1.0, x])) for x in (1.0, 1.0, 1.0, np.inf, np.inf)]
    with np.errstate(invalid="ignore"):
        judged = verdicts(("fine", "lost"), ErrorBudget(
            values[0], values[0], tuple(values[1:]), values[4], np.zeros((3, 2)),
            (None, None, None), True,
        ), None, None)  # fmt: skip
    assert judged[2].limited_by == "result"
    assert [quantity.limited_by for quantity in judged[:2]] == ["none", "none"]


def test_a_float64_that_fails_where_float32_does_not_has_a_verdict():
    stages = tuple(Values(x, np.array([x])) for x in (1.0, 1.1, 1.2, 1.3))
    budget = ErrorBudget(
        stages[0], NOTHING, stages, stages[3], np.zeros((3, 1)), (None, None, None), True
    )
    judged = verdicts(("k",), budget, None, None)[1]
    assert np.isnan(judged.digits_float32)
    assert np.isnan(judged.stages[0])


@pytest.mark.parametrize(
    ("accuracy", "agreement", "misleads"),
    [
        (0.0, 15.95, True),
        (1.9, 15.95, True),
        (2.1, 15.95, False),  # better than a percent
        (1.9, 4.8, False),  # agreement claims no more than a digit or three
        (0.0, 3.0, True),
        (np.nan, 15.95, False),
    ],
)
def test_when_agreement_misleads(accuracy, agreement, misleads):
    assert is_far_worse(accuracy, agreement) == misleads
