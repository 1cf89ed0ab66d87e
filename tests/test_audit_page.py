"""The audit on the first page, and its own page, without a browser."""

import pytest
from export_stand_in import WHERE, refusing
from test_precision_page import opened, text_of

from amijax.audit.jobs import _jobs


def finished(app):
    """The page after all audits under way are over."""
    for job in list(_jobs.values()):
        while not job.progress().is_over:  # asking keeps it going
            job.wait(1)
    return app.run()


def shown(app):
    return "\n".join(e.value for e in (*app.markdown, *app.error, *app.info))


def test_the_first_page_says_what_is_confirmed_and_by_whom(boehm):  # noqa: ARG001 - compiled
    app = finished(opened("Boehm_JProteomeRes2014"))
    assert not app.exception
    assert "llh confirmed by libRoadRunner to " in shown(app)
    assert "every gradient entry by finite differences to " in shown(app)
    assert not app.error


@pytest.mark.collection
def test_the_first_page_says_what_is_wrong_and_what_mends_it(collection, objective_of):
    assert collection
    objective_of("Crauste_CellSystems2017")
    app = finished(opened("Crauste_CellSystems2017"))
    [line] = [e.value for e in app.markdown if "red-background" in e.value]
    assert "**Agreement is not accuracy.** " in line
    assert "12 of 12 gradient entries are wrong" in line
    assert "a smaller rtol helps" in line


def test_the_page_shows_every_entry(conversion, monkeypatch, tmp_path):
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: tmp_path)
    app = finished(opened("Conversion_Reaction", "pages/audit.py"))
    assert not app.exception
    table = next(e.value for e in app.dataframe if "witness says" in e.value)
    assert list(table.index) == ["llh", *conversion.problem.parameter_ids]
    assert set(table["verdict"]) == {"right"}
    assert {m.label: m.value for m in app.metric}["entries right"] == "6"
    assert len(app.get("plotly_chart")) == 1
    assert "libRoadRunner simulates the SBML file itself" in text_of(app)
    assert app.button(key="audit_all").label == "Ask AMICI's JAX export, too"


def test_a_simulation_that_fails_is_a_sentence(conversion):  # noqa: ARG001 - compiled
    app = opened("Conversion_Reaction", "pages/audit.py", max_steps="5")
    assert not app.exception
    assert any("steps" in error.value for error in app.error)


def test_all_entries_are_audited_when_that_is_asked_for(
    boehm,  # noqa: ARG001 - compiled
    monkeypatch,
    tmp_path,
):
    monkeypatch.setattr("amijax.audit.audit._CHEAP", 0.0)
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: tmp_path)
    app = finished(opened("Boehm_JProteomeRes2014", "pages/audit.py", rtol="2e-9"))
    assert {m.label: m.value for m in app.metric}["entries unproven"] == "9"
    monkeypatch.setattr(WHERE, refusing("It is not asked here."))
    app.button(key="audit_all").click().run()
    app = finished(app)
    assert {m.label: m.value for m in app.metric}["entries right"] == "9"
    assert "Not heard: It is not asked here." in text_of(app)
