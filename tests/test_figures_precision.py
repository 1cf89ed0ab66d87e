"""Figures of a precision study: what is drawn is what was computed."""

import numpy as np
import pytest

from amijax.figures import (
    bits_figure,
    budget_figure,
    curvature_figure,
    digits_figure,
    tolerances_figure,
)
from amijax.precision import study_precision
from amijax.precision.tolerances import combined


@pytest.fixture(scope="module")
def study(boehm):
    return study_precision(boehm, boehm.problem.nominal_theta)


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


def test_budget_shows_each_stage_or_the_sum(study):
    errors = study.budget.errors()[:, 1:]
    alone = budget_figure(study.parameter_ids, study.budget)
    np.testing.assert_array_equal(trace(alone, "input").x, np.abs(errors[0]))
    np.testing.assert_array_equal(trace(alone, "transform").x, np.abs(errors[1]))
    summed = budget_figure(study.parameter_ids, study.budget, cumulative=True)
    np.testing.assert_allclose(trace(summed, "… to chain rule").x, np.abs(errors.sum(axis=0)))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_digits_of_agreement_and_accuracy(study, precision):
    entries = study.verdicts[1:]
    figure = digits_figure(entries, precision)
    agreement, accuracy, noise = figure.data
    known = "digits_agreement" if precision == "float64" else "digits_float32"
    right = "digits_accuracy" if precision == "float64" else "digits_accuracy_float32"
    assert list(agreement.x) == [getattr(entry, known) for entry in entries]
    np.testing.assert_array_equal(accuracy.x, [getattr(entry, right) for entry in entries])
    assert list(noise.x) == [entry.digits_noise for entry in entries]


def test_bits_highlight_one_parameter(study):
    figure = bits_figure(
        study.parameter_ids, study.bits, study.noise, "k_phos", study.budget.float64.gradient
    )
    strong = trace(figure, "k_phos")
    errors = study.bits.errors[:, study.parameter_ids.index("k_phos") + 1]
    drawn = np.array(strong.y, float)
    np.testing.assert_array_equal(drawn[errors > 0], errors[errors > 0])
    assert np.isnan(drawn[errors == 0]).all()
    assert strong.line.width > trace(figure, "k_imp_homo").line.width
    line = trace(figure, "2⁻ᵖ, p = bits + 1")
    np.testing.assert_array_equal(line.y, 2.0 ** -(study.bits.mantissa_bits + 1.0))
    labels = {annotation.text for annotation in figure.layout.annotations}
    assert labels == {"float64", "float32", "float16", "bfloat16"}


@pytest.mark.parametrize("which", ["median", "worst", 0, 6])
def test_tolerances_have_two_lines_for_each_precision(study, which):
    figure = tolerances_figure(study.tolerances, which)
    lines = [t for t in figure.data if t.mode == "lines+markers"]
    assert [t.name for t in lines] == ["float32", "float32", "float64", "float64"]
    np.testing.assert_array_equal(lines[2].y, combined(study.tolerances.errors[1], which))
    np.testing.assert_array_equal(lines[3].y, study.tolerances.seconds[1] * 1e3)
    assert sum(t.name.startswith("enough for") for t in figure.data) == 2


def test_curvature_shows_every_entry_once(study):
    figure = curvature_figure(study.parameter_ids, study.curvature)
    drawn = {text: y for t in figure.data[1:] for text, y in zip(t.text, t.y, strict=True)}
    assert set(drawn) == set(study.parameter_ids)
    k_phos = study.parameter_ids.index("k_phos")
    assert drawn["k_phos"] == abs(study.curvature.measured[k_phos])


def test_the_story_has_this_problem_s_numbers(study):
    from amijax.precision.story import SOURCES, story

    text = "\n".join(story(study))
    weakest = min(study.verdicts[1:], key=lambda entry: entry.digits_self_consistent)
    digits = f"{weakest.digits_self_consistent:.1f} self-consistent digits"
    assert f"{digits} in its weakest entry" in text
    assert f"`{weakest.quantity}`" in text
    assert "rtol 1e-13" in text
    assert all(address.startswith("https://") for _, address in SOURCES)


def test_labels_of_neighbours_stand_apart(study):
    bits = bits_figure(
        study.parameter_ids, study.bits, study.noise, "k_phos", study.budget.float64.gradient
    )
    heights = {a.text: a.yshift for a in bits.layout.annotations}
    assert heights["float16"] != heights["bfloat16"]  # 10 and 7 bits
    drawn = curvature_figure(study.parameter_ids, study.curvature)
    for points in (t for t in drawn.data if t.mode == "markers+text"):
        order = np.argsort(np.array(points.x, float))
        sides = np.array(points.textposition)[order]
        assert (sides[1:] != sides[:-1]).all()
