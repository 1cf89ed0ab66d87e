"""The pages' logic without a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from html_tables import read_tables
from streamlit.testing.v1 import AppTest

from amijax import AmiciObjective, SolverSettings, load_problem
from amijax.audit.closed_forms import closed_form
from amijax.audit.jobs import _jobs, audited
from amijax.comparison import compare_precisions
from amijax.digits import relative_text
from amijax.headline import headline
from amijax.sharing.presets import list_presets
from amijax.tuning.found import stored_tuning
from amijax.tuning.jobs import _jobs as _tuning_jobs
from amijax.ui.digit_view import most_different

REPOSITORY = Path(__file__).parents[1]
TIMEOUT = 120


def opened(**query):
    """The first page under an address."""
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.query_params.update(query)
    page.run()
    assert not page.exception
    return page


@pytest.fixture
def app(boehm):
    """The first page on the Boehm model, which is compiled already, in float64."""
    page = opened(x64="true")
    assert page.session_state["amijax_session"].name == boehm.problem.problem_id
    return page


def tables(page):
    """The llh and the gradient table, their numbers."""

    def frame(rows):
        values = {title: {c: value for c, (value, _) in row.items()} for title, row in rows.items()}
        return pd.DataFrame.from_dict(values, orient="index")

    shown = [frame(rows) for rows in read_tables(page)]
    llh = next(each for each in shown if list(each.index) == ["llh"])
    gradient = next(each for each in shown if {"theta", "amici"} <= set(each))
    return llh, gradient


def texts(page):
    """All sentences on the page."""
    kinds = ("markdown", "caption", "warning", "error", "info", "success")
    return " ".join(e.value for kind in kinds for e in getattr(page, kind)).replace("\\", "")


def type_value(page, row, text):
    """Type into the parameter table's value column."""
    session = page.session_state["amijax_session"]
    key = f"parameters_{session.name}_{session.version}"
    page.session_state[key] = {
        "edited_rows": {row: {"value": text}},
        "added_rows": [],
        "deleted_rows": [],
    }
    return page.run()


def test_shows_what_the_library_computes(app, boehm):
    llh, gradient = tables(app)
    value, expected = boehm.llh_and_gradient(boehm.problem.nominal_theta)
    assert llh.loc["llh", "amici"] == value
    np.testing.assert_array_equal(gradient["amici"], expected)
    np.testing.assert_allclose(gradient["jax"], expected, rtol=1e-12)


def test_toggle_changes_jax_and_not_amici(app):
    llh64, gradient64 = tables(app)
    app.toggle(key="x64").set_value(False).run()
    assert not app.exception
    llh32, gradient32 = tables(app)
    assert llh32.loc["llh", "amici"] == llh64.loc["llh", "amici"]
    np.testing.assert_array_equal(gradient32["amici"], gradient64["amici"])
    assert np.abs(gradient32["rel_diff"]).max() > 1e-3
    assert "In float32 the gradient entry of k_phos differs" in texts(app)


def test_an_edited_value_is_evaluated(app, boehm):
    type_value(app, 5, "4.0")
    theta = boehm.problem.nominal_theta.copy()
    theta[5] = 4.0
    llh, gradient = tables(app)
    assert llh.loc["llh", "amici"] == boehm.llh_and_gradient(theta)[0]
    assert gradient.loc["k_phos", "theta"] == 4.0
    app.button(key="nominal").click().run()
    assert tables(app)[1].loc["k_phos", "theta"] == boehm.problem.nominal_theta[5]


def test_the_first_edit_survives_reruns(app):
    """The editor must not forget its edits when the column of reset buttons fills."""
    editor = app.get("arrow_data_frame")[0].proto.id if app.get("arrow_data_frame") else ""
    type_value(app, 5, "4.0")
    for _ in range(3):
        app.run()
        assert app.session_state["amijax_session"].theta[5] == 4.0
    if editor:
        assert app.get("arrow_data_frame")[0].proto.id == editor


@pytest.mark.parametrize(
    ("text", "sentence"), [("abc", "not a number"), ("7", "outside its bounds"), ("", "no value")]
)
def test_an_unusable_value_leaves_the_last_usable_one(app, boehm, text, sentence):
    nominal = boehm.problem.nominal_theta[5]
    for typed, simulated in ((text, nominal), ("4.3", 4.3), (text, 4.3)):
        type_value(app, 5, typed)
        assert tables(app)[1].loc["k_phos", "theta"] == simulated
    assert sentence in texts(app)
    assert "The last usable value is simulated" in texts(app)
    assert "1 of 9 parameters differ from nominal: k_phos" in texts(app)
    assert "All parameters are at their nominal values" not in texts(app)


def test_random_is_seeded_and_within_bounds(app, boehm):
    from amijax.problems.points import random_theta

    app.button(key="random").click().run()
    session = app.session_state["amijax_session"]
    np.testing.assert_array_equal(session.theta, random_theta(boehm.problem, 1))
    assert not app.exception
    assert "seed 1" in texts(app)
    app.text_area(key="paste_text").set_value("k_phos 4").run()
    app.button(key="paste_apply").click().run()
    assert "seed" not in texts(app)  # another point than the seed's


def test_paste(app):
    app.text_area(key="paste_text").set_value("k_phos 4.0\nnonsense 1\nratio=2").run()
    app.button(key="paste_apply").click().run()
    assert tables(app)[1].loc["k_phos", "theta"] == 4.0
    assert "nonsense" in texts(app)
    assert "ratio" in texts(app)
    assert app.session_state["paste"] is False  # closed


def test_a_failure_is_a_sentence_in_place_of_the_chart(app):
    app.text_input(key="max_steps").set_value("5").run()
    assert not app.exception
    assert any("steps" in error.value for error in app.error)
    assert not app.get("plotly_chart")
    assert any("What to try" in markdown.value for markdown in app.markdown)
    app.button(key="solver_reset").click().run()
    assert app.get("plotly_chart")


def test_a_remedy_is_carried_out(app):
    app.text_input(key="max_steps").set_value("5").run()
    remedy = next(b for b in app.button if b.label.startswith("Allow ten times"))
    remedy.click().run()
    assert not app.exception
    assert app.text_input(key="max_steps").value == "50"


@pytest.mark.parametrize(("key", "text"), [("rtol", "small"), ("atol", "-1"), ("max_steps", "nan")])
def test_a_senseless_solver_setting_is_a_sentence(app, key, text):
    app.text_input(key=key).set_value(text).run()
    assert not app.exception
    assert app.warning
    assert app.get("plotly_chart")


def test_solver_settings_reach_the_result(app):
    app.text_input(key="rtol").set_value("1e-3").run()
    rough = tables(app)[0].loc["llh", "amici"]
    app.text_input(key="rtol").set_value("1e-10").run()
    assert tables(app)[0].loc["llh", "amici"] != rough


DIGITS = re.compile(
    r"data-title='(.*?)' data-value='(.*?)'>.*?<span class=digits.*?>(.*?)</span><span class=note"
)


def digit_rows(page):
    """The rows of digits by title: the number behind them, and the text without its marks."""
    (body,) = [e.proto.body for e in page.get("html") if "class='amijax-digits'" in e.proto.body]
    return {
        title: (float(value), re.sub("<.*?>", "", text).strip().replace("−", "-"))
        for title, value, text in DIGITS.findall(body)
    }


def test_all_digits_of_one_entry(app, boehm):
    comparisons = compare_precisions(boehm, boehm.problem.nominal_theta)
    chosen = app.selectbox(key="digits_entry")
    assert chosen.value == ""  # follows the largest relative difference
    for entry in (chosen.value, "llh", "k_phos"):
        chosen.set_value(entry).run()
        assert not app.exception
        rows = digit_rows(app)
        if entry == "llh":
            expected = [c.llh_jax for c in comparisons.values()]
        else:
            name = entry or most_different(comparisons)
            i = boehm.problem.parameter_ids.index(name)
            expected = [float(c.gradient_jax[i]) for c in comparisons.values()]
        shown = [rows[f"JAX, {precision}"] for precision in comparisons]
        assert [value for value, _ in shown] == expected
        for value, text in shown:
            assert float(text) == value  # 17 digits tell every float64 from every other
    assert "Significant digits that agree" in texts(app)


def test_a_chosen_entry_of_another_problem_is_forgotten(app, objective_of):
    objective_of("Conversion_Reaction")
    app.selectbox(key="digits_entry").set_value("k_phos").run()
    app.selectbox(key="problem").set_value("Conversion_Reaction").run()
    assert not app.exception
    assert app.selectbox(key="digits_entry").value == ""


def test_the_digits_are_held_against_the_audit_s_witness(objective_of):
    objective = objective_of("Harvested_Stock")
    theta = objective.problem.nominal_theta
    audited(objective, theta)  # kept on disk
    page = opened(problem="Harvested_Stock", x64="true")
    page.selectbox(key="digits_entry").set_value("growth").run()
    finish(_jobs)
    page.run()
    rows = digit_rows(page)
    assert rows["AMICI"] == rows["JAX, float64"]
    assert rows["best known"][0] == closed_form(objective.problem, theta)[1].values[0]
    assert "AMICI and JAX, float64 are the same number" in texts(page)
    assert "AMICI 0, JAX, float64 0" in texts(page)


def test_digits_are_asked_for_in_the_panel_and_on_the_page(objective_of):
    objective = objective_of("Harvested_Stock")
    audited(objective, objective.problem.nominal_theta)  # says that the gradient is wrong
    page = opened(problem="Harvested_Stock", x64="true")
    finish(_jobs)
    page.run()
    mode = page.button_group(key="solver_mode")
    assert mode.value == "AMICI's defaults"
    mode.set_value("digits of the gradient").run()
    page.number_input(key="digits_asked").set_value(2).run()
    assert not page.exception
    page.button(key="tuning_start_line").click().run()  # the panel has one, too
    finish(_tuning_jobs)
    page.run()
    assert not page.exception
    found = stored_tuning(objective, 2)
    assert found.digits >= 0.1
    assert float(page.text_input(key="rtol").value) == found.settings.rtol
    assert page.button_group(key="solver_mode").value == "digits of the gradient"
    assert "The settings found for 2 digits of the gradient" in texts(page)
    page.button_group(key="solver_mode").set_value("AMICI's defaults").run()
    assert page.text_input(key="rtol").value == ""
    finish(_jobs)
    page.run()
    assert page.button(key="tuning_mend").label.startswith("Use settings with")
    page.text_input(key="rtol").set_value("1e-9").run()
    assert page.button_group(key="solver_mode").value == "by hand"
    assert not page.exception


def finish(jobs):
    """Wait for all jobs of a kind."""
    for job in list(jobs.values()):
        while not job.progress().is_over:
            job.wait(1)


def test_rarer_solver_settings_reach_the_result(app, boehm):
    app.selectbox(key="internal_sensitivity_method").set_value("staggered").run()
    app.text_input(key="atol_fsa").set_value("1e-9").run()
    assert not app.exception
    settings = SolverSettings(internal_sensitivity_method="staggered", atol_fsa=1e-9)
    gradient = boehm.with_solver(settings).llh_and_gradient(boehm.problem.nominal_theta)[1]
    np.testing.assert_array_equal(tables(app)[1]["amici"], gradient)
    app.button(key="solver_reset").click().run()
    assert app.selectbox(key="internal_sensitivity_method").value == "simultaneous"
    assert app.text_input(key="atol_fsa").value == ""


def test_other_problems(app, conversion):
    app.selectbox(key="problem").set_value("Conversion_Reaction").run()
    assert not app.exception
    assert tables(app)[0].loc["llh", "amici"] == pytest.approx(
        conversion.llh_and_gradient(conversion.problem.nominal_theta)[0], rel=1e-15
    )


def test_a_newcomer_begins_where_the_notebook_does(boehm):
    page = opened()
    assert not page.toggle(key="x64").value
    comparisons = compare_precisions(boehm, boehm.problem.nominal_theta)
    expected = headline(boehm.problem, comparisons, "float32")
    assert expected.found in texts(page)
    assert "k_phos" in expected.found
    (summary,) = [rows for rows in read_tables(page) if "largest one of the gradient" in rows]
    shown = list(summary["largest one of the gradient"].values())
    worst = comparisons["float32"].gradient_rel_diff[comparisons["float32"].worst]
    assert shown[1] == (worst, f"{relative_text(worst)} (k_phos)")
    assert shown[2] == (0, "0, exact")


@pytest.mark.parametrize(
    ("query", "x64"),
    [
        ({"x64": "true"}, True),
        ({"x64": "false"}, False),
        ({"problem": "Boehm_JProteomeRes2014"}, True),  # as links always meant
        ({"problem": "Boehm_JProteomeRes2014", "x64": "false"}, False),
    ],
)
def test_an_address_says_the_precision(query, x64):
    page = opened(**query)
    assert page.toggle(key="x64").value is x64
    page.switch_page("pages/about.py").run()
    assert page.toggle(key="x64").value is x64


def test_the_next_steps_are_taken(boehm):
    page = opened()
    page.button(key="step_parameter").click().run()
    assert tables(page)[1].loc["k_phos", "theta"] == 4.0
    assert "at k_phos = 4 (nominal 4.19774)" in texts(page)
    page.button(key="step_precision").click().run()
    assert page.toggle(key="x64").value
    assert "In float64" in texts(page)
    page.button(key="step_nominal").click().run()
    assert not page.exception
    assert (page.session_state["amijax_session"].theta == boehm.problem.nominal_theta).all()


def test_instructive_points_are_gone_to(objective_of):
    objective_of("Robertson_Stiff")
    page = opened()
    page.button(key="preset_off_the_optimum").click().run()
    assert tables(page)[1].loc["k_phos", "theta"] == 4.0
    assert list_presets()[1].look_at in texts(page)
    page.toggle(key="x64").set_value(True).run()
    assert list_presets()[1].look_at not in page.markdown[1].value
    page.button(key="preset_signs_flip").click().run()
    assert not page.exception
    assert page.session_state["amijax_session"].name == "Robertson_Stiff"
    assert not page.toggle(key="x64").value
    assert "have another sign than AMICI's" in texts(page)
    page.button(key="preset_at_the_optimum").click().run()
    assert page.session_state["amijax_session"].name == "Boehm_JProteomeRes2014"


def test_a_switched_off_repair_is_said_and_switched_on(objective_of):
    repaired = objective_of("Constant_Ligand")
    unrepaired = AmiciObjective(load_problem("Constant_Ligand", repair=False))
    theta = repaired.problem.nominal_theta
    page = opened(problem="Constant_Ligand", repair="false")
    assert "Repairs are switched off" in page.error[0].value
    assert "ligand never changes" in page.error[0].value
    gradient = tables(page)[1]["amici"]
    assert gradient["ligand_stock"] == 0
    assert list(gradient) == list(unrepaired.llh_and_gradient(theta)[1])
    assert page.query_params["repair"] == "false"  # a reload stays there
    page.switch_page("pages/whatif.py").run()
    assert "Repairs are switched off" in page.error[0].value
    page.button(key="repair_on").click().run()
    assert not page.error
    assert "repair" not in page.query_params
    page.switch_page("app.py").run()
    assert list(tables(page)[1]["amici"]) == list(repaired.llh_and_gradient(theta)[1])


def test_another_problem_is_repaired_again(objective_of):
    objective_of("Conversion_Reaction")
    AmiciObjective(load_problem("Constant_Ligand", repair=False))
    page = opened(problem="Constant_Ligand", repair="false")
    for name in ("Conversion_Reaction", "Constant_Ligand"):
        page.selectbox(key="problem").set_value(name).run()
        assert not page.error
    page.button(key="preset_tight_is_not_right").click().run()
    assert "Repairs are switched off" in page.error[0].value


def test_amici_only(app, boehm):
    app.toggle(key="amici_only").set_value(True).run()
    assert not app.exception
    llh, gradient = tables(app)
    assert llh.loc["llh", "amici"] == boehm.llh_and_gradient(boehm.problem.nominal_theta)[0]
    assert llh.loc["llh", "jax"] == "not run"
    assert set(gradient["jax"]) == {"not run"}
    assert app.get("plotly_chart")
    app.button(key="step_run_jax").click().run()
    assert tables(app)[0].loc["llh", "rel_diff"] == 0
    assert not app.toggle(key="amici_only").value


def test_the_notebook_s_rel_diff(app):
    app.toggle(key="x64").set_value(False).run()
    ours = tables(app)[1]
    app.toggle(key="notebook_convention").set_value(True).run()
    llh, gradient = tables(app)
    both = gradient["amici"] - gradient["jax"]
    np.testing.assert_array_equal(gradient["rel_diff"], both / gradient["jax"])
    assert (np.sign(gradient["rel_diff"]) == -np.sign(ours["rel_diff"])).sum() == 8
    value = llh.loc["llh"]
    assert value["rel_diff"] == (value["amici"] - value["jax"]) / value["amici"]


def test_parameters_are_ordered(app):
    app.toggle(key="x64").set_value(False).run()
    type_value(app, 5, "4.1")
    app.selectbox(key="order").set_value("relative difference").run()
    assert not app.exception
    gradient = tables(app)[1]
    sizes = gradient["rel_diff"].abs().to_numpy()
    assert (np.diff(sizes) <= 0).all()
    assert gradient.loc["k_phos", "theta"] == 4.1  # the edit survives
    first = gradient.index[0]
    type_value(app, 0, "-1" if gradient["theta"].iloc[0] < 0 else "1")
    assert abs(tables(app)[1].loc[first, "theta"]) == 1  # the first row is edited, whose it is


def test_parameters_on_a_bound_are_counted(app, boehm):
    type_value(app, 5, "5")
    assert "2 sit on a bound (●): k_exp_hetero, k_phos" in texts(app)
    (details,) = [rows for rows in read_tables(app) if "bounds" in rows.get("k_phos", {})]
    assert details["k_phos"]["bounds"][0] == "-5 … 5●"
    assert details["k_exp_hetero"]["bounds"][0] == "●-5 … 5"
    assert details["k_imp_homo"]["bounds"][0] == "-5 … 5"
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert boehm.problem.parameter_names[5] in figure["layout"]["annotations"][5]["text"]


@pytest.mark.parametrize("page", ["pages/about.py", "pages/glossary.py"])
def test_every_page_opens_cold(page):
    opened = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    opened.switch_page(page).run()
    assert not opened.exception
    assert opened.sidebar.selectbox(key="problem").value == "Boehm_JProteomeRes2014"


@pytest.mark.usefixtures("boehm")
def test_the_problems_page_lists_all_with_results():
    from amijax.checks.check import check_problem

    check_problem("Boehm_JProteomeRes2014")
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.switch_page("pages/collection.py").run()
    assert not page.exception
    (table,) = [frame.value for frame in page.dataframe if "digits" in frame.value]
    assert len(table) >= 37
    assert table.loc["Boehm_JProteomeRes2014", "status"] == "✓ ok"
    assert table.loc["Boehm_JProteomeRes2014", "digits"] > 6
    assert table.loc["Froehlich_CellSystems2018", "parameters"] == 4231
    page.text_input(key="filter").set_value("laplace").run()
    (table,) = [frame.value for frame in page.dataframe if "digits" in frame.value]
    assert 0 < len(table) < 37
    assert table["priors"].str.contains("laplace").any()


@pytest.mark.parametrize(
    ("text", "column"),
    [("event", "events"), ("Preequil", "preequilibration"), ("prior", "priors"),
     ("log10-normal", "noise"), ("discontinu", "features"), ("steady", "features")],
)  # fmt: skip
def test_features_are_found(text, column):
    from amijax.problems import list_problems
    from amijax.ui.collection import filtered, problems_table

    everything = problems_table(list_problems(), {}, {})
    table = filtered(everything, text, [])
    assert 0 < len(table) < len(everything)
    assert all(table[column].astype(bool))
    if column in ("events", "preequilibration", "priors"):
        assert len(table) == everything[column].fillna(0).astype(bool).sum()


def test_a_status_is_filtered():
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.switch_page("pages/collection.py").run()
    page.button_group(key="status_filter").set_value(["not checked", "not here"]).run()
    assert not page.exception
    (table,) = [frame.value for frame in page.dataframe if "digits" in frame.value]
    assert set(table["status"]) <= {"not checked", "not here"}


def choose(page, *names):
    """Choose the rows of problems in the table that is shown."""
    table = next(e for e in page.dataframe if "digits" in e.value)
    shown = list(table.value.index)
    rows = [shown.index(name) for name in names]
    page.session_state[f"problems_wide_0_{hash(tuple(shown))}"] = {
        "selection": {"rows": rows, "columns": [], "cells": []}
    }
    return page.run()


def chosen_label(page):
    return [b.label for b in page.button if b.label.startswith("Check the chosen")]


def test_chosen_rows_survive_a_filter():
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.switch_page("pages/collection.py").run()
    choose(page, "Boehm_JProteomeRes2014", "Zheng_PNAS2012")
    assert chosen_label(page) == ["Check the chosen (2)"]
    for text, expected in (("boehm", ["Check the chosen (1)"]), ("laplace", []),
                           ("no such", []), ("", ["Check the chosen (2)"])):  # fmt: skip
        page.text_input(key="filter").set_value(text).run()
        assert not page.exception, text
        assert chosen_label(page) == expected, text


def test_uploads_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("AMIJAX_UPLOADS", "off")
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.switch_page("pages/collection.py").run()
    assert any("switched off" in info.value for info in page.info)


def test_a_problem_that_cannot_be_had_is_a_sentence(monkeypatch):
    monkeypatch.setenv("AMIJAX_COLLECTION_URL", "http://localhost:9/nothing")
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.query_params["problem"] = "Lang_PLOSComputBiol2024"
    page.run()
    assert not page.exception
    assert any("can't be opened" in error.value for error in page.error)
    assert page.sidebar.selectbox(key="problem").value == "Lang_PLOSComputBiol2024"


@pytest.mark.collection
def test_a_prior_is_shown_beside_llh(collection):  # noqa: ARG001
    from amijax import get_model, load_problem

    get_model(load_problem("Schwen_PONE2014"))
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    page.query_params["problem"] = "Schwen_PONE2014"
    page.run()
    assert any("Log-prior" in caption.value for caption in page.caption)
