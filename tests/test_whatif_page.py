"""The what-if page without a browser: sliders, views, snapshots, links, exports."""

import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

REPOSITORY = Path(__file__).parents[1]
TIMEOUT = 120
BOEHM = "Boehm_JProteomeRes2014"


def opened(page="pages/whatif.py", **query):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    if page:
        app.switch_page(page)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def session(app):
    return app.session_state["amijax_session"]


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def view(app, name):
    app.button_group(key="whatif_view").set_value(name).run()
    assert not app.exception
    return app


def move(app, parameter, value):
    app.slider(key=f"slider_{session(app).name}_{parameter}").set_value(value).run()
    assert not app.exception
    return app


def texts(app):
    return "\n".join(e.value for e in (*app.markdown, *app.caption, *app.warning, *app.info))


@pytest.fixture
def app(boehm):  # noqa: ARG001 - compiled
    return opened(problem=BOEHM)


def test_sliders_are_the_six_that_move_llh_most(app, boehm):
    from amijax.whatif.influence import most_influential, standard_changes

    nominal = boehm.problem.nominal_theta
    expected = [
        boehm.problem.parameter_ids[i] for i in most_influential(standard_changes(boehm, nominal))
    ]
    assert "k_phos" in expected[:3]  # which its gradient, close to 0, does not say
    assert [s.key.removeprefix(f"slider_{BOEHM}_") for s in app.slider] == expected
    np.testing.assert_array_equal(session(app).theta, nominal)


def test_slow_problems_try_each_parameter_when_asked(boehm, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr("amijax.ui.sliders._AFFORDABLE", 0.0)
    app = opened(problem=BOEHM)
    assert "Chosen by the gradient alone" in texts(app)
    app.button(key="try_parameters").click().run()
    assert not app.exception
    assert "Chosen by the gradient alone" not in texts(app)
    assert "k_phos" in app.multiselect(key=f"sliders_{BOEHM}").value[:3]


def test_how_far_llh_depends_on_sensitivities_is_computed(app, boehm, monkeypatch):
    nominal = boehm.problem.nominal_theta
    there, here = boehm.llh_and_gradient(nominal)[0], boehm.llh(nominal)
    shown = next(m for m in app.metric if m.label.startswith("llh at the baseline"))
    assert f"{abs(there - here) / abs(there):.1e}" in shown.help
    assert not app.warning
    monkeypatch.setattr("amijax.ui.whatif._FEW_DIGITS", 12.0)
    app.run()
    assert any("they agree in 7." in w.value or "8." in w.value for w in app.warning)


def test_a_slider_moves_theta_llh_and_the_prediction(app, boehm):
    move(app, "k_phos", 4.0)
    theta = boehm.problem.nominal_theta.copy()
    base = boehm.llh(theta)
    foretold = boehm.llh_and_gradient(theta)[1][5] * (4.0 - theta[5])
    theta[5] = session(app).theta[5]
    assert abs(theta[5] - 4.0) < 0.01  # a slider has steps
    np.testing.assert_array_equal(session(app).theta, theta)
    shown = metrics(app)
    assert shown["llh now"] == f"{boehm.llh(theta):.9g}"
    assert float(shown["Change"]) == pytest.approx(boehm.llh(theta) - base, rel=1e-3)
    assert float(shown["Foretold by the gradient"]) == pytest.approx(foretold, rel=0.02)
    assert any("has left the linear range" in warning.value for warning in app.warning)


def test_parameters_that_are_not_moved_keep_their_last_bit(app, boehm):
    move(app, "k_phos", 4.1)
    moved = session(app).theta != boehm.problem.nominal_theta
    assert moved.sum() == 1


def test_the_first_page_shows_the_same_point(app):
    move(app, "k_phos", 4.0)
    theta = session(app).theta.copy()
    app.switch_page("app.py").run()
    assert not app.exception
    np.testing.assert_array_equal(session(app).theta, theta)


def test_baseline_and_back(app, boehm):
    move(app, "k_phos", 4.0)
    theta = session(app).theta.copy()
    app.button(key="set_baseline").click().run()
    np.testing.assert_array_equal(session(app).baseline, theta)
    assert metrics(app)["Change"] == "+0"
    move(app, "k_phos", 4.4)
    app.button(key="to_baseline").click().run()
    np.testing.assert_array_equal(session(app).theta, theta)
    assert boehm.problem.nominal_theta[5] != theta[5]


def test_shares_add_up_to_llh(app, boehm):
    move(app, "k_phos", 4.0)
    view(app, "Shares of llh")
    theta = session(app).theta
    tables = [e.value for e in app.dataframe if "measurements" in e.value]
    assert len(tables) == 2
    first_page = boehm.llh_and_gradient(theta)[0]
    for table in tables:
        # Up to the order of summation; without sensitivities they would differ by 1e-8.
        assert table["share of llh"].sum() == pytest.approx(first_page, rel=1e-12)
    assert sum(table["measurements"].sum() for table in tables) == 2 * 48


@pytest.mark.parametrize("name", ["Trajectories", "Prediction", "Slices", "Snapshots", "Export"])
def test_every_view_opens(app, name):
    move(app, "k_phos", 4.0)
    view(app, name)
    assert not app.error


def test_trajectories_of_states_and_on_logarithmic_axes(app):
    app.toggle(key="log_time").set_value(True)
    app.button_group(key="trajectories_of").set_value("states").run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    app.multiselect(key=f"states_{BOEHM}_0").set_value([]).run()
    assert "Choose some of the states" in texts(app)


def test_snapshots_are_kept_compared_returned_to_and_deleted(app):
    view(app, "Snapshots")
    app.text_input(key="snapshot_name").set_value("start")
    app.button(key="snapshot_keep").click().run()
    move(app, "k_phos", 4.0)
    app.text_input(key="snapshot_name").set_value("start")  # the same name again
    app.button(key="snapshot_keep").click().run()
    assert not app.exception
    kept = session(app).snapshots
    assert [snapshot.name for snapshot in kept] == ["start", "start 2"]
    differing = next(e.value for e in app.dataframe if list(e.value.index) == ["k_phos"])
    assert differing.loc["k_phos", "b"] == session(app).theta[5]
    app.selectbox(key="snapshot_chosen").set_value("start").run()
    app.button(key="snapshot_return").click().run()
    np.testing.assert_array_equal(session(app).theta, kept[0].theta)
    app.button(key="snapshot_delete").click().run()
    assert [snapshot.name for snapshot in session(app).snapshots] == ["start 2"]


def test_a_link_reproduces_the_state_to_the_last_bit(app):
    move(app, "k_phos", 4.0)
    app.toggle(key="x64").set_value(False)
    app.text_input(key="rtol").set_value("1e-9").run()
    address = urlsplit(app.code[0].value)
    query = {key: values[0] for key, values in parse_qs(address.query).items()}
    assert address.path == "/whatif"
    other = opened(**query)
    np.testing.assert_array_equal(session(other).theta, session(app).theta)
    assert not other.toggle(key="x64").value
    assert float(other.text_input(key="rtol").value) == 1e-9
    assert other.query_params["theta"] == query["theta"]


@pytest.mark.parametrize(
    "theta",
    ["k_phos:4.0,nonsense:1", "k_phos:1e999", "k_phos:99", "<script>", "k_phos:4.0~00000000", ""],
)
@pytest.mark.parametrize("page", [None, "pages/whatif.py", "pages/precision.py"])
def test_a_bad_link_is_a_sentence_and_the_nominal_state(boehm, theta, page):
    app = opened(page, problem=BOEHM, theta=theta)
    np.testing.assert_array_equal(session(app).theta, boehm.problem.nominal_theta)
    if theta:
        assert any("link" in warning.value.lower() for warning in app.warning)
    assert "<script>" not in texts(app)


def test_a_link_to_an_upload_says_that_the_file_is_needed(boehm):  # noqa: ARG001 - compiled
    app = opened(problem="mine (upload abc123)", upload="true", theta="p:1")
    assert any("upload its file" in warning.value for warning in app.warning)
    assert session(app).pending is not None


def test_slices_over_the_bounds(app, boehm):
    view(app, "Slices")
    assert len(app.get("plotly_chart")) == 1
    app.button_group(key="slice_reach").set_value("± 0.1")
    app.toggle(key="slice_gradient").set_value(True).run()
    assert not app.exception
    app.multiselect(key=f"slices_{BOEHM}").set_value([]).run()
    assert "Choose at least one" in texts(app)
    assert boehm.problem.n_parameters == 9


@pytest.mark.collection
def test_many_conditions_have_a_picker(collection, objective_of):  # noqa: ARG001
    objective = objective_of("Bruno_JExpBot2016")
    app = opened(problem="Bruno_JExpBot2016")
    picker = app.selectbox(key="condition_Bruno_JExpBot2016")
    assert tuple(picker.options) == objective.condition_labels
    picker.set_value(objective.condition_labels[3]).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1


def test_an_edit_in_the_table_survives_reruns_and_moves_sliders_and_baseline(app, boehm):
    key = f"parameters_{BOEHM}_{session(app).version}"
    app.session_state[key] = {
        "edited_rows": {5: {"value": "4.0"}}, "added_rows": [], "deleted_rows": [],
    }  # fmt: skip
    app.run()
    assert session(app).theta[5] == 4.0
    assert app.slider(key=f"slider_{BOEHM}_k_phos").value == 4.0
    app.button(key="set_baseline").click().run()
    assert session(app).baseline[5] == 4.0
    assert boehm.problem.nominal_theta[5] != 4.0


def test_a_snapshot_of_other_parameters_can_be_deleted_but_not_used(app):
    from dataclasses import replace

    view(app, "Snapshots")
    app.button(key="snapshot_keep").click().run()
    (kept,) = session(app).snapshots
    session(app).snapshots = [
        replace(kept, name="old", parameter_ids=("a", "b"), theta=np.zeros(2), gradient=np.zeros(2))
    ]
    app.run()
    assert not app.exception
    app.button(key="snapshot_return").click().run()
    assert any("other free parameters" in warning.value for warning in app.warning)
    app.button(key="snapshot_delete").click().run()
    assert session(app).snapshots == []


def test_returning_to_a_snapshot_restores_every_digit_of_the_settings(app):
    app.text_input(key="rtol").set_value("1.23456789e-9").run()
    view(app, "Snapshots")
    app.button(key="snapshot_keep").click().run()
    app.text_input(key="rtol").set_value("1e-8").run()
    app.button(key="snapshot_return").click().run()
    assert float(app.text_input(key="rtol").value) == 1.23456789e-9


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"problem": "NoSuchProblem"}, "names a problem that is not known"),
        ({"problem": BOEHM, "x64": "banana"}, "x64 is neither true nor false"),
        ({"problem": BOEHM, "max_steps": "1e19"}, "max_steps must be a whole number"),
    ],
)
def test_an_address_that_can_not_be_read_gets_a_sentence(boehm, query, sentence):  # noqa: ARG001
    app = opened(**query)
    assert any(sentence in warning.value for warning in app.warning)


def test_a_link_to_an_upload_can_be_forgotten(boehm):  # noqa: ARG001 - compiled
    app = opened(problem="mine (upload abc123)", upload="true", theta="p:1")
    assert any("mine (upload abc123)" in warning.value for warning in app.warning)
    app.button(key="forget_link").click().run()
    assert not app.warning


@pytest.mark.collection
def test_a_steady_state_is_drawn(collection, objective_of):  # noqa: ARG001
    from amijax.figures import trajectories_figure
    from amijax.whatif.trajectories import simulate_trajectories

    objective = objective_of("Blasi_CellSystems2016")
    found = simulate_trajectories(objective, objective.problem.nominal_theta)
    figure = trajectories_figure(found, None, found.observable_ids[:2])
    measured = next(trace for trace in figure.data if trace.name == "measured")
    assert np.isfinite(np.array(measured.x, float)).all()
    assert len(measured.x) > 0


@pytest.mark.usefixtures("boehm")
def test_a_cluster_that_can_t_be_used_is_a_sentence(monkeypatch):
    monkeypatch.setenv("AMIJAX_DASK_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    app = view(opened(problem=BOEHM), "Slices")
    assert any("Dask is not installed" in error.value for error in app.error)
    monkeypatch.delenv("AMIJAX_DASK_SCHEDULER")
    app = view(opened(problem=BOEHM), "Slices")
    assert not app.error
