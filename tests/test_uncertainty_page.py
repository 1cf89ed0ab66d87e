"""The page of uncertainty without a browser: what it asks, shows, and keeps."""

import numpy as np
import pytest
from test_precision_page import opened, text_of

from amijax.background import Registry
from amijax.identifiability import jobs


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    """Nothing of before, and one side at a time in this process."""
    monkeypatch.setattr("amijax.identifiability.checkpoints.cache_dir", lambda: tmp_path)
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: tmp_path)
    monkeypatch.setattr(jobs, "_jobs", Registry())
    monkeypatch.setattr(jobs, "available_cores", lambda: 1)


@pytest.fixture
def page(conversion):  # noqa: ARG001 - compiled
    return opened("Conversion_Reaction", "pages/uncertainty.py")


def done(page, button):
    page.button(key=button).click().run()
    [job] = jobs._jobs.values()
    assert job.wait(100).state == "done"
    return page.run()


def test_profiles_from_the_button_to_the_verdicts(page, conversion):
    assert not page.exception
    assert "Nothing is known of this problem's uncertainty yet" in text_of(page)
    page.multiselect(key="uncertainty_parameters_Conversion_Reaction").set_value(["total"])
    page = done(page, "uncertainty_profiles")
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["identifiable"] == "1"
    assert "raised llh by 6.84" in page.warning[0].value
    table = page.dataframe[0].value
    assert table.loc["total", "verdict"] == "identifiable"
    assert table.loc["total", "linear from"] == pytest.approx(1.902, abs=2e-3)
    assert len(page.get("plotly_chart")) == 1
    for view in ("Intervals", "Spectrum", "Correlations", "Export"):
        page.segmented_control(key="uncertainty_view").set_value(view).run()
        assert not page.exception
    optimum = jobs.uncertainties_of(conversion)[0].progress().profiles.optimum.theta
    page.button(key="uncertainty_take").click().run()
    assert not page.exception
    np.testing.assert_array_equal(page.session_state["amijax_session"].theta, optimum)
    # Another session, or a reload, finds the same.
    other = opened("Conversion_Reaction", "pages/uncertainty.py")
    assert {metric.label: metric.value for metric in other.metric} == shown


def test_the_curvature_alone(page):
    page = done(page, "uncertainty_curvature")
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["rank"] == "6 of 6"
    assert "no optimum" in page.warning[0].value


def test_results_on_disk_are_found(page, monkeypatch):
    page.multiselect(key="uncertainty_parameters_Conversion_Reaction").set_value(["total"])
    page = done(page, "uncertainty_profiles")
    monkeypatch.setattr(jobs, "_jobs", Registry())  # the server was started again
    later = opened("Conversion_Reaction", "pages/uncertainty.py")
    assert not later.exception
    assert later.dataframe[0].value.loc["total", "verdict"] == "identifiable"


def test_cancelled_profiles_are_kept_and_go_on(conversion):
    theta = conversion.problem.nominal_theta
    request = jobs.UncertaintyRequest(theta, ("total", "k2"))
    job = jobs.start_uncertainty(conversion, request)
    while job.progress().sides_over < 1 and not job.progress().is_over:
        job.wait(0.05)
    assert jobs.start_uncertainty(conversion, request) is job  # who asks for the same shares it
    job.cancel()
    assert job.wait(100).state == "cancelled"
    page = opened("Conversion_Reaction", "pages/uncertainty.py")
    assert not page.exception
    assert "0 of 2 profiles are complete" in "".join(each.value for each in page.warning) or (
        "1 of 2 profiles are complete" in "".join(each.value for each in page.warning)
    )
    page.button(key="uncertainty_go_on").click().run()
    [*_, job] = jobs._jobs.values()
    assert job.wait(100).state == "done"
    assert job.progress().profiles.is_complete
