"""The precision page and the first page's warning, without a browser."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from amijax.background import Registry
from amijax.precision import study_precision
from amijax.precision.jobs import _jobs

REPOSITORY = Path(__file__).parents[1]
TIMEOUT = 120


def opened(problem, page=None, **query):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    if page:
        app.switch_page(page)
    app.query_params["problem"] = problem
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def finished(app):
    """The page after all studies under way are over."""
    for job in list(_jobs.values()):
        while not job.progress().is_over:  # asking keeps it going
            job.wait(1)
    return app.run()


def text_of(app):
    elements = (*app.markdown, *app.caption, *app.warning, *app.info, *app.error)
    return "\n".join(element.value for element in elements)


@pytest.fixture(scope="module")
def page(objective_of):
    objective_of("Robertson_Stiff")
    return finished(opened("Robertson_Stiff", "pages/precision.py"))


def test_all_panels_are_there_with_the_story(page):
    assert not page.exception
    text = text_of(page)
    for title in ("A · ", "B · ", "C · ", "D · ", "E · ", "The whole story"):
        assert title in text
    assert "every bit equals the float32 JaxObjective" in text
    assert len(page.get("plotly_chart")) == 6


def test_the_verdicts_are_those_of_the_library(page, objective_of):
    objective = objective_of("Robertson_Stiff")
    study = study_precision(objective, objective.problem.nominal_theta)  # kept on disk
    table = next(e.value for e in page.dataframe if "limited by" in e.value)
    entries = study.verdicts
    assert list(table.index) == [entry.quantity for entry in entries]
    np.testing.assert_array_equal(table["accuracy"], [e.digits_accuracy for e in entries])
    assert list(table["verdict"]) == [entry.verdict for entry in entries]
    assert list(table["why"]) == [entry.reason for entry in entries]
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Mostly limited by"] == "float32 input"
    assert metrics["float32 agrees with float64"] == "0.0 digits"


def test_parameters_and_panels_can_be_chosen(objective_of):
    objective_of("Robertson_Stiff")
    app = opened("Robertson_Stiff", "pages/precision.py")
    app.multiselect(key="study_parameters_Robertson_Stiff").set_value(["k1", "k3"])
    app.button_group(key="study_pieces_Robertson_Stiff").set_value(["budget"])
    app = finished(app.run())
    assert not app.exception
    text = text_of(app)
    assert "A · " in text
    assert "C · " not in text
    app.multiselect(key="study_parameters_Robertson_Stiff").set_value([]).run()
    assert "Choose at least one" in text_of(app)


def test_what_fails_is_a_sentence(objective_of):
    objective_of("Robertson_Stiff")
    app = opened("Robertson_Stiff", "pages/precision.py", max_steps="5")
    assert not app.exception
    assert any("steps" in error.value for error in app.error)


def test_a_costly_study_names_its_price_and_waits(objective_of, monkeypatch):
    from amijax.ui import precision

    objective_of("Robertson_Stiff")
    monkeypatch.setattr(precision, "_AFFORDABLE", 0.001)
    monkeypatch.setattr(precision, "stored_study", lambda *_, **__: None)
    app = opened("Robertson_Stiff", "pages/precision.py", rtol="3e-9")
    assert "would take about" in text_of(app)
    chosen = app.multiselect(key="study_parameters_Robertson_Stiff").value
    assert 0 < len(chosen) < 7
    assert "A · " not in text_of(app)
    app = finished(app.button(key="start_study").click().run())
    assert "A · " in text_of(app)


def test_a_study_on_disk_is_there_at_once_without_a_job(page, monkeypatch):
    """A busy machine hardly ever runs the background's threads, which are of low priority."""
    assert page  # has studied
    monkeypatch.setattr("amijax.precision.jobs._jobs", Registry())

    def refused(*_, **__):
        raise AssertionError("no job is needed")

    monkeypatch.setattr("amijax.ui.precision.start_study", refused)
    app = opened("Robertson_Stiff", "pages/precision.py")
    assert not app.exception
    assert "The whole story" in text_of(app)


def test_a_study_that_was_abandoned_goes_on_when_somebody_looks_again(objective_of, monkeypatch):
    objective_of("Robertson_Stiff")
    before = set(_jobs.values())  # other tests of this process may have abandoned some
    monkeypatch.setattr("amijax.ui.precision._ABANDON_AFTER", 0.0)
    monkeypatch.setattr("amijax.ui.precision.stored_study", lambda *_, **__: None)
    app = opened("Robertson_Stiff", "pages/precision.py", rtol="4e-9")
    (job,) = set(_jobs.values()) - before
    job.wait(TIMEOUT)
    assert job.is_abandoned
    assert job.state == "cancelled"
    monkeypatch.setattr("amijax.ui.precision._ABANDON_AFTER", 30.0)
    app.run()
    assert "was cancelled" not in text_of(app)
    app = finished(app)
    assert "The whole story" in text_of(app)
