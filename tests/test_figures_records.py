"""`figure_of` draws each kind of record, and a search's figure is where its numbers are."""

import numpy as np
import pytest

from amijax import audit_gradient, compare, tuned
from amijax.figures import figure_of, tuning_figure
from amijax.precision import study_precision


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_a_comparison_is_drawn_with_one_precision(conversion):
    comparison = compare(conversion, conversion.problem.nominal_theta, "float32")
    drawn = traces(figure_of(comparison))
    assert {"AMICI", "JAX float32"} <= set(drawn)
    assert "JAX float64" not in drawn


def test_studies_and_audits_are_drawn(conversion):
    theta = conversion.problem.nominal_theta
    study = study_precision(conversion, theta, pieces=["budget"])
    assert list(figure_of(study).data[0].y) == ["llh", *study.parameter_ids]
    audit = audit_gradient(conversion, theta)
    assert f"llh · {audit.llh.verdict}" in figure_of(audit).layout.yaxis.ticktext


def test_a_search_is_drawn_where_its_numbers_are(conversion):
    tuning = tuned(conversion, 4)
    assert figure_of(tuning) == tuning_figure(tuning)
    drawn = traces(tuning_figure(tuning))
    found = drawn["found"]
    (tried,) = [each for each in tuning.table if each.settings == tuning.settings]
    assert list(found.x) == [1e3 * tried.seconds]
    assert list(found.y) == [max(tried.errors)]
    assert found.y[0] < 10.0**-4
    assert all(np.isfinite(trace.y).all() for trace in drawn.values())


def test_what_is_no_record_gets_a_sentence():
    with pytest.raises(TypeError, match=r"figure_of draws a Comparison.*got int"):
        figure_of(3)
