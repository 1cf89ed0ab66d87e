"""What pages share stays on every order of pages, in the address, and is warned of nowhere."""

import itertools
import logging
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from streamlit.elements.lib import policies
from streamlit.runtime.state import get_session_state
from streamlit.testing.v1 import AppTest

from amijax.auto import settle
from amijax.comparison import compare
from amijax.problems.bundle import open_bundle
from amijax.ui import style

REPOSITORY = Path(__file__).parents[1]
EMBEDDED = REPOSITORY / "amijax" / "problems" / "embedded"
TIMEOUT = 120
OF_THE_LESSON = ("step", "own", "projector")  # what only its page says
FIRST = "app.py"
PAGES = (FIRST, *sorted(f"pages/{path.name}" for path in (REPOSITORY / "pages").glob("*.py")))
CONVERSION, ROBERTSON = "Conversion_Reaction", "Robertson_Stiff"

pytestmark = pytest.mark.usefixtures("conversion")


def opened(page=FIRST, **query):
    app = AppTest.from_file(str(REPOSITORY / FIRST), default_timeout=TIMEOUT)
    app.switch_page(page)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def turn(app, page):
    """Follow a page link of the sidebar, which leaves the address's query behind."""
    app.query_params.clear()
    app.switch_page(page).run()
    assert not app.exception


def session(app):
    return app.session_state["amijax_session"]


def query_of(app):
    return {key: app.query_params[key] for key in app.query_params}


def shared(app):
    """What all pages show or use alike."""
    return {
        "problem": app.sidebar.selectbox(key="problem").value,
        "open": session(app).name,
        "theta": session(app).theta.tolist(),
        "x64": app.sidebar.toggle(key="x64").value,
        "sensitivities": app.sidebar.button_group(key="sensitivities").value,
        **{
            key: app.sidebar.text_input(key=key).value
            for key in ("rtol", "atol", "max_steps", "time_limit")
        },
        "address": {k: v for k, v in query_of(app).items() if k not in OF_THE_LESSON},
    }


@pytest.mark.parametrize("order", [PAGES, PAGES[::-1], PAGES[3:] + PAGES[:3]])
def test_what_pages_share_stays_on_every_order_of_pages(order):
    first = order[0]
    app = opened(first)
    app.sidebar.selectbox(key="problem").set_value(CONVERSION).run()
    app.sidebar.toggle(key="x64").set_value(False).run()
    app.sidebar.text_input(key="rtol").set_value("1e-09").run()
    app.sidebar.text_input(key="max_steps").set_value("20000").run()
    app.sidebar.button_group(key="sensitivities").set_value("forward").run()
    theta = session(app).theta + 0.01
    session(app).move_to(theta)
    app.run()
    before = shared(app)
    assert (before["problem"], before["open"]) == (CONVERSION, CONVERSION)
    assert before["address"].keys() == {
        "problem", "theta", "x64", "rtol", "max_steps", "sensitivities",
    }  # fmt: skip
    for page in (*order[1:], first):
        turn(app, page)
        assert shared(app) == before, page
    # A reload is a new session at the same address.
    assert shared(opened(first, **before["address"])) == before


@pytest.mark.parametrize("page", PAGES)
def test_a_cold_address_counts_on_every_page_and_stays(page):
    query = {"problem": CONVERSION, "theta": "k1:-0.5", "x64": "false", "atol": "1e-10",
             "time_limit": "30", "steady_state": "newtonOnly"}  # fmt: skip
    app = opened(page, **query)
    assert not app.exception
    state = shared(app)
    assert state["open"] == CONVERSION
    assert state["theta"][0] == -0.5
    assert (state["x64"], float(state["atol"]), state["time_limit"]) == (False, 1e-10, "30")
    assert query_of(app)["theta"].startswith("k1:-0.5~")
    turn(app, "pages/about.py")
    assert shared(app)["theta"] == state["theta"]
    assert query_of(app)["theta"].startswith("k1:-0.5~")


def test_an_address_that_a_rerun_repeats_does_not_undo_an_edit():
    """A browser sends the address it shows, which may be older than the latest edits."""
    app = opened(problem=CONVERSION, theta="k1:-0.5")
    old = query_of(app)
    for value in (-0.4, -0.3):
        theta = session(app).theta.copy()
        theta[0] = value
        session(app).move_to(theta)
        app.query_params.clear()
        for key, text in old.items():
            app.query_params[key] = text
        app.run()
        assert session(app).theta[0] == value
        assert f"k1:{value}~" in query_of(app)["theta"]
    app.sidebar.selectbox(key="problem").set_value(ROBERTSON)
    for key, text in old.items():
        app.query_params[key] = text
    app.run()
    assert session(app).name == ROBERTSON
    assert query_of(app) == {"problem": ROBERTSON}


def test_a_run_that_ends_late_takes_no_address_from_the_next(monkeypatch):
    """Streamlit has one query for all runs; one that ends may set it once the next has begun."""
    app = opened(problem=CONVERSION, theta="k1:-0.5")
    expected = query_of(app)
    apply = style.apply  # called by each run before it reads the address

    def apply_late():
        with get_session_state().query_params() as query:
            query.populate_from_query_string(urlencode(expected))
        apply()

    monkeypatch.setattr(style, "apply", apply_late)
    turn(app, "pages/whatif.py")
    assert query_of(app) == expected  # told to the browser, which had left it behind
    app = opened(problem=ROBERTSON)
    assert session(app).name == ROBERTSON


def test_a_link_to_the_open_problem_keeps_its_parameters():
    app = opened(problem=CONVERSION, theta="k1:-0.5")
    for name, value in ((CONVERSION, -0.5), (ROBERTSON, None)):
        turn(app, "pages/collection.py")
        app.query_params.clear()
        app.query_params["problem"] = name  # what `link_to` makes
        app.switch_page(FIRST).run()
        assert session(app).name == name
        assert value is None or session(app).theta[0] == value


def uploaded():
    """Key and name of an uploaded problem that this server keeps."""
    files = {path.name: path.read_bytes() for path in (EMBEDDED / CONVERSION).iterdir()}
    bundle = open_bundle(files)
    return bundle.key, f"{bundle.problem.problem_id} (upload {bundle.key[:6]})"


def test_an_upload_is_in_the_address_and_opens_again_from_there():
    key, name = uploaded()
    app = opened(problem=name, upload=key, theta="k1:-0.5")
    assert not app.exception
    assert not [warning.value for warning in app.main.warning]
    assert session(app).name == name
    assert session(app).theta[0] == -0.5
    assert query_of(app)["upload"] == key
    # Another problem is picked: the upload stays in the list, also after a reload.
    app.sidebar.selectbox(key="problem").set_value(CONVERSION).run()
    again = opened(**query_of(app))
    assert session(again).name == CONVERSION
    assert name in again.sidebar.selectbox(key="problem").options


@pytest.mark.parametrize("upload", ["0" * 32, "../../etc", "x", "true", ",,"])
def test_an_upload_that_is_not_kept_is_a_sentence(upload):
    app = opened(problem="mine (upload abc123)", upload=upload)
    assert not app.exception
    assert any("upload its file" in warning.value for warning in app.warning)


def test_uploads_that_are_switched_off_are_not_opened_by_an_address(monkeypatch):
    key, name = uploaded()
    monkeypatch.setenv("AMIJAX_UPLOADS", "off")
    app = opened(problem=name, upload=key)
    assert not session(app).uploads


@pytest.fixture
def duplicates(monkeypatch):
    """What Streamlit says of widgets with a default and a value; it says so once per process."""
    monkeypatch.setattr(policies, "_shown_default_value_warning", False)
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger(policies.__name__)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_no_widget_has_a_default_and_a_value(duplicates):
    app = opened(problem=CONVERSION, x64="false", sensitivities="forward", theta="k1:-0.5",
                 steady_state="newtonOnly")  # fmt: skip
    app.sidebar.button(key="solver_reset").click().run()
    assert shared(app)["sensitivities"] == "auto"
    for other in PAGES:
        turn(app, other)
    assert not duplicates


def test_a_snapshot_that_is_returned_to_gives_no_widget_two_values(duplicates):
    app = opened("pages/whatif.py", problem=CONVERSION)
    app.button_group(key="whatif_view").set_value("Snapshots").run()
    app.button(key="snapshot_keep").click().run()
    app.sidebar.toggle(key="x64").set_value(False).run()
    app.button(key="snapshot_return").click().run()
    assert app.sidebar.toggle(key="x64").value is True
    assert not duplicates


ODD = ["", "  ", "None", "nan", "-1", "0", "1e400", "1.5", "99999999999999999999", "1_0", "٣",
       "1e-9\n", "auto", "<b>", "0x10", "1,5"]  # fmt: skip


def test_odd_solver_settings_never_end_a_page():
    app = opened(problem=CONVERSION)
    fields = itertools.cycle(("max_steps", "rtol", "atol", "time_limit"))
    for text, key in zip(ODD, fields, strict=False):
        app.sidebar.text_input(key=key).set_value(text).run()
        assert not app.exception, (key, text)
    app.sidebar.text_input(key="max_steps").set_value("1.5").run()
    assert any("max_steps must be a whole number" in w.value for w in app.sidebar.warning)
    app.sidebar.button(key="solver_reset").click().run()
    assert not app.sidebar.warning
    np.testing.assert_array_equal([shared(app)[key] for key in ("rtol", "atol")], ["", ""])


def test_an_interrupted_run_keeps_what_was_finished(monkeypatch):
    """A rerun at the same point, for example for the other precision, doesn't begin again."""
    from amijax.ui import evaluation

    points, order = [], []

    def counted_settle(objective, theta, choice, **more):
        points.append(theta.tobytes())
        return settle(objective, theta, choice, **more)

    def breaking_compare(objective, theta, precision, **more):
        order.append(precision)
        if len(order) == 2:
            raise RuntimeError("as if the page were left here")
        return compare(objective, theta, precision, **more)

    monkeypatch.setattr(evaluation, "settle", counted_settle)
    monkeypatch.setattr(evaluation, "compare", breaking_compare)
    app = opened(problem=CONVERSION, theta="k1:-0.5", x64="false")
    assert app.exception
    app.run()
    assert not app.exception
    assert len(points) == 1
    assert order == ["float32", "float64", "float64"]  # the chosen one first
