"""What notebooks show of objectives and records."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from amijax import audit_gradient, compare, fit, tuned
from amijax.html_tables import Row
from amijax.notebook_html import MOST_ROWS, known_digits, number, report
from amijax.precision import study_precision
from amijax.precisions import PRECISIONS

HOSTILE = "<script>alert('x')</script>&\"k"


class Read(HTMLParser):
    """Tags, and a table's rows by their title: the text of each cell, and all digits of numbers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.rows: dict[str, list[str]] = {}
        self.values: dict[str, list[float]] = {}
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == [], "every tag that is opened is closed"

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "td":
            self.rows[self.title].append("")
            if "data-value" in dict(attrs):
                self.values[self.title].append(float(dict(attrs)["data-value"]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data + " "
        if "tbody" in self.open and "th" in self.open:
            self.title = data
            self.rows[data], self.values[data] = [], []
        elif "td" in self.open:
            self.rows[self.title][-1] += data


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_comparison_has_all_digits_of_each_number(boehm, precision):
    comparison = compare(boehm, boehm.problem.nominal_theta, precision)
    read = Read(comparison._repr_html_())
    assert list(read.rows) == ["llh", *boehm.problem.parameter_ids]
    assert read.values["llh"] == [
        comparison.llh_amici, comparison.llh_jax, comparison.llh_rel_diff,
    ]  # fmt: skip
    frame = comparison.gradient_frame()
    for name in boehm.problem.parameter_ids:
        assert read.values[name] == list(frame.loc[name, ["amici", "jax", "rel_diff"]])
    assert precision in read.text


def test_a_comparison_without_a_result_says_why(boehm):
    theta = boehm.problem.nominal_theta.copy()
    theta[0] = np.inf
    comparison = compare(boehm, theta)
    read = Read(comparison._repr_html_())
    assert str(comparison.failure) in read.text
    assert read.rows["llh"] == ["—", "—", "—"]
    not_run = compare(boehm, boehm.problem.nominal_theta, run_jax=False)
    assert "JAX was not run" in Read(not_run._repr_html_()).text


def test_an_objective_shows_parameters_settings_repairs(boehm, objective_of):
    problem = boehm.problem
    read = Read(boehm._repr_html_())
    assert list(read.rows) == list(problem.parameter_ids)
    for i, name in enumerate(problem.parameter_ids):
        assert read.values[name] == [
            problem.nominal_theta[i], problem.nominal_p[i],
            problem.lower_theta[i], problem.upper_theta[i],
        ]  # fmt: skip
    assert str(boehm.solver) in read.text
    assert repr(boehm).startswith("<AmiciObjective of Boehm_JProteomeRes2014: rtol 1e-08")
    repaired = objective_of("Constant_Ligand")
    assert repaired.repairs[0].message in Read(repaired._repr_html_()).text
    adjoint = repaired.with_solver(replace(repaired.solver, sensitivities="adjoint"))
    for warning in adjoint.warnings:
        assert str(warning) in Read(adjoint._repr_html_()).text


def test_a_problem_shows_its_size(boehm):
    read = Read(boehm.problem._repr_html_())
    assert "9 free parameters, 8 states, 1 simulations, 48 measurements" in read.text


def test_an_evaluation_has_llh_and_gradient(boehm):
    evaluation = boehm.evaluate(boehm.problem.nominal_theta)
    read = Read(evaluation._repr_html_())
    assert f"llh {evaluation.llh:.9g}" in read.text
    assert [values[1] for values in read.values.values()] == list(evaluation.gradient)
    value_only = boehm.evaluate(boehm.problem.nominal_theta, gradient=False)
    assert Read(value_only._repr_html_()).rows == {}


def test_an_audit_has_a_row_for_each_verdict(conversion):
    audit = audit_gradient(conversion, conversion.problem.nominal_theta)
    read = Read(audit._repr_html_())
    for each in (audit.llh, *audit.gradient):
        cells = read.rows[each.quantity]
        assert cells[1] == each.verdict
        assert cells[3] == each.witness
        assert float(cells[2]) <= each.digits
    assert audit.summary in read.text


def test_a_tuning_has_a_row_for_each_point(conversion):
    tuning = tuned(conversion, 4)
    read = Read(tuning._repr_html_())
    assert list(read.rows) == [point.name for point in tuning.points]
    assert [values[0] for values in read.values.values()] == [
        point.digits_measured for point in tuning.points
    ]
    assert tuning.summary in read.text


def test_a_study_has_a_row_for_each_verdict(conversion):
    study = study_precision(conversion, conversion.problem.nominal_theta, pieces=["budget"])
    read = Read(study._repr_html_())
    assert list(read.rows) == ["llh", *study.parameter_ids]
    assert read.values["llh"][0] == study.verdicts[0].float64
    assert "not computed" in Read(replace(study, budget=None)._repr_html_()).text


def test_text_is_escaped():
    rows = [Row(HOSTILE, [HOSTILE, number(1.0, note=HOSTILE)], HOSTILE)]
    html = report(HOSTILE, [HOSTILE], HOSTILE, [HOSTILE, HOSTILE], rows)
    read = Read(html)
    assert "script" not in read.tags
    assert html.count("&lt;script&gt;") == html.count("script&gt;") / 2
    assert read.text.count("alert") >= 6


def test_long_tables_say_what_is_left_out():
    rows = [Row(str(i), [number(float(i))]) for i in range(MOST_ROWS + 7)]
    read = Read(report("x", [], "i", ["value"], rows, rest=".frame()"))
    assert len(read.rows) == MOST_ROWS
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 7} rows; .frame() has all." in read.text


def test_what_is_unknown_is_a_dash():
    assert number(None) == number(np.nan) == known_digits(None) == known_digits(np.nan) == "—"
    assert known_digits(2.99).text == "2.9"  # never rounded up
    assert number(-np.inf).text == "-inf"


def test_a_fit_has_a_row_for_each_start(conversion):
    result = fit(conversion, n_starts=2, workers=1)
    read = Read(result._repr_html_())
    assert list(read.rows) == [str(start.index) for start in result.ordered]
    assert read.values[str(result.best.index)] == [result.best.value, result.best.llh, 0.0]
    assert f"{result.n_found} of 2 starts found the best llh" in read.text
