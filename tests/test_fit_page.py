"""The fit page without a browser: what it asks, shows, and keeps."""

import numpy as np
import pytest
import streamlit as st
from test_precision_page import opened, text_of
from waiting import until

from amijax.audit.audit import audit_gradient
from amijax.background import Registry
from amijax.fit import jobs


@pytest.fixture(autouse=True)
def own_fits(tmp_path, monkeypatch):
    """No fits of before, one start at a time in this process, and a quick audit."""
    monkeypatch.setattr("amijax.fit.checkpoints.cache_dir", lambda: tmp_path)
    monkeypatch.setattr(jobs, "_jobs", Registry())
    monkeypatch.setattr(jobs, "available_cores", lambda: 1)
    monkeypatch.setattr(
        "amijax.fit.multistart.audited",
        lambda objective, theta, **_: audit_gradient(
            objective, theta, entries="none", roadrunner=False
        ),
    )


@pytest.fixture
def page(conversion):  # noqa: ARG001 - compiled
    return opened("Conversion_Reaction", "pages/fit.py")


def fitted(page, n_starts=3):
    page.number_input(key="fit_starts").set_value(n_starts)
    page.button(key="fit_begin").click().run()
    [job] = jobs._jobs.values()
    assert job.wait(100).state == "done"
    return page.run()


def warnings_of(page):
    return "\n".join(warning.value for warning in page.warning)


def test_a_fit_from_the_button_to_the_current_point(page, conversion):
    assert not page.exception
    assert "There is no fit of this problem yet" in text_of(page)
    assert page.number_input(key="fit_starts").value == 20
    page = fitted(page)
    assert not page.exception
    [job] = jobs._jobs.values()
    result = job.progress().result
    np.testing.assert_array_equal(result.starts[0].theta_start, conversion.problem.nominal_theta)
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["best llh"] == f"{result.best.llh:.9g}"
    assert shown["starts"] == "3"
    assert len(page.get("plotly_chart")) == 1
    page.button(key="fit_take").click().run()
    assert not page.exception
    np.testing.assert_array_equal(page.session_state["amijax_session"].theta, result.best.theta)
    # A new session, as after a reload: the fit is still there.
    again = opened("Conversion_Reaction", "pages/fit.py")
    assert {m.label: m.value for m in again.metric}["best llh"] == shown["best llh"]


@pytest.mark.parametrize(
    ("view", "charts"), [("Growth", 2), ("Points", 1), ("Trajectories", 1), ("Starts", 0)]
)
def test_the_views_of_a_fit(page, view, charts):
    page = fitted(page, 2)
    page.segmented_control(key="fit_view").set_value(view).run()
    assert not page.exception
    assert len(page.get("plotly_chart")) == charts
    if view == "Starts":
        table = next(e.value for e in page.dataframe if "in words" in e.value)
        assert sorted(table.index) == [0, 1]


def test_export_and_what_was_fitted_with(page):
    page = fitted(page, 1)
    page.segmented_control(key="fit_view").set_value("Export").run()
    assert not page.exception
    assert "fides, 1 starts, seed 0" in text_of(page)


def test_bounds_that_cross_are_a_sentence_and_begin_nothing(page, monkeypatch):
    # AppTest can't edit a grid: what it returns is changed instead.
    real = st.data_editor

    def crossed(frame, **options):
        real(frame, **options)
        return frame.assign(lower=frame["upper"]) if "lower" in frame else frame

    monkeypatch.setattr(st, "data_editor", crossed)
    page.button(key="fit_begin").click().run()
    assert not page.exception
    assert "The lower bound must be below the upper one: look at k1, k2" in warnings_of(page)
    assert jobs._jobs.values() == ()


def test_a_fit_that_waits_says_what_is_ahead(page):
    ahead = jobs._one_at_a_time.enter("somebody else", "Boehm_JProteomeRes2014, 20 starts")
    assert jobs._one_at_a_time.acquire(ahead, 0.0)
    try:
        page.button(key="fit_begin").click().run()
        text = text_of(page)
        assert "Waiting for a turn: 1 fit runs before this one: Boehm\\_JProteomeRes2014" in text
        page.button(key="fit_cancel").click().run()
        [job] = jobs._jobs.values()
        assert job.wait(60).state == "cancelled"
    finally:
        jobs._one_at_a_time.leave(ahead)
    assert not page.run().exception


def test_a_cancelled_fit_keeps_what_it_has_and_goes_on(page):
    page.number_input(key="fit_starts").set_value(300)
    page.button(key="fit_begin").click().run()
    [job] = jobs._jobs.values()
    until(lambda: (result := job.progress().result) is not None and len(result.starts) > 2)
    job.cancel()
    assert job.wait(100).state == "cancelled"
    page = page.run()
    assert not page.exception
    assert "The fit is not complete" in warnings_of(page)
    assert page.button(key="fit_go_on").label == "Go on with this fit"
    kept = len([start for start in job.progress().result.starts if start.is_over])
    page.button(key="fit_go_on").click().run()
    _, more = jobs._jobs.values() if len(jobs._jobs.values()) > 1 else (None, *jobs._jobs.values())
    until(lambda: more.progress().result is not None)
    assert more.progress().result.n_resumed >= kept
    more.cancel()
    more.wait(100)


def test_a_fit_that_breaks_is_a_sentence(page, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no luck")

    monkeypatch.setattr(jobs, "fit", broken)
    page.button(key="fit_begin").click().run()
    [job] = jobs._jobs.values()
    job.wait(60)
    page = page.run()
    assert not page.exception
    assert "The fit broke off. RuntimeError: no luck" in text_of(page)


@pytest.mark.usefixtures("conversion")
def test_a_solver_that_fails_everywhere_is_told():
    page = opened("Conversion_Reaction", "pages/fit.py", max_steps="1")
    page = fitted(page, 2)
    assert not page.exception
    assert "No start found a point that can be evaluated." in "\n".join(
        error.value for error in page.error
    )
